"""Files of a load that the server writes itself, where an abort can find them."""

from __future__ import annotations

import time

from deltalake.transaction import AddAction

from .incoming import IncomingStream
from .locations import Location
from .requests import Arguments
from .staging import StagedFiles, remove_stale


class ReadyFiles:
    """The staging folder that a load asks for, kept from others while it is written to.

    The server names the files, with their statistics, at the end of the stream.
    """

    def __init__(self, table: Location, load_id: str, incoming: IncomingStream) -> None:
        self._table = table
        self._load_id = load_id
        self._incoming = incoming
        self.staged: StagedFiles | None = None
        incoming.on_stage = self._stage

    def actions(self) -> list[AddAction]:
        """What the log will say of the files; none where the rows came as a stream."""
        files = [Arguments(file) for file in self._incoming.end_files if isinstance(file, dict)]
        now = int(time.time() * 1000)
        return [
            AddAction(
                path=file.text("path"),
                size=file.integer("size", 0),
                partition_values={},
                modification_time=now,
                data_change=True,
                stats=file.text("stats"),
            )
            for file in files
        ]

    def discard(self) -> None:
        """Remove what was written. Never raises."""
        if self.staged is not None:
            self.staged.discard()

    def _stage(self) -> None:
        if self.staged is None and self._table.local_path is not None:
            remove_stale(self._table)
            self.staged = StagedFiles(self._table, self._load_id)
