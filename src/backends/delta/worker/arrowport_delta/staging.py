"""Writes a load's Parquet files before its commit, where nobody sees them and an abort can find them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from typing import Any
from urllib.parse import unquote

from arro3.core import RecordBatchReader
from arro3.core import Schema as ArrowSchema
from deltalake import WriterProperties
from deltalake._internal import write_to_deltalake
from deltalake.transaction import AddAction

from .locations import Location
from .log_files import delete_file, delete_folder, read_commit
from .logs import log, redact

STAGING_FOLDER = "_arrowport"
_STALE_SECONDS = 24 * 3600.0


class StagedFiles:
    """Files of one load that is not committed.

    On a local disk they move to their place with ``adopt``; in an object store they are written where they
    stay, under a prefix of their own.
    """

    def __init__(self, table: Location, load_id: str) -> None:
        self._table = table
        self._local = table.local_path is not None
        self._folder = f"{STAGING_FOLDER}/{load_id}" if self._local else f"load-{load_id}"
        self._place = table.child(self._folder)
        self._moved: list[str] = []
        self._parts: list[Location] = []

    def write(
        self,
        part: int,
        reader: RecordBatchReader,
        schema: ArrowSchema,
        partition_by: list[str],
        configuration: dict[str, str],
        target_file_size: int | None,
        writer_properties: WriterProperties,
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
            batch_schema=schema,
            partition_by=partition_by or None,
            mode="append",
            schema_mode=None,
            predicate=None,
            target_file_size=target_file_size,
            name=None,
            description=None,
            configuration={
                name: value for name, value in configuration.items() if name.startswith("delta.dataSkipping")
            },
            storage_options=dict(self._table.options) or None,
            writer_properties=writer_properties,
            commit_properties=None,
            post_commithook_properties=None,
        )
        actions = read_commit(place, 0) or []
        return [self._to_action(action["add"], folder) for action in actions if "add" in action]

    def adopt(self, files: list[AddAction]) -> None:
        """Move local files to where the table's log will say they are, and say so in the files."""
        folder = self._table.local_path
        if folder is None:
            return
        for file in files:
            staged = _decoded(file.path)
            file.path = file.path.removeprefix(self._folder).split("/", 2)[2]
            target = os.path.join(folder, _decoded(file.path))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(os.path.join(folder, staged), target)
            self._moved.append(target)

    def discard(self) -> None:
        """Remove the files of a load that will not be committed. Never raises."""
        for path in self._moved:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._remove_folder()

    def finish(self) -> None:
        """Remove what is not needed after the commit. Never raises."""
        if self._local:
            self._remove_folder()
            return
        try:
            for place in self._parts:
                delete_file(place, "_delta_log/00000000000000000000.json")
        except Exception as error:
            log("warn", "a staging log could not be removed", error=redact(str(error))[:300])

    def _remove_folder(self) -> None:
        folder = self._table.local_path
        if folder is not None:
            shutil.rmtree(os.path.join(folder, self._folder), ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(folder, STAGING_FOLDER))
            return
        try:
            delete_folder(self._place)
        except Exception as error:
            log("warn", "files of an aborted load could not be removed", error=redact(str(error))[:300])

    def _to_action(self, add: dict[str, Any], folder: str) -> AddAction:
        return AddAction(
            path=f"{folder}/{add['path']}",
            size=int(add["size"]),
            partition_values=add["partitionValues"],
            modification_time=int(add["modificationTime"]),
            data_change=True,
            stats=add.get("stats") or json.dumps({"numRecords": 0}),
        )


def remove_stale(table: Location) -> None:
    """Remove local staging folders that a crash left behind a day ago or more."""
    folder = table.local_path
    if folder is None:
        return
    staging = os.path.join(folder, STAGING_FOLDER)
    try:
        entries = os.listdir(staging)
    except OSError:
        return
    for entry in entries:
        path = os.path.join(staging, entry)
        try:
            if time.time() - os.stat(path).st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue


def rows_of(files: list[AddAction]) -> int:
    """Rows in the files, as their statistics say."""
    return sum(int(json.loads(file.stats).get("numRecords", 0)) for file in files)


def bytes_of(files: list[AddAction]) -> int:
    """Bytes of the files."""
    return sum(file.size for file in files)


def _decoded(path: str) -> str:
    return unquote(path)
