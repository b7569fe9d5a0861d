"""Keeps rows in their order while delta-rs writes and reads them."""

from __future__ import annotations

import contextlib
import os

from deltalake import QueryBuilder

_THREADS = "/proc/self/task"


def keep_row_order() -> None:
    """Have delta-rs plan every write and read as one sequence of rows. To be called once, before anything else.

    It spreads rows over as many partitions as it finds cores when the first session of a process is made, which mixes
    batches, and has no option for it: so it gets to see one core at that moment. Files are decoded and encoded beside
    each other all the same. Where a system cannot confine a thread to a core, batches may change places.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {min(cores)})
        try:
            QueryBuilder()
        finally:
            os.sched_setaffinity(0, cores)
            _free_threads(cores)


def _free_threads(cores: set[int]) -> None:
    """Threads that were started meanwhile are confined as well."""
    for thread in os.listdir(_THREADS):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread), cores)
