"""How Parquet files are written."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any, cast

from deltalake import ColumnProperties, Schema, WriterProperties

from .errors import WorkerError

_COMPRESSIONS = {"snappy": "SNAPPY", "gzip": "GZIP", "lz4": "LZ4_RAW", "zstd": "ZSTD", "none": "UNCOMPRESSED"}
_LEVELS = {"gzip": 6, "zstd": 3}
_DICTIONARY_BYTES = 256 << 10
"""A column whose dictionary grows beyond this is written plainly: the default of a megabyte costs an eighth more time
and makes larger files."""

_INTEGER_TYPES = frozenset(("byte", "short", "integer", "long", "date", "timestamp", "timestamp_ntz"))
_DECIMAL = re.compile(r"decimal\((\d+),")
_LONG_DIGITS = 18


def writer_properties(compression: str) -> WriterProperties:
    """The properties for a compression of the configuration."""
    name = _COMPRESSIONS.get(compression)
    if name is None:
        raise WorkerError("invalid", "compression must be snappy, gzip, lz4, zstd or none.")
    return WriterProperties(
        compression=cast(Any, name),
        compression_level=_LEVELS.get(compression),
        dictionary_page_size_limit=_DICTIONARY_BYTES,
    )


def with_packed(properties: WriterProperties, schema: Schema, names: Iterable[str]) -> WriterProperties:
    """The same with the values of these columns as packed differences, where the table has integers in them."""
    integers = {field.name for field in schema.fields if _is_integer(str(getattr(field.type, "type", "")))}
    columns = {name: ColumnProperties(encoding="DELTA_BINARY_PACKED") for name in names if name in integers}
    if not columns:
        return properties
    changed = copy.copy(properties)
    changed.column_properties = {**(properties.column_properties or {}), **columns}
    return changed


def _is_integer(delta_type: str) -> bool:
    """Whether the values of a type of Delta are integers in Parquet."""
    decimal = _DECIMAL.match(delta_type)
    return delta_type in _INTEGER_TYPES or (decimal is not None and int(decimal[1]) <= _LONG_DIGITS)
