"""What follows a commit is no part of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from arrowport_delta.aftercare import Aftercare, after_commit
from arrowport_delta.locations import CachedTable, Location


def test_a_machine_without_threads_fails_no_load_and_makes_the_checkpoint_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_deltalake(str(tmp_path), pa.table({"n": [number]}), mode="append")
    cached = CachedTable(Location(str(tmp_path)))
    care = Aftercare(checkpoint_interval=1, compact_min_files=0, target_file_size=1 << 20, compression="snappy")

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        after_commit(cached, 2, care)
    after_commit(cached, 3, care)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "_delta_log").glob("*.checkpoint.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
