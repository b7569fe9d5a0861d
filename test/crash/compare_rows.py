"""Compares every row of a stopped server's tables with what was sent.

Argument: a JSON file of {"db", "lake", "tables": [{"backend", "table", "loads": [{"load", "rows", "must"}]}]}.
Prints {"rows", "lost", "doubled", "partial", "wrong", "unknown"}: rows seen, and lists of loads.
"""

import json
import os
import sys

import duckdb
import numpy as np
import pyarrow as pa
from crash_rows import SCHEMA, rows_of
from deltalake import DeltaTable

with open(sys.argv[1]) as file:
    plan = json.load(file)
verdict: dict = {"rows": 0, "lost": [], "doubled": [], "partial": [], "wrong": [], "unknown": []}


def read_all(backend: str, table: str) -> pa.Table:
    if backend == "delta":
        path = os.path.join(plan["lake"], table)
        if not os.path.isdir(path):
            return SCHEMA.empty_table()
        if not DeltaTable.is_deltatable(path):
            return SCHEMA.empty_table()
        found = pa.table(DeltaTable(path).to_pyarrow_table())
    else:
        with duckdb.connect(plan["db"], read_only=True) as db:
            known = db.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table]
            ).fetchone()
            if known == (0,):
                return SCHEMA.empty_table()
            found = db.execute(f'SELECT load, seq, number, label, flag FROM "{table}"').to_arrow_table()
    return found.select(SCHEMA.names).cast(SCHEMA)


def compare(backend: str, table: str, loads: list[dict]) -> None:
    found = read_all(backend, table).sort_by([("load", "ascending"), ("seq", "ascending")]).combine_chunks()
    verdict["rows"] += found.num_rows
    numbers, starts, counts = np.unique(found["load"].to_numpy(), return_index=True, return_counts=True)
    there = {int(n): (int(s), int(c)) for n, s, c in zip(numbers, starts, counts, strict=True)}
    for expected in loads:
        place = there.pop(expected["load"], None)
        name = f"{backend} {table} load {expected['load']}"
        if place is None:
            if expected["must"]:
                verdict["lost"].append(name)
            continue
        start, count = place
        rows = found.slice(start, count)
        if rows.equals(rows_of(expected["load"], expected["rows"])):
            continue
        seqs = np.unique(rows["seq"].to_numpy())
        kind = "doubled" if len(seqs) < count else "partial" if count < expected["rows"] else "wrong"
        verdict[kind].append(f"{name}: {count} rows of {expected['rows']}, {len(seqs)} different")
    verdict["unknown"] += [f"{backend} {table} load {load}" for load in there]


for entry in plan["tables"]:
    compare(entry["backend"], entry["table"], entry["loads"])
print(json.dumps(verdict))
