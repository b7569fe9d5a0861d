"""Makes TPC-H at a scale in a new database file and prints its queries with DuckDB's own answers, as JSON."""

import json
import pathlib
import sys

import duckdb
import duckdb_extension_tpch

path, scale = sys.argv[1:3]
folder = pathlib.Path(duckdb_extension_tpch.__file__).parent
extension = next(folder.rglob("tpch.duckdb_extension"))
with duckdb.connect(path) as database:
    database.execute(f"LOAD '{extension}'")
    database.execute(f"CALL dbgen(sf = {scale})")
    queries = database.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()
    answers = []
    for (sql,) in queries:
        result = database.execute(sql)
        names = [column[0] for column in result.description]
        rows = [[None if value is None else str(value) for value in row] for row in result.fetchall()]
        answers.append({"sql": sql, "names": names, "rows": rows})
print(json.dumps(answers))
