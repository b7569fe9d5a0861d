"""Writes a load's Parquet files before its commit, where nobody sees them and an abort can find them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
from arro3.core import RecordBatchReader
from arro3.core import Schema as ArrowSchema
from deltalake import WriterProperties
from deltalake._internal import write_to_deltalake
from deltalake.transaction import AddAction

from .errors import WorkerError
from .locations import Location
from .log_files import SCRATCH_PREFIX, delete_file, delete_folder, open_store, read_commit
from .logs import log, redact

STAGING_FOLDER = "_arrowport"
_SCRATCH_SECONDS = 600.0
"""Scratch files of commits are in use for milliseconds; older ones were left by a crash."""


_UPLOADS = 4
"""Files that are sent to a store at once; each one goes in several parts beside each other."""


@dataclass(frozen=True)
class FileLayout:
    """How the files of an append are written; loads that share a file have the same."""

    arrow_schema: ArrowSchema
    schema_json: str
    partition_by: list[str]
    configuration: dict[str, str]
    target_file_size: int | None
    writer_properties: WriterProperties


class StagedFiles:
    """Files of one load that is not committed.

    On a local disk they move to their place with ``adopt``; in an object store they are written where they
    stay, under a prefix of their own. Actions have the paths of the files themselves: the log's are encoded.
    """

    def __init__(self, table: Location, load_id: str) -> None:
        self._table = table
        self._local = table.local_path is not None
        self._folder = f"{STAGING_FOLDER}/{load_id}" if self._local else f"load-{load_id}"
        self._place = table.child(self._folder)
        self._moved: list[str] = []
        self._parts: list[Location] = []
        # The lock ends with this process, and tells others that the folder is in use.
        self._lock = make_locked(os.path.join(table.local_path or "", self._folder)) if self._local else None

    def write(
        self,
        part: int,
        reader: RecordBatchReader,
        layout: FileLayout,
    ) -> list[AddAction]:
        """Write everything the reader gives; returns the files with their statistics.

        Parts may be written at the same time.
        """
        folder = f"{self._folder}/{part}"
        place = self._table.child(folder)
        self._parts.append(place)
        write_to_deltalake(
            table_uri=place.uri,
            data=reader,
            batch_schema=layout.arrow_schema,
            partition_by=layout.partition_by or None,
            mode="append",
            schema_mode=None,
            predicate=None,
            target_file_size=layout.target_file_size,
            name=None,
            description=None,
            configuration={
                name: value for name, value in layout.configuration.items() if name.startswith("delta.dataSkipping")
            },
            storage_options=dict(self._table.options) or None,
            writer_properties=layout.writer_properties,
            commit_properties=None,
            post_commithook_properties=None,
        )
        actions = read_commit(place, 0) or []
        return [self._to_action(action["add"], folder) for action in actions if "add" in action]

    def path_of(self, name: str) -> str:
        """The path below the table of a file of the load."""
        return f"{self._folder}/{name}"

    def upload(self, folder: str, files: list[AddAction]) -> None:
        """Send files of a local folder to the object store, to where they stay, and say so in the files."""
        store = open_store(self._table)

        def send(file: AddAction) -> None:
            source = Path(folder, file.path)
            file.path = self.path_of(file.path)
            obstore.put(store, file.path, source)

        with ThreadPoolExecutor(max_workers=_UPLOADS, thread_name_prefix="upload") as pool:
            for sent in [pool.submit(send, file) for file in files]:
                sent.result()

    def adopt(self, files: list[AddAction]) -> None:
        """Move local files to where the table's log will say they are, and say so in the files."""
        folder = self._table.local_path
        if folder is None:
            return
        for file in files:
            staged = file.path
            file.path = staged.removeprefix(self._folder).split("/", 2)[2]
            target = os.path.join(folder, file.path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(os.path.join(folder, staged), target)
            self._moved.append(target)

    def discard(self) -> None:
        """Remove the files of a load that will not be committed. Never raises; may be called twice."""
        for path in self._moved:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._remove_folder()

    def finish(self) -> None:
        """Remove what is not needed after the commit. Never raises."""
        if self._local:
            self._remove_folder()
            return
        for place in self._parts:
            try:
                delete_file(place, "_delta_log/00000000000000000000.json")
            except Exception as error:
                log("warn", "a staging log could not be removed", error=redact(str(error))[:300])

    def _remove_folder(self) -> None:
        folder = self._table.local_path
        if folder is not None:
            shutil.rmtree(os.path.join(folder, self._folder), ignore_errors=True)
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(folder, STAGING_FOLDER))
            return
        try:
            delete_folder(self._place)
        except Exception as error:
            log("warn", "files of an aborted load could not be removed", error=redact(str(error))[:300])

    def _to_action(self, add: dict[str, Any], folder: str) -> AddAction:
        return AddAction(
            path=f"{folder}/{unquote(add['path'])}",
            size=int(add["size"]),
            partition_values=add["partitionValues"],
            modification_time=int(add["modificationTime"]),
            data_change=True,
            stats=add.get("stats") or json.dumps({"numRecords": 0}),
        )


def remove_stale(table: Location) -> None:
    """Remove what crashed processes left beside a local table: staging folders, scratch files of commits."""
    folder = table.local_path
    if folder is None:
        return
    staging = os.path.join(folder, STAGING_FOLDER)
    remove_unlocked(staging)
    with contextlib.suppress(OSError):
        os.rmdir(staging)
    log_folder = os.path.join(folder, "_delta_log")
    for entry in _entries(log_folder):
        if entry.startswith(SCRATCH_PREFIX):
            path = os.path.join(log_folder, entry)
            with contextlib.suppress(OSError):
                if time.time() - os.stat(path).st_mtime > _SCRATCH_SECONDS:
                    os.unlink(path)


def remove_unlocked(folder: str, prefix: str = "") -> None:
    """Remove the folders inside one that nobody has locked. Never raises."""
    for entry in _entries(folder):
        if not entry.startswith(prefix):
            continue
        path = os.path.join(folder, entry)
        with contextlib.suppress(OSError):
            lock = _lock_folder(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def make_locked(path: str) -> int:
    """Make a folder and lock it, also while others tidy up around it."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            os.makedirs(path, exist_ok=True)
            lock = _lock_folder(path)
            if lock is None:
                raise WorkerError("conflict", "Another load has the same id.")
            if os.path.exists(path) and os.fstat(lock).st_ino == os.stat(path).st_ino:
                return lock
            os.close(lock)


def _lock_folder(path: str) -> int | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def rows_of(files: list[AddAction]) -> int:
    """Rows in the files, as their statistics say."""
    return sum(int(json.loads(file.stats).get("numRecords", 0)) for file in files)


def bytes_of(files: list[AddAction]) -> int:
    """Bytes of the files."""
    return sum(file.size for file in files)
