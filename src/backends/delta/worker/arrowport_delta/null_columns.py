"""Columns that a load does not have, as nulls: delta-rs fills them in itself, but not in tables with column mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from arro3.core import RecordBatch, RecordBatchReader
from arro3.core import Schema as ArrowSchema
from deltalake import Schema

from .handed_batches import import_batch

_WIDEST_VALUE = 16
_SPARE = 64


def with_null_columns(reader: RecordBatchReader, absent: Schema) -> RecordBatchReader:
    """The reader's batches with the absent columns behind their own."""
    own = reader.schema
    added = ArrowSchema.from_arrow(absent.to_arrow())
    schema = ArrowSchema([*(own.field(i) for i in range(len(own.names))), *(added.field(n) for n in added.names)])
    types = [field["type"] for field in json.loads(absent.to_json())["fields"]]

    def batches() -> Iterator[RecordBatch]:
        for batch in reader:
            nulls = _null_batch(added, types, batch.num_rows)
            arrays = [part.column(i) for part in (batch, nulls) for i in range(part.num_columns)]
            yield RecordBatch.from_arrays(arrays, schema=schema)

    return RecordBatchReader.from_batches(schema, batches())


def _null_batch(schema: ArrowSchema, types: list[Any], rows: int) -> RecordBatch:
    """A batch whose buffers are all the same zeros: no value is valid, no list has an element."""
    arrays = [array for kind in types for array in _describe(kind, rows, rows)]
    header = {"rows": rows, "columns": len(types), "arrays": arrays}
    return import_batch(schema, header, bytes((rows + 1) * _WIDEST_VALUE + _SPARE))


def _describe(kind: Any, length: int, nulls: int) -> list[list[Any]]:
    """An array of a Delta type and those in it, depth first: length, nulls, places of buffers, count of children."""
    if isinstance(kind, str):
        buffers = [0, 0, 0] if kind in ("string", "binary") else [0, 0]
        return [[length, nulls, buffers, 0]]
    if kind["type"] == "struct":
        children = [_describe(field["type"], length, nulls) for field in kind["fields"]]
        return [[length, nulls, [0], len(children)], *(array for child in children for array in child)]
    if kind["type"] == "array":
        return [[length, nulls, [0, 0], 1], *_describe(kind["elementType"], 0, 0)]
    entries = [*_describe(kind["keyType"], 0, 0), *_describe(kind["valueType"], 0, 0)]
    return [[length, nulls, [0, 0], 1], [0, 0, [0], 2], *entries]
