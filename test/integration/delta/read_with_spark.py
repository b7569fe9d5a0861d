"""Makes Delta tables with Spark, and reads those of others: read_with_spark.py ROOT SENT JARS.

Prints "made", waits for a line, compares the tables of the folder with the rows that were sent, and prints what differs
as JSON.
"""

import json
import os
import sys

import pyarrow as pa
from pyspark.sql import SparkSession

# Rows are compared as texts and numbers that do not depend on where this runs.
os.environ["TZ"] = "UTC"


def plain(value):
    """A value as JSON has it, whoever read it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if getattr(value, "tzinfo", None) is not None:
        return value.astimezone(__import__("datetime").timezone.utc).replace(tzinfo=None).isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def make_mapped(spark, root):
    """Tables whose columns stand under other names in their files, one renamed and one dropped."""
    for mode in ("name", "id"):
        table = f"delta.`{root}/spark_{mode}`"
        columns = "id bigint, old string, gone int, p string, st struct<x: int, `y z`: string>"
        mapped = f"using delta partitioned by (p) tblproperties ('delta.columnMapping.mode' = '{mode}')"
        spark.sql(f"create table {table} ({columns}) {mapped}")
        spark.sql(f"insert into {table} values (1, 'a', 5, 'e', named_struct('x', 1, 'y z', 's'))")
        spark.sql(f"alter table {table} rename column old to `new name`")
        spark.sql(f"alter table {table} drop column gone")
        spark.sql(f"insert into {table} values (2, 'b', 'o', named_struct('x', 2, 'y z', 't'))")


def main():
    root, sent_path, jars = sys.argv[1:4]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    make_mapped(spark, root)
    print("made", flush=True)
    sys.stdin.readline()
    load = spark.read.format("delta").load
    sent = pa.ipc.open_stream(sent_path).read_all().to_pydict()
    names = list(sent)
    order = sorted(range(len(sent["id"])), key=sent["id"].__getitem__)
    wanted = {name: [plain(sent[name][row]) for row in order] for name in names}
    answer = {"differing": [], "pruned": {}}
    for table in sorted(os.listdir(root)):
        if not table.startswith("types_"):
            continue
        frame = load(f"{root}/{table}")
        rows = sorted(frame.collect(), key=lambda row: row["id"])
        for name in names:
            if name == "ts" and table == "types_mapped":
                continue
            if [plain(row[name]) for row in rows] != wanted[name]:
                answer["differing"].append(f"{table}: {name}")
        answer["pruned"][table] = [
            frame.where("id = 7").count(),
            frame.where("p = 'a b/%' or text = repeat('ä', 38) and day > date '1900-01-05'").count(),
        ]
    changes = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0)
    kinds = changes.load(f"{root}/changed").groupBy("_change_type").count().collect()
    answer["changes"] = {row["_change_type"]: row["count"] for row in kinds}
    answer["versions"] = [
        spark.read.format("delta").option("versionAsOf", v).load(f"{root}/many").count() for v in (0, 7, 11)
    ]
    answer["mapped"] = {
        mode: [plain(row) for row in load(f"{root}/spark_{mode}").orderBy("id").collect()] for mode in ("name", "id")
    }
    spark.sql(f"insert into delta.`{root}/many` select 1000 as id")
    answer["appended"] = load(f"{root}/many").count()
    print(json.dumps(answer), flush=True)
    spark.stop()


main()
