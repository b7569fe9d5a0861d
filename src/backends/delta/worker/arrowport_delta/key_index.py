"""Which keys a table's log may hold, in memory: delta-rs reads those of the whole checkpoint for each it is asked."""

from __future__ import annotations

import json
import os
import threading
from array import array
from bisect import bisect_left
from hashlib import blake2b

from arro3.core import struct_field
from arro3.io import read_parquet

from .locations import Location
from .log_files import read_commit
from .logs import log, redact

_LEAST_BYTES = 1 << 20
"""Smaller checkpoints are read about as fast as they are asked for."""

_BATCH_ROWS = 65_536


class KeyIndex:
    """The keys up to a version, made in the background: eight bytes of each, so a million take eight megabytes.

    It is not there at once, nor for every kind of checkpoint; then every key may be in the log.
    """

    def __init__(self, location: Location, version: int) -> None:
        self._location = location
        self._version = version
        self._marks: array[int] | None = None
        self._begun = threading.Lock()

    def may_hold(self, app_id: str) -> bool:
        """False where the key is certainly not in the log."""
        marks = self._marks
        if marks is None:
            if self._begun.acquire(blocking=False):
                threading.Thread(target=self._fill, daemon=True).start()
            return True
        mark = _mark(app_id)
        at = bisect_left(marks, mark)
        return at < len(marks) and marks[at] == mark

    def fill(self) -> bool:
        """Read the keys; returns whether they are known now."""
        folder = os.path.join(self._location.local_path or "", "_delta_log")
        checkpoint = _last_checkpoint(folder)
        if checkpoint is None:
            return False
        path = os.path.join(folder, f"{checkpoint:020}.checkpoint.parquet")
        if os.path.getsize(path) < _LEAST_BYTES:
            return False
        marks = array("Q")
        for batch in read_parquet(path, batch_size=_BATCH_ROWS):
            for app_id in struct_field(batch.column("txn"), 0).to_pylist():
                if app_id is not None:
                    marks.append(_mark(app_id))
        for version in range(checkpoint + 1, self._version + 1):
            actions = read_commit(self._location, version)
            if actions is None:
                return False
            marks.extend(_mark(str(action["txn"]["appId"])) for action in actions if "txn" in action)
        self._marks = array("Q", sorted(marks))
        return True

    def _fill(self) -> None:
        try:
            self.fill()
        except Exception as error:
            log("warn", "the keys of a table could not be read ahead", error=redact(str(error))[:500])


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
