"""The Arrow IPC bytes of a load, as they come in frames."""

from __future__ import annotations

import io
import os
import tempfile
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO

from arro3.core import RecordBatchReader
from arro3.io import read_ipc_stream

from .errors import WorkerError
from .frames import FrameConnection

_READ_AT_ONCE = 4 << 20


class IncomingStream(io.RawIOBase):
    """A file over the data frames of a connection: an ``end`` frame is its end, anything else an error.

    What goes wrong while somebody reads is kept in ``failure``: readers in native code turn it into a text.
    """

    def __init__(self, connection: FrameConnection) -> None:
        self._connection = connection
        self._gathered: deque[bytes] = deque()
        self._head_position = 0
        self._ended = False
        self.bytes_received = 0
        self.failure: BaseException | None = None
        self.end_meta: dict[str, object] = {}
        self.end_files: list[object] = []
        self.on_stage: Callable[[], str] | None = None
        self.has_batches = False
        self.packed: list[str] = []
        self._batch: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether the whole stream was received."""
        return self._ended

    def gather(self, limit: int) -> bool:
        """Take in up to about ``limit`` bytes; True when the stream ended within them.

        It is larger where its batches come decoded: ``has_batches`` then, and ``take_batch`` for them.
        """
        while not self._ended and not self.has_batches and self.bytes_received <= limit:
            chunk = self._take(_READ_AT_ONCE)
            if chunk:
                self._gathered.append(chunk)
        return self._ended

    def gathered(self) -> list[bytes]:
        """What ``gather`` took in and nobody has read."""
        return list(self._gathered)

    def first_chunk(self) -> bytes:
        """The bytes of the first frame, which holds the stream's schema alone; ``gather`` must have run."""
        return self._gathered[0] if self._gathered else b""

    def take_chunk(self) -> bytes:
        """The next bytes, however many there are; empty at the end."""
        if self._gathered:
            chunk = self._gathered.popleft()[self._head_position :]
            self._head_position = 0
            return chunk
        return self._take(_READ_AT_ONCE)

    def take_batch(self) -> tuple[dict[str, Any], bytes] | None:
        """The description of the next decoded batch with the bytes that came with it; None at the end."""
        try:
            if self._batch is None:
                self._take(_READ_AT_ONCE)
            batch = self._batch
            if batch is None:
                return None
            self._batch = None
            return batch, self._connection.read_payload(self._connection.payload_left)
        except BaseException as error:
            self.failure = self.failure or error
            raise

    def readable(self) -> bool:
        """Always true; native readers ask."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes: fewer only at the end."""
        if size < 0:
            return b"".join(iter(self.take_chunk, b""))
        try:
            return self._read_some(size)
        except BaseException as error:
            self.failure = self.failure or error
            raise

    def _read_some(self, size: int) -> bytes:
        first = self._read_once(size)
        if len(first) == size or not first:
            return first
        parts = [first]
        missing = size - len(first)
        while missing:
            part = self._read_once(missing)
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _read_once(self, size: int) -> bytes:
        if not self._gathered:
            return self._take(size)
        head = self._gathered[0]
        part = head[self._head_position : self._head_position + size]
        self._head_position += len(part)
        if self._head_position == len(head):
            self._gathered.popleft()
            self._head_position = 0
        return part

    def _take(self, size: int) -> bytes:
        connection = self._connection
        while connection.payload_left == 0:
            if self._ended:
                return b""
            header = connection.receive()
            if header.get("end"):
                self._ended = True
                meta = header.get("meta")
                self.end_meta = meta if isinstance(meta, dict) else {}
                files = header.get("files")
                self.end_files = files if isinstance(files, list) else []
                return b""
            if header.get("stage") and self.on_stage is not None:
                connection.send({"staged": True, "folder": self.on_stage()})
                continue
            if isinstance(header.get("batch"), dict):
                self.has_batches = True
                self._batch = header["batch"]
                self.packed = header.get("packed") or self.packed
                return b""
            if not header.get("data"):
                raise WorkerError("cancelled", "The load was cancelled.")
        data = connection.read_payload(size)
        self.bytes_received += len(data)
        return data


class Replayable:
    """A whole IPC stream that can be read more than once: from memory, or from a file when it is large."""

    def __init__(self, incoming: IncomingStream, spool_folder: str) -> None:
        self._memory: list[bytes] = []
        self._file: BinaryIO | None = None
        if incoming.ended:
            self._memory = incoming.gathered()
            return
        self._file = tempfile.TemporaryFile(dir=spool_folder)  # noqa: SIM115 - closed by close()
        for chunk in iter(incoming.take_chunk, b""):
            self._file.write(chunk)
        self._file.flush()

    def reader(self) -> RecordBatchReader:
        """A reader from the stream's start."""
        if self._file is None:
            return read_ipc_stream(io.BytesIO(b"".join(self._memory)))
        duplicate = os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)
        duplicate.seek(0)
        return read_ipc_stream(io.BufferedReader(duplicate, 1 << 20))

    def close(self) -> None:
        """Give the memory or the file back."""
        self._memory = []
        if self._file is not None:
            self._file.close()
