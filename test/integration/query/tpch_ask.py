"""Runs statements through POST /query as Arrow and through ADBC, and prints both answers in the form of tpch_expect.py."""

import json
import sys

import adbc_driver_flightsql.dbapi
import pyarrow as pa
import requests

url, flight_url = sys.argv[1:3]
statements = json.load(sys.stdin)


def plain(table: pa.Table) -> dict[str, object]:
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {
        "names": table.column_names,
        "rows": [[None if value is None else str(value) for value in row] for row in rows],
    }


answers = []
with adbc_driver_flightsql.dbapi.connect(flight_url, autocommit=True) as connection:
    for sql in statements:
        response = requests.post(f"{url}/query", data=sql, timeout=500)
        response.raise_for_status()
        over_http = pa.ipc.open_stream(response.content).read_all()
        with connection.cursor() as cursor:
            cursor.execute(sql)
            over_adbc = cursor.fetch_arrow_table()
        answers.append({"http": plain(over_http), "adbc": plain(over_adbc)})
print(json.dumps(answers))
