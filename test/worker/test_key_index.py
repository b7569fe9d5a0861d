"""Keys that a log does not hold are known without asking it, and none that it holds is denied."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from arrowport_delta.key_index import NOT_KNOWN, NOT_THERE, KeyIndex
from arrowport_delta.locations import Location, open_table
from arrowport_delta.log_tail import LogTail


def commit_keys(folder: Path, version: int, keys: list[str]) -> None:
    """Write a version with keys alone."""
    now = int(time.time() * 1000)
    actions = [{"commitInfo": {"timestamp": now, "arrowport.app_id": keys[0]}}]
    actions += [{"txn": {"appId": key, "version": version - 1, "lastUpdated": now}} for key in keys]
    log = folder / "_delta_log" / f"{version:020}.json"
    log.write_text("\n".join(json.dumps(action) for action in actions))


def make_table(folder: Path, count: int) -> Location:
    """A table with so many keys in its checkpoint, and one behind it."""
    write_deltalake(str(folder), pa.table({"n": [0]}))
    commit_keys(folder, 1, [f"arrowport-{number:040x}" for number in range(count)])
    DeltaTable(str(folder)).create_checkpoint()
    commit_keys(folder, 2, ["behind"])
    return Location(str(folder))


def test_tells_keys_that_are_not_there(tmp_path: Path) -> None:
    index = KeyIndex(make_table(tmp_path, 30_000), 2)
    assert index.fill()
    assert {index.find(f"arrowport-{number:040x}") for number in range(30_000)} == {0}
    assert index.find("behind") == 1
    assert {index.find(f"arrowport-{number:040x}") for number in range(30_000, 40_000)} == {NOT_THERE}


def test_tells_the_last_action_of_a_key(tmp_path: Path) -> None:
    location = make_table(tmp_path, 30_000)
    key = f"arrowport-{7:040x}"
    commit_keys(tmp_path, 3, [key])
    index = KeyIndex(location, 3)
    assert index.find(key) == NOT_KNOWN
    assert index.fill()
    assert index.find(key) == 2


def test_small_logs_and_those_without_a_checkpoint_are_asked(tmp_path: Path) -> None:
    assert not KeyIndex(make_table(tmp_path / "small", 10), 2).fill()
    write_deltalake(str(tmp_path / "none"), pa.table({"n": [0]}))
    index = KeyIndex(Location(str(tmp_path / "none")), 0)
    assert not index.fill()
    assert index.find("anything") == NOT_KNOWN


def test_a_tail_finds_the_same_keys_with_it(tmp_path: Path) -> None:
    location = make_table(tmp_path, 30_000)
    tail = LogTail(location, open_table(location))
    assert tail._index.fill()
    # The last of them is in no commitInfo, as if only its eight bytes were in the index: the log decides.
    for key, version in ((f"arrowport-{0:040x}", 1), ("behind", 2), (f"arrowport-{9:040x}", 1)):
        found = tail.find_replay(key, 0)
        assert found is not None
        assert found.version == version
    assert tail.find_replay("never", 0) is None
