"""Loads that meet a table with columns of its own: what fits, what is refused, what widens."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa

from doors import Server, stream_bytes, verdict

server = Server(*sys.argv[1:3])
answers = {}


def send(name, stream, table, **command):
    answer = server.post(stream, stream_bytes(table)) if not command else server.put(stream, table.schema, table.to_batches(), **command)
    answers[name] = {"verdict": verdict(answer), "http": answer.get("http"), "column": answer.get("column"), "detail": answer.get("detail")}


def typed(**columns):
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


def strict():
    send("first", "strict", typed(
        id=(pa.int64(), [1, 2]), name=(pa.string(), ["a", "b"]), price=(pa.float64(), [0.5, 1.5]),
        amount=(pa.decimal128(10, 2), [Decimal("1.25"), None]), small=(pa.int16(), [1, 2]), big=(pa.uint64(), [1, 2**64 - 1])))
    send("another_order", "strict", typed(small=(pa.int16(), [3]), name=(pa.string(), ["c"]), id=(pa.int64(), [3]),
         price=(pa.float64(), [2.5]), big=(pa.uint64(), [0]), amount=(pa.decimal128(10, 2), [Decimal("3.50")])))
    send("absent", "strict", typed(id=(pa.int64(), [4])))
    send("narrower", "strict", typed(
        id=(pa.int32(), [5]), price=(pa.float32(), [0.25]), amount=(pa.decimal128(5, 2), [Decimal("5.75")]), small=(pa.uint8(), [255]), big=(pa.uint32(), [5])))
    send("null_type", "strict", pa.table({"id": [6], "name": pa.nulls(1), "amount": pa.nulls(1)}))
    send("null_types_first", "nulls", typed(
        t=(pa.timestamp("us"), [0]), l=(pa.list_(pa.timestamp("us")), [[0]]), s=(pa.struct({"a": pa.string(), "b": pa.binary()}), [None]),
        m=(pa.map_(pa.string(), pa.date32()), [[("k", 1)]]), f=(pa.list_(pa.string(), 2), [["a", "b"]]), u=(pa.binary(), [b"x"])))
    nothing = typed(
        t=(pa.null(), [None, None]), l=(pa.list_(pa.null()), [[None], []]), s=(pa.struct({"b": pa.null()}), [{"b": None}, None]),
        m=(pa.map_(pa.string(), pa.null()), [[("k", None)], None]), f=(pa.list_(pa.null(), 2), [[None, None], None]), u=(pa.null(), [None, None]))
    send("null_types", "nulls", nothing)
    send("null_types_merge", "nulls", nothing.append_column("more", pa.array([1, 2])), schema_mode="merge")
    send("null_types_alone", "nulls_alone", nothing)
    send("other_case", "strict", typed(ID=(pa.int64(), [7]), Name=(pa.string(), ["g"])))
    send("dictionary", "strict", pa.table({"id": [8], "name": pa.array(["h"]).dictionary_encode()}))
    before = server.metric("arrowport_schema_mismatches_total")
    send("wider", "strict", typed(
        id=(pa.float64(), [9.5]), name=(pa.int64(), [1]), amount=(pa.decimal128(12, 4), [Decimal("9")]), small=(pa.uint16(), [9]), big=(pa.int8(), [9])))
    send("wider_flight", "strict", typed(id=(pa.string(), ["x"]), small=(pa.int32(), [9])), mode="append")
    send("unknown_column", "strict", typed(id=(pa.int64(), [9]), extra=(pa.int64(), [9])))
    send("same_but_for_case", "strict", pa.table({"id": [9], "ID": [10]}))
    answers["mismatches"] = server.metric("arrowport_schema_mismatches_total") - before
    send("first_refused", "first_refused", pa.table({"a": [1], "A": [1]}))


def made_beforehand():
    send("required_there", "required", pa.table({"id": [1, 2], "name": ["a", "b"]}))
    send("required_missing", "required", pa.table({"name": ["c"]}))
    send("required_null", "required", pa.table({"id": pa.array([3, None]), "name": ["d", "e"]}))
    send("key_first", "keyed", pa.table({"id": [1, 2]}))
    send("key_again", "keyed", pa.table({"id": [3, 2]}))
    send("key_twice_in_one", "keyed", pa.table({"id": [8, 8]}))
    send("key_after", "keyed", pa.table({"id": [4]}))
    send("checked", "checked", pa.table({"n": [1, -1]}))
    send("default", "defaulted", pa.table({"id": [1]}))
    send("generated", "generated", pa.table({"a": [1, 2]}))
    send("generated_sent", "generated", pa.table({"a": [3], "twice": [6]}))
    send("view", "a_view", pa.table({"id": [1]}))
    send("key_added_column", "keyed", pa.table({"id": [5], "extra": ["x"]}), schema_mode="merge")
    send("key_wider", "keyed", pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), schema_mode="merge")
    send("indexed_added", "indexed", pa.table({"id": [5], "extra": ["x"]}), schema_mode="merge")
    send("indexed_wider", "indexed", pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), schema_mode="merge")
    send("generated_added", "generated", pa.table({"a": [5], "extra": ["x"]}), schema_mode="merge")
    send("generated_wider", "generated", pa.table({"a": pa.array([2**64 - 1], pa.uint64())}), schema_mode="merge")
    send("view_merge", "a_view", pa.table({"id": [1], "new": [1]}), schema_mode="merge")
    send("required_wider", "required", pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), schema_mode="merge")
    send("viewed_wider", "base", pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), schema_mode="merge")
    send("enum_column", "with_enum", pa.table({"mood": ["ok"]}))
    send("in_schema", "in_schema", pa.table({"id": [1]}))


def merge():
    def step(name, **columns):
        send(f"merge_{name}", "merge.steps", typed(**columns))

    step("first", n=(pa.int32(), [1]), u=(pa.uint32(), [1]), d=(pa.int32(), [1]), f=(pa.float32(), [0.5]), s=(pa.struct({"a": pa.int8()}), [{"a": 1}]))
    step("wider", n=(pa.int64(), [2**40]))
    step("narrower", n=(pa.int8(), [3]))
    step("mixed_sign", u=(pa.int32(), [-1]))
    step("to_decimal", d=(pa.decimal128(12, 2), [Decimal("4.25")]))
    step("to_double", f=(pa.float64(), [0.1]))
    step("added", extra=(pa.string(), ["x"]), more=(pa.list_(pa.int32()), [[1]]))
    step("struct_field", s=(pa.struct({"a": pa.int32(), "b": pa.string()}), [{"a": 2**20, "b": "y"}]))
    step("struct_subset", s=(pa.struct({"b": pa.string()}), [{"b": "z"}]))
    step("list_wider", more=(pa.list_(pa.int64()), [[2**40, None]]))
    step("new_null", nothing=(pa.null(), [None]))
    step("empty_list", more=(pa.list_(pa.null()), [[]]))
    step("impossible", n=(pa.string(), ["text"]), extra=(pa.int64(), [1]), fresh=(pa.int64(), [1]))
    step("big", n=(pa.uint64(), [2**64 - 1]))
    send("merge_by_command", "by_command", typed(n=(pa.int32(), [1])))
    send("merge_by_command_wider", "by_command", typed(n=(pa.int64(), [2**40]), m=(pa.int8(), [1])), schema_mode="merge")
    schema = pa.schema({"n": pa.int64(), "late": pa.int64()})
    body = stream_bytes(pa.table({"n": range(100_000), "late": range(100_000)}), 10_000)
    answers["merge_truncated"] = {"verdict": verdict(server.post("merge.steps", body[: len(body) // 2 + 100]))}
    bad = bytearray(stream_bytes(pa.table({"n": [1], "late": ["text"]})))
    at = bad.rindex(b"text")
    bad[at : at + 4] = b"\xff\xfe\xff\xfe"
    answers["merge_malformed"] = {"verdict": verdict(server.post("merge.steps", bytes(bad)))}


def merge_beside_appends():
    send("busy_first", "busy", pa.table({"id": pa.array([0], pa.int32())}))
    stop, rows = threading.Event(), []

    def append(producer):
        table = pa.table({"id": pa.array(range(500), pa.int32())})
        while not stop.is_set():
            answer = server.post("busy", stream_bytes(table)) if producer % 2 else server.put("busy", table.schema, table.to_batches())
            rows.append(verdict(answer))

    def change(step):
        columns = {"id": pa.array(range(100), pa.int64() if step == 4 else pa.int32()), f"added_{step}": pa.array(range(100), pa.int8())}
        if step > 0:
            columns[f"added_{step - 1}"] = pa.array(range(100), pa.int32())
        return verdict(server.post("merge.busy", stream_bytes(pa.table(columns))))

    with ThreadPoolExecutor(4) as pool:
        appends = [pool.submit(append, producer) for producer in range(4)]
        changes = [change(step) for step in range(8)]
        stop.set()
        for ended in appends:
            ended.result()
    answers["busy"] = {"appends": rows, "changes": changes}


def order():
    n = 400_000
    table = pa.table({"n": range(n)})
    answers["order"] = {
        "http": verdict(server.post("order_http", stream_bytes(table, 7_001))),
        "flight": verdict(server.put("order_flight", table.schema, table.to_batches(max_chunksize=150_001))),
    }


for part in (strict, made_beforehand, merge, merge_beside_appends, order):
    part()
print(json.dumps(answers))
