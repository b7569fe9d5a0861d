"""What an operation's handler is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import WorkerError
from .frames import FrameConnection, Header
from .locations import CachedTable, Location, TableCache


@dataclass(frozen=True)
class Context:
    """One request: its connection, its header, and what the worker shares between requests."""

    connection: FrameConnection
    request: Header
    cache: TableCache
    spool_folder: str

    @property
    def args(self) -> Arguments:
        """The arguments of the operation."""
        value = self.request.get("args")
        return Arguments(value if isinstance(value, dict) else {})

    @property
    def location(self) -> Location:
        """The table that the request names."""
        return Location.from_header(self.request.get("table"))

    @property
    def cached(self) -> CachedTable:
        """The cache entry of the table that the request names."""
        return self.cache.entry(self.location)


class Arguments:
    """Typed access to a JSON object; a wrong type raises ``WorkerError`` invalid."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A required text."""
        value = self.find_text(name)
        if value is None:
            raise WorkerError("invalid", f"{name} is missing.")
        return value

    def find_text(self, name: str) -> str | None:
        """A text, or None where it is absent or null."""
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise WorkerError("invalid", f"{name} must be a text.")

    def find_int(self, name: str) -> int | None:
        """A whole number, or None where it is absent or null."""
        value = self._values.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise WorkerError("invalid", f"{name} must be a whole number.")

    def integer(self, name: str, default: int) -> int:
        """A whole number, or the default."""
        value = self.find_int(name)
        return default if value is None else value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, or the default."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        raise WorkerError("invalid", f"{name} must be true or false.")

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty where it is absent or null."""
        value = self._values.get(name)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return list(value)
        raise WorkerError("invalid", f"{name} must be a list of texts.")

    def mapping(self, name: str) -> dict[str, str]:
        """An object of texts; empty where it is absent or null."""
        value = self._values.get(name)
        if value is None:
            return {}
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return dict(value)
        raise WorkerError("invalid", f"{name} must be an object of texts.")

    def nested(self, name: str) -> Arguments | None:
        """An object, or None where it is absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return Arguments(value)
        raise WorkerError("invalid", f"{name} must be an object.")

    def likeness(self) -> str:
        """A text that is equal for equal arguments."""
        return json.dumps(self._values, sort_keys=True)

    def raw(self) -> dict[str, Any]:
        """The values as they came."""
        return self._values


Handler = Callable[[Context], dict[str, Any]]
"""Carries out one operation and returns its result; raises anything for an error."""
