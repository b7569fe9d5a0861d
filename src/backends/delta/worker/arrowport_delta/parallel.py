"""Several writers for one large load: delta-rs encodes an unpartitioned stream on one core."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from deltalake.transaction import AddAction

from .prefetch import Prefetch

_MOST_WRITERS = 4
_BYTES_A_WRITER = 64 << 20
"""A further writer, and with it a further file, begins when so much more has come."""


def write_in_parallel(prefetch: Prefetch, write: Callable[[int], list[AddAction]]) -> list[AddAction]:
    """Run ``write`` for part 0, and for further parts as the stream grows; returns all files.

    When one part fails the others are stopped, and the first failure is raised.
    """
    writers = max(1, min(_MOST_WRITERS, os.cpu_count() or 1))
    prefetch.start()

    def run(part: int) -> list[AddAction]:
        if part > 0 and not prefetch.wait_for(part * _BYTES_A_WRITER):
            return []
        try:
            return write(part)
        except BaseException:
            prefetch.stop()
            raise

    with ThreadPoolExecutor(max_workers=writers, thread_name_prefix="writer") as pool:
        parts: list[Future[list[AddAction]]] = [pool.submit(run, part) for part in range(writers)]
    return [file for part in parts for file in part.result()]
