"""How Parquet files are written."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from typing import Any, Literal, cast

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
_KEPT_DIGITS = 15


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
    own = dict(properties.column_properties or {})
    for name in integers.intersection(names):
        own[name] = copy.copy(own.get(name) or ColumnProperties())
        own[name].encoding = "DELTA_BINARY_PACKED"
    changed = copy.copy(properties)
    changed.column_properties = own
    return changed


def without_rounded_statistics(properties: WriterProperties, *schemas: Schema) -> WriterProperties:
    """The same without the bounds of decimals that a number in JSON does not keep.

    delta-rs writes such bounds rounded into the log, and readers pass over files that hold what they look for. Tables
    that Arrowport makes name the columns that have statistics; others, and columns that come later, need this.
    """
    types = {field.name: json.loads(field.type.to_json()) for schema in schemas for field in schema.fields}
    rounded = [name for name, kind in types.items() if _holds_rounded(kind)]
    if not rounded:
        return properties
    changed = copy.copy(properties)
    own = dict(properties.column_properties or {})
    if any(not isinstance(types[name], str) for name in rounded):
        # Columns inside structs cannot be named: all are left out, then those at the top are named.
        changed.default_column_properties = ColumnProperties(statistics_enabled="NONE")
        for name, kind in types.items():
            if isinstance(kind, str) and name not in rounded:
                own[name] = _with_statistics(own.get(name), "PAGE")
    for name in rounded:
        own[name] = _with_statistics(own.get(name), "NONE")
    changed.column_properties = own
    return changed


def _with_statistics(properties: ColumnProperties | None, statistics: Literal["NONE", "PAGE"]) -> ColumnProperties:
    changed = ColumnProperties() if properties is None else copy.copy(properties)
    changed.statistics_enabled = statistics
    return changed


def _holds_rounded(kind: Any) -> bool:
    """Whether a type of Delta is a decimal of more digits than are kept, or a struct with one."""
    if isinstance(kind, dict):
        return kind["type"] == "struct" and any(_holds_rounded(field["type"]) for field in kind["fields"])
    decimal = _DECIMAL.match(kind)
    return decimal is not None and int(decimal[1]) > _KEPT_DIGITS


def _is_integer(delta_type: str) -> bool:
    """Whether the values of a type of Delta are integers in Parquet."""
    decimal = _DECIMAL.match(delta_type)
    return delta_type in _INTEGER_TYPES or (decimal is not None and int(decimal[1]) <= _LONG_DIGITS)
