"""Loads from eight threads until the server is gone; prints the numbers of the loads that were acknowledged."""

import http.client
import itertools
import json
import sys
import threading

import numpy as np
import pyarrow as pa

from doors import Server, stream_bytes

server, first, rows = Server(*sys.argv[1:3]), int(sys.argv[3]), int(sys.argv[4])
numbers, acknowledged, began = itertools.count(first), [], threading.Event()


def produce(producer):
    while True:
        number = next(numbers)
        table = pa.table({"load": pa.array(np.full(rows, number)), "at": np.arange(rows)})
        stream = f"own_{number % 3}" if producer < 2 else "shared"
        try:
            if producer % 2:
                answer = server.post(stream, stream_bytes(table, rows // 4))
            else:
                answer = server.put(stream, table.schema, table.to_batches(max_chunksize=rows // 4))
        except (OSError, http.client.HTTPException, ValueError, pa.ArrowException):
            return
        if answer is None or answer.get("status") != "success":
            return
        acknowledged.append(number)


threads = [threading.Thread(target=produce, args=(producer,)) for producer in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(acknowledged))
