"""Writes a small Arrow stream and file for every type, codec and layout into a folder: python seeds.py FOLDER"""

import datetime as dt
import decimal
import sys

import numpy as np
import pyarrow as pa

folder = sys.argv[1]


def columns():
    numbers = [0, None, 1, 5, 7, None, 100, 3]
    for kind in (
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        pa.float32(), pa.float64(), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"),
        pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns"),
        pa.duration("s"), pa.duration("us"),
    ):
        yield str(kind), pa.array(numbers, pa.int64()).cast(kind, safe=False) if pa.types.is_integer(kind) or pa.types.is_floating(kind) else pa.array([None if n is None else n * (86_400_000 if kind == pa.date64() else 1) for n in numbers], pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    yield "half", pa.array([np.float16(1.5), None, np.float16(-2)], pa.float16())
    yield "bool", pa.array([True, False, None, True])
    yield "null", pa.nulls(5)
    for precision, kind in ((9, pa.decimal32), (18, pa.decimal64), (38, pa.decimal128), (76, pa.decimal256)):
        yield f"decimal{precision}", pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-7.50")], kind(precision, 2))
    yield "interval", pa.array([pa.MonthDayNano([1, 2, 3]), None, pa.MonthDayNano([-1, -2, -3])])
    texts = ["", "short", None, "a text that is longer than twelve bytes", "é日本", "short"]
    data = [None if text is None else text.encode() for text in texts]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        yield str(kind), pa.array(texts, kind)
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        yield str(kind), pa.array(data, kind)
    yield "fixed", pa.array([b"abcd", None, b"\0\1\2\3"], pa.binary(4))
    lists = [[1, 2], [], None, [3, None, 5], [6]]
    for kind in (pa.list_(pa.int32()), pa.large_list(pa.int32()), pa.list_view(pa.int32()), pa.large_list_view(pa.int32())):
        yield str(kind), pa.array(lists, kind)
    yield "fixed_list", pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int16(), 2))
    yield "list_of_text", pa.array([["a", None], None, ["a text that is longer than twelve"]], pa.list_(pa.string()))
    yield "struct", pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}], pa.struct([("a", pa.int64()), ("b", pa.string())]))
    yield "map", pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int32()))
    yield "deep", pa.array([[[{"a": [1, 2]}], []], None], pa.list_(pa.list_(pa.struct([("a", pa.list_(pa.int8()))]))))
    indices = pa.array([0, 1, None, 2, 1], pa.int8())
    yield "dictionary", pa.DictionaryArray.from_arrays(indices, pa.array(["a", "bb", "ccc"]))
    yield "dictionary_views", pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), pa.array(["a", "b", "a text that is longer than twelve"], pa.string_view()))
    yield "dictionary_lists", pa.DictionaryArray.from_arrays(indices.cast(pa.uint16()), pa.array([[1], [2, 3], None], pa.list_(pa.int32())))
    yield "list_of_dictionary", pa.ListArray.from_arrays([0, 2, 2, 5], pa.DictionaryArray.from_arrays(indices, pa.array(["a", "bb", "ccc"])))
    yield "runs", pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int32()), pa.array(["x", None, "y"]))
    yield "runs16", pa.RunEndEncodedArray.from_arrays(pa.array([1, 4], pa.int16()), pa.array([1.5, 2.5]))
    types = pa.array([0, 1, 0, 1], pa.int8())
    yield "sparse_union", pa.UnionArray.from_sparse(types, [pa.array([1, 2, 3, 4]), pa.array(["a", "b", "c", "d"])])
    yield "dense_union", pa.UnionArray.from_dense(types, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, 2]), pa.array(["a", "b"])])


def save(name, table, codec, kind="stream", **options):
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    written = pa.ipc.IpcWriteOptions(compression=codec, **options)
    with make(f"{folder}/{name}.{codec or 'plain'}.{kind}", table.schema, options=written) as writer:
        writer.write_table(table)
        writer.write_table(table)


together = {}
for number, (name, array) in enumerate(columns()):
    label = f"{number:02}"
    table = pa.table({"c": array})
    save(label, table, None)
    save(label, table, None, "file")
    if len(array) and array.type != pa.null():
        save(label, pa.table({"c": pa.concat_arrays([array] * 40)}) if "dictionary" not in name else table, ("zstd", "lz4")[number % 2])
    together[name] = array
wide = pa.table({name: array.slice(0, 2) for name, array in together.items() if len(array) >= 2 and not name.startswith(("runs", "dense", "sparse"))})
for codec in (None, "zstd", "lz4"):
    save("wide", wide, codec)
save("wide", wide, None, "file")

schema = pa.schema([("d", pa.dictionary(pa.int8(), pa.string()))])
with pa.ipc.new_stream(f"{folder}/deltas.plain.stream", schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
    values = ["a"]
    for text in ("b", "c", "a longer text for the delta"):
        writer.write_batch(pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0, len(values) - 1], pa.int8()), pa.array(list(values)))], schema=schema))
        values.append(text)
with pa.ipc.new_stream(f"{folder}/replaced.plain.stream", schema) as writer:
    for text in ("b", "c"):
        writer.write_batch(pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0, 0, None], pa.int8()), pa.array([text]))], schema=schema))
print("[]")
