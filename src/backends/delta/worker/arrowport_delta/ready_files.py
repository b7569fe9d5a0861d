"""Files of a load that the server writes itself, where an abort can find them."""

from __future__ import annotations

import glob
import os
import shutil
import time

from deltalake.transaction import AddAction

from .errors import WorkerError
from .incoming import IncomingStream
from .locations import Location
from .requests import Arguments
from .staging import StagedFiles, make_locked, remove_stale, remove_unlocked

_SPOOL_PREFIX = "load-"


class ReadyFiles:
    """The folder that a load asks for, kept from others while the server writes to it.

    It is the staging folder of a local table; for an object store it is in the spool folder, and its files are sent
    to the store when the stream has ended. The server names them then, with their statistics.
    """

    def __init__(self, table: Location, load_id: str, incoming: IncomingStream, spool_folder: str) -> None:
        self._table = table
        self._load_id = load_id
        self._incoming = incoming
        self._spool_folder = spool_folder
        self._spool: str | None = None
        self._lock: int | None = None
        self._staged: StagedFiles | None = None
        incoming.on_stage = self._stage

    def take(self) -> tuple[StagedFiles, list[AddAction]] | None:
        """The files where the log will have them, and what it will say of them; None where the rows came as a stream.

        They are the caller's to commit or to discard.
        """
        files = [_to_action(Arguments(file)) for file in self._incoming.end_files if isinstance(file, dict)]
        if not files:
            return None
        if self._spool is not None:
            self._staged = StagedFiles(self._table, self._load_id)
            self._staged.upload(self._spool, files)
        elif self._staged is not None:
            for file in files:
                file.path = self._staged.path_of(file.path)
        else:
            raise WorkerError("invalid", "Files were named that no folder was made for.")
        staged, self._staged = self._staged, None
        return staged, files

    def close(self) -> None:
        """Remove what was written and not taken. Never raises."""
        if self._staged is not None:
            self._staged.discard()
            self._staged = None
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stage(self) -> str:
        folder = self._table.local_path
        if folder is not None:
            remove_stale(self._table)
            self._staged = StagedFiles(self._table, self._load_id)
            return os.path.join(folder, self._staged.path_of("").rstrip("/"))
        _remove_stale_spools(self._spool_folder)
        self._spool = os.path.join(self._spool_folder, _SPOOL_PREFIX + self._load_id)
        self._lock = make_locked(self._spool)
        return self._spool


def _to_action(file: Arguments) -> AddAction:
    values = file.nested("partition_values")
    partition = {} if values is None else {name: values.find_text(name) for name in values.raw()}
    return AddAction(
        path=file.text("path"),
        size=file.integer("size", 0),
        partition_values=partition,
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=file.text("stats"),
    )


def _remove_stale_spools(spool_folder: str) -> None:
    """Remove what servers that were killed left in spool folders beside this one's."""
    own = os.path.dirname(spool_folder)
    if not os.path.basename(own).startswith("arrowport-"):
        return
    pattern = os.path.join(glob.escape(os.path.dirname(own)), "arrowport-*", os.path.basename(spool_folder))
    for spool in glob.glob(pattern):
        remove_unlocked(spool, _SPOOL_PREFIX)
