"""Memory that the server writes to and the worker reads in place."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import queue
import threading
from typing import Any

from .errors import WorkerError
from .frames import FrameConnection, PeerGone
from .requests import Context


class Arena:
    """One piece of memory without a name, which ends with the last process that has it open."""

    def __init__(self, size: int) -> None:
        self.fd = os.memfd_create("arrowport", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)
        self.size = size
        self._memory = mmap.mmap(self.fd, size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._freed: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def free(self, start: int) -> None:
        """Say that nobody reads what begins at ``start`` any more. Never blocks."""
        self._freed.put(start)

    def end(self) -> None:
        """End ``tell``."""
        self._freed.put(None)

    def tell(self, connection: FrameConnection) -> None:
        """Send what comes free until ``end``."""
        with contextlib.suppress(PeerGone):
            while (first := self._freed.get()) is not None:
                freed = [first]
                with contextlib.suppress(queue.Empty):
                    while (more := self._freed.get_nowait()) is not None:
                        freed.append(more)
                connection.send({"freed": freed})


_ARENAS: dict[int, Arena] = {}


def arena(context: Context) -> dict[str, Any]:
    """Make an arena for the server, and tell it what comes free for as long as its connection lasts."""
    size = context.args.integer("size", 0)
    if not hasattr(os, "memfd_create") or size <= 0:
        raise WorkerError("invalid", "There is no memory to share on this system.")
    made = Arena(size)
    connection = context.connection
    connection.is_lasting = True
    _ARENAS[made.fd] = made
    connection.send({"arena": {"fd": made.fd, "pid": os.getpid()}})
    threading.Thread(target=made.tell, args=(connection,), daemon=True).start()
    try:
        while True:
            connection.receive()
    finally:
        del _ARENAS[made.fd]
        made.end()
        os.close(made.fd)


def find_arena(number: int) -> Arena:
    """The arena that a load names."""
    found = _ARENAS.get(number)
    if found is None:
        raise WorkerError("internal", "The memory of a load is gone.")
    return found
