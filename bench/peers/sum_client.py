"""Reads a result to its end, a batch at a time: prints rows, the sum of `id`, seconds, and its own peak memory."""

import json
import resource
import sys
import time
import urllib.request
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as flight

way, address, sql = sys.argv[1:4]


def read_flight() -> Iterator[pa.RecordBatch]:
    client = flight.connect(address)
    tickets = [flight.Ticket(sql.encode())]
    if way == "flight":
        descriptor = flight.FlightDescriptor.for_command(json.dumps({"sql": sql}).encode())
        tickets = [endpoint.ticket for endpoint in client.get_flight_info(descriptor).endpoints]
    for ticket in tickets:
        for chunk in client.do_get(ticket):
            yield chunk.data


def read_http() -> Iterator[pa.RecordBatch]:
    request = urllib.request.Request(address + "/query", data=sql.encode(), headers={"Content-Type": "text/plain"})
    with urllib.request.urlopen(request) as answer:
        yield from pa.ipc.open_stream(answer)


started = time.perf_counter()
rows = total = 0
for batch in read_http() if way == "http" else read_flight():
    rows += batch.num_rows
    total += pc.sum(batch.column("id")).as_py() or 0
answer = {
    "rows": rows,
    "sum": str(total),
    "seconds": time.perf_counter() - started,
    "client_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}
print(json.dumps(answer))
