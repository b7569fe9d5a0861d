"""Bodies of great size: one message of 200 MB over each door, and 2 GB that are made while they are sent."""

import json
import sys
import time

import numpy as np
import pyarrow as pa

from doors import Server, stream_bytes, verdict

server = Server(*sys.argv[1:3])
answers = {}


def timed(name, run):
    started = time.perf_counter()
    answer = verdict(run())
    answers[name] = [answer, round(time.perf_counter() - started, 2)]


rows = 200 * 1024 * 1024 // 16
large = pa.table({"id": np.arange(rows), "value": np.arange(rows)})
timed("large_http", lambda: server.post("large", stream_bytes(large)))
timed("large_flight", lambda: server.put("large", large.schema, large.to_batches()))
over = pa.table({"id": np.arange(300 * 1024 * 1024 // 8)})
timed("too_large_flight", lambda: server.put("too_large", over.schema, over.to_batches()))
timed("too_large_http", lambda: server.post("too_large", stream_bytes(over)))
del over

batch = pa.RecordBatch.from_arrays([pa.array(np.arange(122_880)), pa.array(np.arange(122_880) % 1000)], ["id", "value"])
times = 2 * 1024**3 // batch.nbytes + 1


def chunks():
    whole = stream_bytes(pa.Table.from_batches([batch]))
    head = len(stream_bytes(pa.Table.from_batches([], batch.schema))) - 8
    yield whole[:head]
    for _ in range(times):
        yield whole[head:-8]
    yield whole[-8:]


timed("long_http", lambda: server.post("long_http", chunks()))
timed("long_flight", lambda: server.put("long_flight", batch.schema, (batch for _ in range(times))))
print(json.dumps(answers))
