"""Versions of tables for an engine that reads Parquet itself."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable

from .file_parts import tells_rows_alone
from .requests import Context
from .versions import open_version

_SQL_TYPES = {
    "string": "VARCHAR",
    "byte": "TINYINT",
    "short": "SMALLINT",
    "integer": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}
_DECIMAL = re.compile(r"decimal\(\d+,\s*\d+\)")


def version(context: Context) -> dict[str, Any]:
    """The version of a time, or whether there is a version."""
    return {"version": open_version(context).version()}


def snapshot(context: Context) -> dict[str, Any]:
    """The files of a version, in an order that is always the same, with their partition values as texts."""
    table = open_version(context)
    fields = json.loads(table.schema().to_json())["fields"]
    partitions = _partitions(table, fields)
    found = None if partitions is None or not tells_rows_alone(table) else _files(table, partitions)
    return {
        "version": table.version(),
        "id": str(table.metadata().id),
        "columns": [field["name"] for field in fields],
        "partitions": partitions or [],
        "files": found,
    }


def _partitions(table: DeltaTable, fields: list[dict[str, Any]]) -> list[dict[str, str]] | None:
    types = {field["name"]: field["type"] for field in fields}
    partitions = []
    for name in table.metadata().partition_columns:
        kind = types[name]
        sql = kind.upper() if isinstance(kind, str) and _DECIMAL.fullmatch(kind) else _SQL_TYPES.get(str(kind))
        if sql is None:
            return None
        partitions.append({"name": name, "type": sql})
    return partitions


def _files(table: DeltaTable, partitions: list[dict[str, str]]) -> list[dict[str, Any]]:
    actions = table.get_add_actions(flatten=True)
    paths = actions.column("path").to_pylist()
    sizes = actions.column("size_bytes").to_pylist()
    times = actions.column("modification_time").to_pylist()
    order = sorted(range(len(paths)), key=lambda row: (times[row], paths[row]))
    values = [actions.column(f"partition.{partition['name']}").to_pylist() for partition in partitions]
    return [
        {
            "path": unquote(str(paths[row])),
            "partition": [_text(column[row]) for column in values],
            "bytes": int(sizes[row]),
        }
        for row in order
    ]


def _text(value: Any) -> str | None:
    """A value as SQL casts it back."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat(sep=" ")
        return value.astimezone(timezone.utc).isoformat(sep=" ")
    if isinstance(value, (date, Decimal, int, float)):
        return str(value)
    raise TypeError(f"a partition value of type {type(value).__name__}")
