"""Which keys a table's log holds, in memory: delta-rs reads those of the whole checkpoint for each it is asked."""

from __future__ import annotations

import json
import os
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from arro3.core import struct_field
from arro3.io import read_parquet

from .locations import Location
from .log_files import read_commit
from .logs import log, redact

_LEAST_BYTES = 1 << 20
"""Smaller checkpoints are read about as fast as they are asked for."""

_BATCH_ROWS = 65_536

NOT_KNOWN = -2
"""The key may be in the log or not."""

NOT_THERE = -1
"""The key is certainly not in the log."""


@dataclass
class _Keys:
    """Eight bytes of each key and the version of its action, in two arrays."""

    marks: array[int] = field(default_factory=lambda: array("Q"))
    versions: array[int] = field(default_factory=lambda: array("q"))

    def add(self, mark: int, version: int) -> None:
        self.marks.append(mark)
        self.versions.append(version)


class KeyIndex:
    """The keys up to a version, made in the background: sixteen bytes of each, so a million take sixteen megabytes.

    It is not there at once, nor for every kind of checkpoint; then every key may be in the log.
    """

    def __init__(self, location: Location, version: int) -> None:
        self._location = location
        self._version = version
        self._keys: _Keys | None = None
        self._begun = threading.Lock()

    def find(self, app_id: str) -> int:
        """The version of the key's last action, ``NOT_THERE`` or ``NOT_KNOWN``.

        Another key may have the same eight bytes, so a version is to be looked up.
        """
        keys = self._keys
        if keys is None:
            if self._begun.acquire(blocking=False):
                self._begin()
            return NOT_KNOWN
        mark = _mark(app_id)
        at = bisect_right(keys.marks, mark) - 1
        return keys.versions[at] if at >= 0 and keys.marks[at] == mark else NOT_THERE

    def fill(self) -> bool:
        """Read the keys; returns whether they are known now."""
        folder = os.path.join(self._location.local_path or "", "_delta_log")
        checkpoint = _last_checkpoint(folder)
        if checkpoint is None:
            return False
        path = os.path.join(folder, f"{checkpoint:020}.checkpoint.parquet")
        if os.path.getsize(path) < _LEAST_BYTES:
            return False
        shelves = [_Keys() for _ in range(256)]
        for app_id, version in _checkpointed(path):
            mark = _mark(app_id)
            shelves[mark >> 56].add(mark, version)
        for commit in range(checkpoint + 1, self._version + 1):
            actions = read_commit(self._location, commit)
            if actions is None:
                return False
            for action in actions:
                if "txn" in action:
                    mark = _mark(str(action["txn"]["appId"]))
                    shelves[mark >> 56].add(mark, int(action["txn"]["version"]))
        self._keys = _in_order(shelves)
        return True

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._fill, daemon=True).start()
        except RuntimeError as error:
            log("warn", "no thread is to be had to read the keys of a table ahead", error=redact(str(error))[:500])
            self._begun.release()

    def _fill(self) -> None:
        try:
            self.fill()
        except Exception as error:
            log("warn", "the keys of a table could not be read ahead", error=redact(str(error))[:500])


def _checkpointed(path: str) -> Iterator[tuple[str, int]]:
    for batch in read_parquet(path, batch_size=_BATCH_ROWS):
        column = batch.column("txn")
        names, versions = struct_field(column, 0).to_pylist(), struct_field(column, 1).to_pylist()
        for name, version in zip(names, versions, strict=True):
            if name is not None:
                yield name, int(version)


def _in_order(shelves: list[_Keys]) -> _Keys:
    """All keys by their marks, the last action of a key behind its others; other threads run between the shelves."""
    keys = _Keys()
    for shelf in shelves:
        for at in sorted(range(len(shelf.marks)), key=shelf.marks.__getitem__):
            keys.add(shelf.marks[at], shelf.versions[at])
    return keys


def _mark(app_id: str) -> int:
    return int.from_bytes(blake2b(app_id.encode(), digest_size=8).digest(), "big")


def _last_checkpoint(folder: str) -> int | None:
    """The version of the last checkpoint where it is one file with everything in it."""
    try:
        with open(os.path.join(folder, "_last_checkpoint"), encoding="utf-8") as file:
            hint = json.load(file)
        plain = isinstance(hint, dict) and hint.get("parts") is None and hint.get("v2Checkpoint") is None
        return int(hint["version"]) if plain else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
