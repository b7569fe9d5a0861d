"""DuckDB in one process, no network: duckdb_alone.py DB_FILE TABLE FILE WARM_UP_BATCHES.

Inserts an Arrow IPC stream that is in memory. Prints {"seconds", "rows", "peak_bytes"}.
"""

import json
import resource
import sys
import time

import duckdb
import pyarrow as pa


def insert(connection, table: str, rows: pa.RecordBatchReader) -> int:
    connection.execute("begin")
    connection.execute(f'create table if not exists "{table}" as from rows limit 0')
    (count,) = connection.execute(f'insert into "{table}" select * from rows').fetchone()
    connection.execute("commit")
    return count


def main() -> None:
    db_file, table, path, warm_up = sys.argv[1:5]
    with open(path, "rb") as file:
        body = pa.py_buffer(file.read())
    connection = duckdb.connect(db_file)
    first = pa.ipc.open_stream(body)
    some = [first.read_next_batch() for _ in range(int(warm_up))]
    insert(connection, "warm_up", pa.RecordBatchReader.from_batches(first.schema, some))
    started = time.perf_counter()
    rows = insert(connection, table, pa.ipc.open_stream(body))
    seconds = time.perf_counter() - started
    connection.close()
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_bytes": peak_bytes}))


main()
