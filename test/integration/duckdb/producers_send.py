"""Many producers at once: eight of a million rows each, and small loads without number."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from doors import Server, stream_bytes, verdict

server = Server(*sys.argv[1:3])
million = 1_000_000
table = pa.table({"id": np.arange(million), "value": np.arange(million) / 4, "text": pa.array(["a text", "another one"] * (million // 2))})
body = stream_bytes(table, 122_880)


def produce(stream, producer):
    if producer % 2:
        return verdict(server.post(stream, body))
    return verdict(server.put(stream, table.schema, table.to_batches(max_chunksize=122_880)))


def timed(streams):
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(produce, streams, range(8)))
    return {"rows": rows, "seconds": round(time.perf_counter() - started, 2)}


def small(index):
    rows = pa.table({"n": pa.array(np.full(1 + index % 100, index)), "at": range(1 + index % 100)})
    if index % 2:
        return verdict(server.post("small", stream_bytes(rows)))
    return verdict(server.put("small", rows.schema, rows.to_batches()))


answers = {"one": timed(["one"] * 8), "eight": timed([f"t{producer}" for producer in range(8)])}
started = time.perf_counter()
with ThreadPoolExecutor(16) as pool:
    answers["small"] = {"rows": list(pool.map(small, range(16 * 50))), "seconds": round(time.perf_counter() - started, 2)}
answers["small"]["seconds"] = round(time.perf_counter() - started, 2)
print(json.dumps(answers))
