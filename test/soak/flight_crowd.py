"""PyArrow clients that put, break off half-way, and come back; says how many loads were acknowledged.

A line in: seconds to go on for. A line out: loads acknowledged.
"""

import json
import random
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl

URL, CLIENTS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TABLE = pa.table({"x": np.arange(20_000), "y": np.arange(20_000) / 7})
BATCHES = TABLE.to_batches(max_chunksize=2000)


def put(draw: random.Random) -> bool:
    client = fl.connect(URL)
    # One that waits too long for its answer is ended by its own deadline, also half-way.
    options = fl.FlightCallOptions(timeout=draw.choice([0.05, 0.2, 20]))
    try:
        writer, reader = client.do_put(
            fl.FlightDescriptor.for_path("soak_flight"), TABLE.schema, options=options
        )
        stop_at = draw.randrange(len(BATCHES) * 2)
        for number, batch in enumerate(BATCHES):
            if number == stop_at:
                writer.cancel() if hasattr(writer, "cancel") else None
                return False
            writer.write_batch(batch)
        writer.done_writing()
        acknowledged = reader.read() is not None
        writer.close()
        return acknowledged
    except (fl.FlightError, pa.ArrowException):
        return False
    finally:
        client.close()


def keep_putting(seed: int, until: float, counts: list[int]) -> None:
    draw = random.Random(seed)
    while time.monotonic() < until:
        if put(draw):
            counts.append(1)


for line in sys.stdin:
    counts: list[int] = []
    until = time.monotonic() + float(line)
    threads = [
        threading.Thread(target=keep_putting, args=(SEED + n, until, counts), daemon=True)
        for n in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(len(counts)), flush=True)
