"""Properties of tables whose protocol lists features are set without a feature that the table does not have."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from arrowport_delta.errors import WorkerError
from arrowport_delta.locations import Location
from arrowport_delta.property_commits import commit_properties

COMMIT = CommitProperties(custom_metadata={"arrowport.commit_id": "1"})


def make_table(folder: Path, *, local_times: bool) -> DeltaTable:
    """A table with a partition, and with timestamps without a time zone where they are wanted."""
    kind = pa.timestamp("us") if local_times else pa.int64()
    write_deltalake(str(folder), pa.table({"p": [1], "at": pa.array([1], kind)}), partition_by=["p"])
    return DeltaTable(str(folder))


def test_no_feature_comes_that_the_property_does_not_need(tmp_path: Path) -> None:
    table = make_table(tmp_path, local_times=True)
    place = Location(str(tmp_path))
    assert commit_properties(place, table, {"delta.logRetentionDuration": "interval 3 days"}, COMMIT)
    assert commit_properties(place, table, {"delta.enableChangeDataFeed": "true"}, COMMIT)
    seen = DeltaTable(str(tmp_path))
    assert (table.version(), seen.version()) == (2, 2)
    protocol = seen.protocol()
    assert protocol.reader_features == ["timestampNtz"]
    assert sorted(protocol.writer_features or []) == ["changeDataFeed", "timestampNtz"]
    metadata = seen.metadata()
    assert metadata.partition_columns == ["p"]
    assert metadata.configuration == {
        "delta.logRetentionDuration": "interval 3 days",
        "delta.enableChangeDataFeed": "true",
    }
    assert seen.history(1)[0]["arrowport.commit_id"] == "1"
    write_deltalake(str(tmp_path), seen.to_pyarrow_table(), mode="append")
    assert DeltaTable(str(tmp_path)).to_pyarrow_table().num_rows == 2


def test_other_tables_and_features_for_readers_are_left_to_the_engine(tmp_path: Path) -> None:
    plain = make_table(tmp_path / "plain", local_times=False)
    assert not commit_properties(Location(str(tmp_path / "plain")), plain, {"delta.appendOnly": "true"}, COMMIT)
    table = make_table(tmp_path / "times", local_times=True)
    place = Location(str(tmp_path / "times"))
    assert not commit_properties(place, table, {"delta.enableDeletionVectors": "true"}, COMMIT)
    assert table.version() == 0


def change_protocol(folder: Path, **changes: object) -> DeltaTable:
    """Has the first version of a table tell of another protocol."""
    first = folder / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in first.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"].update(changes)
    first.write_text("\n".join(json.dumps(action) for action in actions))
    return DeltaTable(str(folder))


def test_a_table_with_features_for_writers_only_asks_no_more_of_readers(tmp_path: Path) -> None:
    make_table(tmp_path, local_times=False)
    table = change_protocol(tmp_path, minWriterVersion=7, writerFeatures=["appendOnly"])
    place = Location(str(tmp_path))
    assert commit_properties(place, table, {"delta.logRetentionDuration": "interval 3 days"}, COMMIT)
    assert commit_properties(place, table, {"delta.enableChangeDataFeed": "true"}, COMMIT)
    protocol = DeltaTable(str(tmp_path)).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version, protocol.reader_features) == (1, 7, None)
    assert sorted(protocol.writer_features or []) == ["appendOnly", "changeDataFeed"]
    write_deltalake(str(tmp_path), table.to_pyarrow_table(), mode="append")
    assert DeltaTable(str(tmp_path)).version() == 3


@pytest.mark.parametrize("feature", ("inCommitTimestamp", "rowTracking", "identityColumns", "icebergCompatV1"))
def test_tables_with_features_that_ask_more_of_a_commit_are_left_to_the_engine(tmp_path: Path, feature: str) -> None:
    make_table(tmp_path, local_times=True)
    table = change_protocol(tmp_path, writerFeatures=["timestampNtz", feature])
    assert not commit_properties(Location(str(tmp_path)), table, {"delta.appendOnly": "true"}, COMMIT)
    assert DeltaTable(str(tmp_path)).version() == 0


def test_file_systems_without_links_are_left_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(tmp_path, local_times=True)

    def link(_source: str, _target: str) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert not commit_properties(Location(str(tmp_path)), table, {"delta.appendOnly": "true"}, COMMIT)
    assert os.listdir(tmp_path / "_delta_log") == [f"{0:020}.json"]


def test_a_writer_that_was_faster_is_a_conflict(tmp_path: Path) -> None:
    table = make_table(tmp_path, local_times=True)
    write_deltalake(str(tmp_path), table.to_pyarrow_table(), mode="append")
    with pytest.raises(WorkerError) as thrown:
        commit_properties(Location(str(tmp_path)), table, {"delta.appendOnly": "true"}, COMMIT)
    assert thrown.value.kind == "conflict"
    assert not list((tmp_path / "_delta_log").glob("*.tmp"))
