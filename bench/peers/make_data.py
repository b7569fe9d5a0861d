"""Writes the bench's rows as Arrow IPC streams: make_data.py FOLDER ROWS.

Six columns, 51 bytes a row: int64, timestamp[us], two short strings, float64 with 5 % nulls, bool.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 122_880


def make_batch(first: int, rows: int) -> pa.RecordBatch:
    random = np.random.default_rng(first + 1)
    ids = np.arange(first, first + rows, dtype=np.int64)
    devices = pa.array([f"device-{n:04d}" for n in range(5000)])
    sites = pa.array(["helsinki", "lisbon", "new-york", "singapore", "cape-town", "sydney", "oslo", "montreal"])
    values = random.normal(20.0, 5.0, rows)
    return pa.record_batch(
        {
            "id": pa.array(ids),
            "ts": pa.array(1_700_000_000_000_000 + ids * 1000, pa.timestamp("us")),
            "device": pc.take(devices, pa.array(random.integers(0, 5000, rows))),
            "site": pc.take(sites, pa.array(random.integers(0, 8, rows))),
            "value": pa.array(values, mask=random.random(rows) < 0.05),
            "ok": pa.array(random.random(rows) < 0.9),
        }
    )


def write(path: Path, rows: int, codec: str | None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=codec)
    draft = path.with_suffix(".draft")
    schema = make_batch(0, 1).schema
    with pa.ipc.new_stream(str(draft), schema, options=options) as writer:
        for first in range(0, rows, BATCH_ROWS):
            writer.write_batch(make_batch(first, min(BATCH_ROWS, rows - first)))
    draft.rename(path)


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, codec in (("plain", rows, None), ("zstd", rows, "zstd"), ("warm-up", 4 * BATCH_ROWS, None)):
        path = folder / f"{name}.arrows"
        if not path.exists():
            write(path, count, codec)


main()
