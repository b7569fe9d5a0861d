"""What a stopped server left in its file: count_rows.py DB_FILE TABLE. Prints {"rows", "id_sum"}."""

import json
import sys

import duckdb

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows, id_sum = connection.execute(f'select count(*), sum(id)::bigint from "{sys.argv[2]}"').fetchone()
print(json.dumps({"rows": rows, "id_sum": id_sum}))
