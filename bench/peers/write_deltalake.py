"""delta-rs in one process, no network: write_deltalake.py TABLE_FOLDER FILE WARM_UPS.

Writes an Arrow IPC stream that is in memory with `write_deltalake`, some times for warming up and once for the clock.
Prints {"seconds", "rows", "peak_bytes"}.
"""

import json
import resource
import shutil
import sys
import time
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def main() -> None:
    table, path, warm_ups = sys.argv[1:4]
    body = pa.py_buffer(Path(path).read_bytes())
    warm_up = f"{table}-warm-up"
    for _ in range(int(warm_ups)):
        write_deltalake(warm_up, pa.ipc.open_stream(body), mode="append")
    started = time.perf_counter()
    write_deltalake(table, pa.ipc.open_stream(body))
    seconds = time.perf_counter() - started
    shutil.rmtree(warm_up)
    rows = sum(pa.table(DeltaTable(table).get_add_actions()).column("num_records").to_pylist())
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_bytes": peak_bytes}))


main()
