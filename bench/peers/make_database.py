"""Makes a DuckDB file with the table `lines` of an Arrow stream."""

import sys

import duckdb
import pyarrow as pa

stream, path = sys.argv[1:3]
lines = pa.ipc.open_stream(stream).read_all()
with duckdb.connect(path) as database:
    database.execute("CREATE TABLE lines AS SELECT * FROM lines")
