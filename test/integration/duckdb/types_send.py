"""Sends tables of every kind of type through both doors; keeps what must load beside the database."""

import datetime as dt
import decimal
import io
import json
import sys
import uuid

import numpy as np
import polars as pl
import pyarrow as pa

from doors import FILE, Server, stream_bytes, verdict

server, own = Server(*sys.argv[1:3]), sys.argv[3]
answers = {}


def send(name, table, expected=None):
    """Over both doors. `expected` is what must be in the file where it is not the table itself."""
    answers[f"{name}_http"] = server.post(f"{name}_http", stream_bytes(table))
    answers[f"{name}_flight"] = server.put(f"{name}_flight", table.schema, table.to_batches()) or {"code": "no receipt"}
    for door in ("http", "flight"):
        keep(f"{name}_{door}", table if expected is None else expected)


def send_bytes(name, body, kind="application/octet-stream", expected=None):
    answers[name] = server.post(name, body, kind=kind)
    if expected is not None:
        keep(name, expected)


def keep(name, table):
    with pa.ipc.new_stream(f"{own}/{name}.stream", table.schema) as writer:
        writer.write_table(table)


def column(values, kind=None):
    return pa.table({"c": values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, kind)})


def dictionary(indices, values, index_type=pa.int32()):
    return pa.DictionaryArray.from_arrays(pa.array(indices, index_type), values)


def plain():
    send("half", column(np.array([0, -0.0, 1.5, -2, 65504, np.inf, -np.inf, np.nan, 6e-8], np.float16)))
    send("half_nulls", column([np.float16(1.5), None, np.float16(-2)], pa.float16()))
    send("uuid", column([uuid.UUID(int=5).bytes, None, uuid.UUID(int=2**127 + 1).bytes], pa.uuid()))
    bool8 = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None, 5], pa.int8()))
    send("bool8", column(bool8))
    send("json", column(['{"a": 1}', None, "[1]"], pa.json_()))
    send("nulls", pa.table({"c": pa.nulls(5), "d": range(5)}))
    send("string_views", column(["short", "a string longer than twelve bytes", None, ""], pa.string_view()))
    send("binary_views", column([b"\0\xff", b"x" * 40, None], pa.binary_view()))
    send("long_strings", column(["x" * 100_000, "é" * 5000, "", None, "\0"], pa.large_string()))
    send("bytes", pa.table({"c": pa.array([b"", b"\0", None], pa.binary()), "f": pa.array([b"ab", b"\0\1", None], pa.binary(2))}))
    send("integers", pa.table({
        str(kind): pa.array([0, None, np.iinfo(kind.to_pandas_dtype()).min, np.iinfo(kind.to_pandas_dtype()).max], kind)
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    }))
    send("decimals", pa.table({
        f"d{width}_{scale}": pa.array([decimal.Decimal((0, (9,) * width, -scale)), decimal.Decimal((1, (1,) * width, -scale)), None], kind(width, scale))
        for kind, width, scale in (
            (pa.decimal128, 4, 2), (pa.decimal128, 18, 0), (pa.decimal128, 38, 38), (pa.decimal128, 38, 10),
            (pa.decimal256, 38, 5), (pa.decimal256, 10, 2), (pa.decimal32, 9, 3), (pa.decimal64, 18, 18),
        )
    }))


def times():
    limits = [2**63 - 2, -(2**63) + 2, 0, None, -1]
    send("timestamps", pa.table({
        "s": pa.array([2**40, -(2**40), None], pa.timestamp("s")), "ms": pa.array([2**50, -(2**50), None], pa.timestamp("ms")),
        "us": pa.array([1, -1, None], pa.timestamp("us")), "ns": pa.array([2**62, -(2**62) + 7, None], pa.timestamp("ns")),
    }))
    send("instants", pa.table({
        f"{unit}_{zone}": pa.array([0, 1_600_000_000_000, -5_000_000, None], pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns") for zone in ("UTC", "Europe/Oslo", "+05:30") if unit != "s"
    }))
    send("instants_ns_exact", column([1000, -5000, None, 2**62 // 1000 * 1000], pa.timestamp("ns", "UTC")))
    send("instants_ns_inexact", column([1000, 2001], pa.timestamp("ns", "UTC")))
    send("instants_ns_null_slot", column(pa.Array.from_buffers(
        pa.timestamp("ns", "UTC"), 2, [pa.py_buffer(b"\2"), pa.py_buffer(np.array([2001, 3000], np.int64))])))
    send("instants_far", column([2**62], pa.timestamp("s", "UTC")))
    send("dates", pa.table({"d": pa.array([0, -719162, 2932896, None], pa.date32()), "m": pa.array([86_400_000, 0, -86_400_000, None], pa.date64())}))
    send("dates_not_whole", column(pa.Array.from_buffers(pa.date64(), 1, [None, pa.py_buffer(np.array([1], np.int64))])))
    send("clock", pa.table({
        "s": pa.array([0, 86_399, None], pa.time32("s")), "ms": pa.array([0, 86_399_999, None], pa.time32("ms")),
        "us": pa.array([0, 86_399_999_999, None], pa.time64("us")), "ns": pa.array([1, 86_399_999_999_999, None], pa.time64("ns")),
    }))
    send("durations", pa.table({u: pa.array([1, -(2**40), None], pa.duration(u)) for u in ("s", "ms", "us")}))
    send("durations_ns", column([1000], pa.duration("ns")))
    send("intervals", column([pa.MonthDayNano([1, -2, 3000]), None], pa.month_day_nano_interval()))
    send("intervals_ns", column([pa.MonthDayNano([1, 1, 1])], pa.month_day_nano_interval()))
    send("timestamp_limits", column(limits, pa.timestamp("us")))


def dictionaries():
    texts = pa.array(["a", None, "a value that is longer than twelve bytes", "a"])
    send("dictionary_nulls", column(dictionary([0, 1, None, 2, 3, 0], texts)))
    for kind in (pa.int8(), pa.uint8(), pa.uint16(), pa.uint32(), pa.int64(), pa.uint64()):
        send(f"dictionary_{kind}", column(dictionary([2, 0, None, 1], texts, kind)))
    send("dictionary_timestamps", column(dictionary([0, 1, None, 0], pa.array([1, 2], pa.timestamp("us")), pa.uint8())))
    send("dictionary_decimals", column(dictionary([0, None, 1], pa.array([decimal.Decimal("1.50"), None], pa.decimal128(5, 2)))))
    send("dictionary_structs", column(dictionary([0, 1, None, 0], pa.array([{"a": 1}, None]))))
    send("dictionary_lists", column(dictionary([1, 0, None], pa.array([[1, 2], None]))))
    send("dictionary_bools", column(dictionary([1, 0, None], pa.array([True, False]))))
    send("dictionary_views", column(dictionary([1, 0, None], pa.array(["x", "a string longer than twelve"], pa.string_view()))))
    send("dictionary_halves", column(dictionary([1, 0, None], pa.array([np.float16(0.5), None], pa.float16()))))
    send("dictionary_uuids", column(dictionary([1, 0, None], pa.array([b"\0" * 16, b"\1" * 16], pa.binary(16)))))
    send("dictionary_of_nothing", column(dictionary([None, None], pa.array([], pa.string()))))
    inner = dictionary([0, 1, 0], pa.array(["x", "y"]))
    send("dictionary_in_list", column(pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), inner)))
    send("dictionary_in_struct", column(pa.StructArray.from_arrays([inner, pa.array([1, 2, 3])], ["d", "n"])))
    send("dictionary_in_map", column(pa.MapArray.from_arrays(pa.array([0, 2, 3], pa.int32()), inner, pa.array([1, 2, 3]))))
    replaced = [column(dictionary([0, 1, None], pa.array([f"a{i}", f"b{i}"]))).to_batches()[0] for i in range(4)]
    send("dictionary_replaced", pa.Table.from_batches(replaced))
    sink = io.BytesIO()
    growing = [pa.record_batch({"c": dictionary([0, n - 1, None], pa.array([f"v{i}" for i in range(n)]))}) for n in (1, 3, 3, 6)]
    with pa.ipc.new_stream(sink, growing[0].schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for batch in growing:
            writer.write_batch(batch)
    send_bytes("dictionary_deltas", sink.getvalue(), expected=pa.Table.from_batches(growing))


def extremes():
    raw = lambda kind, values, width=np.int64: column(pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.array(values, width))]))
    ends = [2**63 - 1, -(2**63), -(2**63) + 1, 0]
    for name, kind in (("s", pa.timestamp("s")), ("ms", pa.timestamp("ms")), ("us", pa.timestamp("us")), ("ns", pa.timestamp("ns")), ("tz", pa.timestamp("us", "UTC"))):
        send(f"extreme_{name}", raw(kind, ends))
    send("extreme_dates", raw(pa.date32(), [2**31 - 1, -(2**31), 0], np.int32))
    send("extreme_times", raw(pa.time64("us"), [-5, 10**18]))
    send("extreme_intervals", column([pa.MonthDayNano([2**31 - 1, -(2**31), 2**63 - 807 - 1])], pa.month_day_nano_interval()))
    over = lambda kind, value: column(pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(value.to_bytes(kind.byte_width, "little", signed=True))]))
    send("decimal_over_32", over(pa.decimal32(4, 2), 10**8))
    send("decimal_over_64", over(pa.decimal64(12, 2), -(10**12)))
    send("decimal_over_128", over(pa.decimal128(4, 2), 10**30))
    send("decimal_over_38", over(pa.decimal128(38, 2), 10**38))
    send("decimal_over_256", over(pa.decimal256(38, 2), -(10**38)))
    send("decimal_negative_scale", column([None], pa.decimal128(5, -2)))
    send("decimal_in_list_over", column(pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), over(pa.decimal128(4, 2), 10**5).column(0).combine_chunks())))


def nested():
    send("run_ends", pa.table({"c": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int16()), pa.array(["a", None, "b"]))}))
    inner = pa.RunEndEncodedArray.from_arrays([1, 3], pa.array([1.5, None]))
    send("run_ends_in_struct", column(pa.StructArray.from_arrays([inner], ["r"])))
    send("lists", pa.table({
        "list": pa.array([[1, None], None, []]), "large": pa.array([["a"], None, []], pa.large_list(pa.string())),
        "fixed": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int32(), 2)), "view": pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())),
        "struct": pa.array([[{"a": 1, "b": None}], None, [None]]), "deep": pa.array([[[["x"]], None], None, [[]]]),
    }))
    send("maps", column([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int64())))
    send("map_repeated_key", column([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())))
    send("map_of_structs", column([[(1, {"x": [1, None]})], None], pa.map_(pa.int32(), pa.struct({"x": pa.list_(pa.int8())}))))
    send("structs", column([{"a": 1, "b": {"c": None}}, None, {"a": None, "b": None}]))
    send("struct_without_fields", column([{}, {}], pa.struct([])))
    send("struct_field_case", column([{"a": 1, "A": 2}], pa.struct({"a": pa.int8(), "A": pa.int8()})))
    send("fixed_of_none", column([[], []], pa.list_(pa.int8(), 0)))
    send("no_columns", pa.table({}))
    send("sliced", pa.table({"c": pa.array(range(100)), "s": pa.array([str(i) for i in range(100)]), "b": pa.array([i % 3 == 0 for i in range(100)])}).slice(13, 50))


def edges():
    schema = pa.schema({"id": pa.int64(), "s": pa.string()})
    send("no_batches", schema.empty_table())
    send("empty_batches", pa.Table.from_batches([pa.RecordBatch.from_pylist([], schema)] * 3))


def frames():
    frame = pl.DataFrame({
        "text": ["x", None, "a string longer than twelve bytes"], "cat": pl.Series(["b", "a", None], dtype=pl.Categorical),
        "enum": pl.Series(["lo", None, "hi"], dtype=pl.Enum(["lo", "hi"])), "list": [[1], None, []],
        "time": pl.Series([dt.time(1, 2, 3), None, dt.time(0)]), "dur": pl.Series([dt.timedelta(seconds=1), None, dt.timedelta(0)], dtype=pl.Duration("us")),
        "dec": pl.Series([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")], dtype=pl.Decimal(10, 2)), "bin": [b"a", None, b""],
        "struct": [{"a": 1}, None, {"a": None}], "when": pl.Series([dt.datetime(2020, 1, 1), None, dt.datetime(1960, 1, 1)]).dt.replace_time_zone("Europe/Oslo"),
    })
    for compression in ("uncompressed", "lz4", "zstd"):
        for write, kind in ((frame.write_ipc_stream, "stream"), (frame.write_ipc, "file")):
            sink = io.BytesIO()
            write(sink, compression=compression)
            send_bytes(f"polars_{kind}_{compression}", sink.getvalue(), expected=frame.to_arrow())


def big():
    n, rng = 300_000, np.random.default_rng(2)
    mask = rng.random(n) < 0.1
    rows = lambda make: [None if mask[i] else make(i) for i in range(n)]
    send("big", pa.table({
        "i": pa.array(np.arange(n), mask=mask), "b": pa.array(rng.random(n) < 0.5, mask=mask),
        "s": rows(lambda i: f"str{i}"), "sv": pa.array(rows(lambda i: f"a string view {i}" if i % 2 else "x"), pa.string_view()),
        "d": pa.array(rows(lambda i: f"k{i % 7}")).dictionary_encode(), "l": rows(lambda i: list(range(i % 4))),
        "ls": rows(lambda i: [f"e{j}" for j in range(i % 3)]), "st": rows(lambda i: {"a": i, "b": f"z{i}", "c": [i] if i % 5 else None}),
        "fsl": pa.array(rows(lambda i: [i, i + 1]), pa.list_(pa.int32(), 2)), "m": pa.array(rows(lambda i: [("k", i)]), pa.map_(pa.string(), pa.int64())),
        "lst": pa.array(rows(lambda i: [{"x": i, "y": None if i % 2 else "q"}] * (i % 3))),
        "ld": pa.array(rows(lambda i: ["p", f"q{i % 9}"][: i % 3])).cast(pa.list_(pa.string())),
        "n": pa.nulls(n), "u": pa.array(rows(lambda i: i % 256), pa.uint8()),
    }))


for part in (plain, times, extremes, dictionaries, nested, edges, frames, big):
    part()
print(json.dumps({name: [verdict(answer), answer.get("column"), answer.get("detail")] for name, answer in answers.items()}))
