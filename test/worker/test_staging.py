"""Staging folders belong to the process that made them, and go with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from arrowport_delta.locations import Location
from arrowport_delta.staging import SCRATCH_PREFIX, StagedFiles, remove_stale


def test_folders_in_use_stay_and_others_go(tmp_path: Path) -> None:
    table = Location(str(tmp_path))
    mine = StagedFiles(table, "mine")
    (tmp_path / "_arrowport" / "crashed" / "0").mkdir(parents=True)
    remove_stale(table)
    assert os.listdir(tmp_path / "_arrowport") == ["mine"]
    mine.discard()
    mine.discard()
    assert os.listdir(tmp_path) == []


def test_a_folder_of_a_killed_process_goes(tmp_path: Path) -> None:
    program = """
import sys, time
from arrowport_delta.locations import Location
from arrowport_delta.staging import StagedFiles
kept = StagedFiles(Location(sys.argv[1]), "other")
print("made", flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        remove_stale(Location(str(tmp_path)))
        assert os.listdir(tmp_path / "_arrowport") == ["other"]
        other.kill()
        other.wait()
    remove_stale(Location(str(tmp_path)))
    assert os.listdir(tmp_path) == []


def test_old_scratch_files_of_commits_go(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    old, new = log / f"{SCRATCH_PREFIX}1.json.tmp", log / f"{SCRATCH_PREFIX}2.json.tmp"
    old.write_text("{}")
    new.write_text("{}")
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    remove_stale(Location(str(tmp_path)))
    assert os.listdir(log) == [new.name]
