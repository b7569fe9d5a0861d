"""The log is followed file by file, and appended to whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.transaction import AddAction

from arrowport_delta.commits import CommitPlan
from arrowport_delta.errors import WorkerError
from arrowport_delta.locations import Location, open_table
from arrowport_delta.log_tail import LogTail, TailBroken


def make_table(folder: Path) -> Location:
    """A table with one row."""
    write_deltalake(str(folder), pa.table({"n": [0]}))
    return Location(str(folder))


def add_file(folder: Path, name: str) -> list[AddAction]:
    """A further file with one row, not in the log yet."""
    pq.write_table(pa.table({"n": [1]}), folder / name)
    return [AddAction(name, (folder / name).stat().st_size, {}, 0, True, json.dumps({"numRecords": 1}))]


def plan(number: int, key: str | None = None, max_retries: int = 3) -> CommitPlan:
    """The commit of one load."""
    return CommitPlan(f"commit-{number}", key, {"rows": 1}, max_retries)


def test_appends_are_seen_by_other_readers(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))
    for number in range(1, 4):
        committed = tail.append(plan(number), add_file(tmp_path, f"{number}.parquet"), {"mode": "Append"})
        assert committed.version == number
        assert committed.info["arrowport.commit_id"] == f"commit-{number}"
        assert committed.info["added"]["files"] == 1
    table = DeltaTable(str(tmp_path))
    assert (table.version(), table.to_pyarrow_table().num_rows) == (3, 4)
    assert [entry["operation"] for entry in table.history()][:3] == ["WRITE"] * 3


def test_goes_on_behind_commits_of_others(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))
    write_deltalake(str(tmp_path), pa.table({"n": [7]}), mode="append")
    assert tail.append(plan(1), add_file(tmp_path, "a.parquet"), {}).version == 2
    assert DeltaTable(str(tmp_path)).to_pyarrow_table().num_rows == 3


def test_many_tails_commit_each_version_once(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    versions: list[int] = []

    def run(writer: int) -> None:
        tail = LogTail(location, open_table(location))
        for number in range(20):
            files = add_file(tmp_path, f"{writer}-{number}.parquet")
            versions.append(tail.append(plan(writer * 100 + number), files, {}).version)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 81))
    assert DeltaTable(str(tmp_path)).to_pyarrow_table().num_rows == 81
    assert not [name for name in os.listdir(tmp_path / "_delta_log") if name.endswith(".tmp")]


def test_is_broken_by_a_change_of_the_schema(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))
    DeltaTable(str(tmp_path)).alter.add_columns([Field("m", "long")])
    with pytest.raises(TailBroken):
        tail.append(plan(1), add_file(tmp_path, "a.parquet"), {})


def test_is_broken_when_the_table_was_made_anew(tmp_path: Path) -> None:
    location = make_table(tmp_path / "t")
    tail = LogTail(location, open_table(location))
    os.rename(tmp_path / "t", tmp_path / "old")
    make_table(tmp_path / "t")
    with pytest.raises(TailBroken):
        tail.advance()


def test_finds_keys_before_and_behind_its_opening(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    LogTail(location, open_table(location)).append(plan(1, "early"), add_file(tmp_path, "a.parquet"), {})
    tail = LogTail(location, open_table(location))
    tail.append(plan(2, "late"), add_file(tmp_path, "b.parquet"), {})
    for key, version in (("early", 1), ("late", 2)):
        found = tail.find_replay(key, 0)
        assert found is not None
        assert (found.version, found.replayed) == (version, True)
    assert tail.find_replay("never", 0) is None
    assert tail.find_replay("late", 1 << 62) is None


def test_a_key_that_another_writer_used_meanwhile_is_not_committed_again(tmp_path: Path) -> None:
    location = make_table(tmp_path)
    first, second = (LogTail(location, open_table(location)) for _ in range(2))
    first.append(plan(1, "key"), add_file(tmp_path, "a.parquet"), {})
    with pytest.raises(TailBroken):
        second.append(plan(2, "key"), add_file(tmp_path, "b.parquet"), {})
    assert DeltaTable(str(tmp_path)).version() == 1


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))

    def link(_source: str, _target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="No space left"):
        tail.append(plan(1), add_file(tmp_path, "a.parquet"), {})
    assert sorted(os.listdir(tmp_path / "_delta_log")) == ["00000000000000000000.json"]


def test_a_commit_that_is_made_is_no_failure_whatever_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))

    def read(_location: Location, _version: int) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("arrowport_delta.log_tail.read_commit", read)
        assert tail.append(plan(1, "key"), add_file(tmp_path, "a.parquet"), {}).version == 1
    assert tail.find_replay("key", 0) is not None
    assert tail.append(plan(2), add_file(tmp_path, "b.parquet"), {}).version == 2
    assert DeltaTable(str(tmp_path)).to_pyarrow_table().num_rows == 3


def test_a_disk_that_does_not_say_whether_a_commit_is_made_leaves_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))
    make_link = os.link

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def link(source: str, target: str) -> None:
        make_link(source, target)
        fail()

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        patch.setattr("arrowport_delta.log_tail.read_commit", fail)
        with pytest.raises(WorkerError) as caught:
            tail.append(plan(1), add_file(tmp_path, "a.parquet"), {})
    assert caught.value.kind == "unknown"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        assert tail.append(plan(2), add_file(tmp_path, "b.parquet"), {}).version == 2


def test_without_retries_a_race_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = make_table(tmp_path)
    tail = LogTail(location, open_table(location))
    monkeypatch.setattr(tail, "_create", lambda *_: False)
    with pytest.raises(WorkerError) as caught:
        tail.append(plan(1, max_retries=0), add_file(tmp_path, "a.parquet"), {})
    assert caught.value.kind == "conflict"
