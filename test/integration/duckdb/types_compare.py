"""Compares each table of a database file with the stream of its name in a folder; names what has a table without one."""

import json
import sys

import pyarrow as pa

from arrow_values import differences
from read_tables import open_file, read_table, table_names

connection, folder = open_file(sys.argv[1]), sys.argv[2]
found = {}
for name in table_names(connection):
    with open(f"{folder}/{name}.stream", "rb") as source:
        found[name] = differences(pa.ipc.open_stream(source).read_all(), read_table(connection, name))
types = connection.execute(
    "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main'"
).fetchall()
print(json.dumps({"differences": found, "types": dict(types)}))
