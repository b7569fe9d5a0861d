"""Which tables there are, and what is known of each."""

from __future__ import annotations

import os
from typing import Any

from .errors import classify
from .locations import Location
from .log_files import list_folders
from .logs import log, redact
from .requests import Context
from .table_state import count_files, describe_info


def info(context: Context) -> dict[str, Any]:
    """One table's files, bytes, rows, partitions, schema and properties."""
    return describe_info(_name(context.location), context.cached.require())


def list_tables(context: Context) -> dict[str, Any]:
    """The tables directly below a root."""
    root = context.location
    tables: list[dict[str, Any]] = []
    for name in sorted(_names(root)):
        try:
            table = context.cache.entry(root.child(name)).latest()
        except Exception as error:
            log("warn", "a Delta table cannot be read", table=name, error=redact(str(error))[:500])
            tables.append(
                {
                    "name": name,
                    "version": None,
                    "files": None,
                    "bytes": None,
                    "rows": None,
                    "problem": classify(error).kind,
                }
            )
            continue
        if table is not None:
            tables.append({"name": name, "version": table.version(), **count_files(table)})
    return {"tables": tables}


def history(context: Context) -> dict[str, Any]:
    """The commits of a table, newest first."""
    table = context.cached.require()
    return {"table": _name(context.location), "history": table.history(context.args.find_int("limit"))}


def _names(root: Location) -> list[str]:
    folder = root.local_path
    if folder is None:
        return list_folders(root)
    try:
        return [
            entry.name
            for entry in os.scandir(folder)
            if entry.is_dir() and os.path.isdir(os.path.join(entry.path, "_delta_log"))
        ]
    except FileNotFoundError:
        return []


def _name(location: Location) -> str:
    return location.uri.rstrip("/").rsplit("/", 1)[-1]
