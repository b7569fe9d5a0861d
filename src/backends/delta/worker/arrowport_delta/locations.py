"""Where tables are: their URI, their storage options, and how to open them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from .errors import WorkerError
from .logs import remember_secrets


@dataclass(frozen=True)
class Location:
    """A table's place: a local path or an object-store URI, with the options of its store."""

    uri: str
    options: dict[str, str] = field(hash=False, default_factory=dict)

    @staticmethod
    def from_header(value: Any) -> Location:
        """Read the ``table`` of a request."""
        if not isinstance(value, dict) or not isinstance(value.get("uri"), str):
            raise WorkerError("invalid", "The request names no table.")
        options = {str(name): str(text) for name, text in (value.get("options") or {}).items()}
        remember_secrets(options)
        return Location(value["uri"], options)

    @property
    def local_path(self) -> str | None:
        """The folder of a local table; None for object stores."""
        if self.uri.startswith("file://"):
            return self.uri[len("file://") :]
        return None if "://" in self.uri else self.uri

    def child(self, name: str) -> Location:
        """A place below this one in the same store."""
        return Location(f"{self.uri.rstrip('/')}/{name}", self.options)


def open_table(location: Location, version: int | None = None) -> DeltaTable:
    """Open a table anew, at its latest or the given version. Raises ``WorkerError`` not_found."""
    path = location.local_path
    if path is not None and not os.path.isdir(os.path.join(path, "_delta_log")):
        raise WorkerError("not_found", "There is no such Delta table.")
    try:
        return DeltaTable(location.uri, version=version, storage_options=dict(location.options))
    except TableNotFoundError as error:
        raise WorkerError("not_found", "There is no such Delta table.") from error


class TableCache:
    """Open tables, kept so that a load reads only what the log gained since the last one."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, tuple[tuple[str, str], ...]], CachedTable] = {}

    def entry(self, location: Location) -> CachedTable:
        """The one entry of a place; the same for everybody who asks."""
        key = (location.uri, tuple(sorted(location.options.items())))
        with self._lock:
            entry = self._entries.pop(key, None) or CachedTable(location)
            self._entries[key] = entry
            while len(self._entries) > self._capacity:
                oldest = next(iter(self._entries))
                del self._entries[oldest]
            return entry


class CachedTable:
    """A place and its table as last seen.

    ``commit_lock`` orders the commits of this process that delta-rs makes, ``append_lock`` is held by the thread that
    commits appends: they are so quick that others may never be the first without it.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self.commit_lock = threading.Lock()
        self.append_lock = threading.RLock()
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None

    def latest(self) -> DeltaTable | None:
        """The table at its latest version, or None where there is none."""
        with self._lock:
            table = self._table
            if table is not None and self._still_there(table):
                try:
                    table.update_incremental()
                    return table
                except Exception:
                    self._table = None
            self._table = self.snapshot()
            return self._table

    def snapshot(self) -> DeltaTable | None:
        """The table at its latest version, opened for the caller alone, or None where there is none."""
        try:
            return open_table(self.location)
        except WorkerError as error:
            if error.kind != "not_found":
                raise
            return None

    def require(self) -> DeltaTable:
        """Like ``latest``. Raises ``WorkerError`` not_found."""
        table = self.latest()
        if table is None:
            raise WorkerError("not_found", "There is no such Delta table.")
        return table

    def forget(self) -> None:
        """Open the table anew the next time."""
        with self._lock:
            self._table = None

    def _still_there(self, table: DeltaTable) -> bool:
        path = self.location.local_path
        if path is None:
            return True
        log = os.path.join(path, "_delta_log")
        version = f"{table.version():020}"
        return os.path.exists(os.path.join(log, f"{version}.json")) or os.path.exists(
            os.path.join(log, f"{version}.checkpoint.parquet")
        )
