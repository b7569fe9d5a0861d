"""How long a key takes to be looked up in a Delta table's log: delta_keys.py [KEYS ...]. Needs the worker's packages.

Makes a table whose checkpoint holds so many keys, follows it as the worker does after a restart, and asks for keys that are
not there (every new load) and for ones that are (retries), before and after the keys were read ahead.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

sys.path.insert(0, str(Path(__file__).parents[2] / "src/backends/delta/worker"))

from arrowport_delta.locations import Location, open_table
from arrowport_delta.log_tail import LogTail


_KEYS_OF_A_COMMIT = 250


def make_table(folder: str, keys: int) -> None:
    write_deltalake(folder, pa.table({"n": [0]}))
    now = int(time.time() * 1000)
    for version, first in enumerate(range(0, keys, _KEYS_OF_A_COMMIT), 1):
        names = [f"arrowport-{n:040x}" for n in range(first, min(first + _KEYS_OF_A_COMMIT, keys))]
        info = {"timestamp": now, "arrowport.loads": [{"arrowport.app_id": name} for name in names]}
        actions = [{"txn": {"appId": name, "version": version - 1, "lastUpdated": now}} for name in names]
        lines = "\n".join(map(json.dumps, [{"commitInfo": info}, *actions]))
        Path(folder, "_delta_log", f"{version:020}.json").write_text(lines)
    DeltaTable(folder).create_checkpoint()


def milliseconds(tail: LogTail, keys: list[str]) -> float:
    times = []
    for key in keys:
        started = time.perf_counter()
        tail._find_before(key)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    for count in map(int, sys.argv[1:] or ["10000", "100000", "1000000"]):
        with tempfile.TemporaryDirectory() as folder:
            make_table(folder, count)
            location = Location(folder)
            tail = LogTail(location, open_table(location))
            tail._index._begun.acquire()
            asked = milliseconds(tail, [f"new-{n}" for n in range(5)])
            started = time.perf_counter()
            tail._index.fill()
            filled = time.perf_counter() - started
            known = milliseconds(tail, [f"later-{n}" for n in range(1000)])
            retried = milliseconds(tail, [f"arrowport-{n * 7919 % count:040x}" for n in range(1, 100)])
            print(
                f"{count} keys: new one {asked:.2f} ms by delta-rs, {known:.4f} ms when read ahead "
                f"(which takes {filled:.2f} s once, in the background); one that is there {retried:.2f} ms",
                flush=True,
            )


main()
