"""Runs statements on a database file: `{name: SQL}` in, `{name: rows or the error's first line}` out."""

import json
import sys

import duckdb

with duckdb.connect(sys.argv[1], read_only=sys.argv[3:] != ["write"]) as connection:
    connection.execute("SET TimeZone = 'UTC'")
    found = {}
    for name, sql in json.loads(sys.argv[2]).items():
        try:
            found[name] = connection.execute(sql).fetchall()
        except duckdb.Error as failure:
            found[name] = str(failure).split("\n")[0]
print(json.dumps(found, default=str))
