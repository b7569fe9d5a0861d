"""Follows a local table's log file by file, and appends to it.

delta-rs goes through the whole table for each commit, which takes longer the more files it has. An append of
ready files needs little of that: the table's metadata, the keys that were committed, and the next version.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any
from urllib.parse import quote

from deltalake import DeltaTable
from deltalake.transaction import AddAction

from .commits import APP_ID, COMMIT_ID, CommitPlan, Committed, find_replay_at
from .errors import WorkerError
from .key_index import NOT_KNOWN, NOT_THERE, KeyIndex
from .locations import Location
from .log_files import LinksUnsupported, commit_info, create_commit, find_commit, info_of, read_commit
from .table_state import describe_state

_MOST_KEYS = 500_000
"""Keys committed since the tail was opened; with more it is opened anew, which leaves them to the log."""

_SAFE_IN_PATHS = "/=-_.~"
"""Characters of a file's path that the log has as they are."""

_MOST_ANSWERS = 10_000
"""What the log said of keys that were asked for: of use between the begin of a load and its commit."""


class TailBroken(Exception):
    """The log went another way than appends: the tail must be opened anew."""


class TailUnusable(TailBroken):
    """The file system cannot make a file under a second name, which a commit needs."""


class LogTail:
    """A local table at its latest version, kept so by reading only the commits that came since.

    May be used by several threads. The table that it was opened with stays as it was.
    """

    def __init__(self, location: Location, table: DeltaTable) -> None:
        self.lock = threading.RLock()
        self.state = describe_state(table)
        self._location = location
        self._table = table
        self._folder = os.path.join(location.local_path or "", "_delta_log")
        self._version = table.version()
        self._keys: dict[str, int] = {}
        self._keys_before: dict[str, int | None] = {}
        self._index = KeyIndex(location, self._version)
        self._mark = self._stat(self._version)
        if self._mark is None:
            raise TailBroken

    @property
    def version(self) -> int:
        """The version that the tail has come to."""
        return self._version

    def advance(self) -> None:
        """Read what the log gained. Raises ``TailBroken`` when it is more than files and keys."""
        with self.lock:
            if self._stat(self._version) != self._mark or len(self._keys) > _MOST_KEYS:
                raise TailBroken
            while self._stat(self._version + 1) is not None:
                self._take(self._version + 1)

    def find_replay(self, app_id: str | None, since: int) -> Committed | None:
        """The commit that this key already made at ``since`` or later."""
        if app_id is None:
            return None
        base = self._keys.get(app_id)
        if base is None:
            base = self._find_before(app_id)
        return None if base is None else find_replay_at(self._location, base, app_id, since)

    def _find_before(self, app_id: str) -> int | None:
        """What the table that the tail was opened with knows of a key; it reads the log, so once."""
        with self.lock:
            if app_id in self._keys_before:
                return self._keys_before[app_id]
        found = self._index.find(app_id)
        if found == NOT_THERE:
            return None
        base: int | None = found
        if found == NOT_KNOWN or find_commit(self._location, found, APP_ID, app_id) is None:
            base = self._table.transaction_version(app_id)
        with self.lock:
            self._keys_before[app_id] = base
            while len(self._keys_before) > _MOST_ANSWERS:
                del self._keys_before[next(iter(self._keys_before))]
        return base

    def append(self, plan: CommitPlan, files: list[AddAction], parameters: dict[str, str]) -> Committed:
        """Commit files that are in the table's place, behind whatever other writers commit meanwhile.

        Raises ``TailBroken`` when one of them changed the metadata or used one of the keys; nothing is
        committed then.
        """
        with self.lock:
            retries = 0
            while True:
                self.advance()
                if any(self._is_committed(app_id) for app_id in plan.app_ids):
                    raise TailBroken
                version = self._version + 1
                actions = self._actions(plan, files, parameters, retries)
                if self._create(version, actions, plan.commit_id):
                    # Nothing may fail from here on: what fails is taken for no commit, and its files go.
                    self._keep(version, self._stat(version), actions)
                    return Committed(version, info_of(actions), replayed=False, retries=retries)
                if plan.max_retries == 0:
                    raise WorkerError("conflict", "Another writer changed the table at the same time.")
                retries += 1

    def _is_committed(self, app_id: str) -> bool:
        return app_id in self._keys

    def _take(self, version: int) -> None:
        mark = self._stat(version)
        try:
            actions = read_commit(self._location, version)
        except ValueError as error:
            # No JSON: opening the table anew says what that means.
            raise TailBroken from error
        if mark is None or actions is None or any("metaData" in a or "protocol" in a for a in actions):
            raise TailBroken
        self._keep(version, mark, actions)

    def _keep(self, version: int, mark: tuple[int, int] | None, actions: list[dict[str, Any]]) -> None:
        for action in actions:
            txn = action.get("txn")
            if isinstance(txn, dict):
                # What stands behind the key is found from the version before the commit on.
                self._keys[str(txn["appId"])] = version - 1
        self._version = version
        self._mark = mark
        self.state["version"] = version

    def _stat(self, version: int) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path(version))
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _path(self, version: int) -> str:
        return os.path.join(self._folder, f"{version:020}.json")

    def _actions(
        self, plan: CommitPlan, files: list[AddAction], parameters: dict[str, str], retries: int
    ) -> list[dict[str, Any]]:
        now = int(time.time() * 1000)
        info = {
            "timestamp": now,
            "operation": "WRITE",
            "operationParameters": parameters,
            "isBlindAppend": True,
            "engineInfo": "arrowport",
            "operationMetrics": {
                "num_added_files": len(files),
                "num_removed_files": 0,
                "num_added_rows": sum(int(json.loads(file.stats).get("numRecords", 0)) for file in files),
                "num_retries": retries,
            },
            **plan.metadata(),
        }
        keys = [{"txn": {"appId": app_id, "version": self._version, "lastUpdated": now}} for app_id in plan.app_ids]
        return [{"commitInfo": info}, *keys, *({"add": _add(file)} for file in files)]

    def _create(self, version: int, actions: list[dict[str, Any]], commit_id: str) -> bool:
        """Make a version if there is none; also tells one that is there although the disk said otherwise."""
        try:
            return create_commit(self._location, version, actions)
        except LinksUnsupported as error:
            raise TailUnusable from error
        except OSError as error:
            try:
                found = read_commit(self._location, version)
            except (OSError, ValueError):
                raise WorkerError("unknown", "The disk does not say whether the commit is there.") from error
            if found is None or commit_info(found).get(COMMIT_ID) != commit_id:
                raise
            return True


def _add(file: AddAction) -> dict[str, Any]:
    return {
        "path": quote(file.path, safe=_SAFE_IN_PATHS),
        "partitionValues": dict(file.partition_values),
        "size": file.size,
        "modificationTime": file.modification_time,
        "dataChange": True,
        "stats": file.stats,
    }
