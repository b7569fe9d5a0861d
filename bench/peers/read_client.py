"""Reads a result to its end: prints rows and seconds, from the request to the last batch."""

import json
import sys
import time
import urllib.request

import pyarrow as pa
import pyarrow.flight as flight

way, address, sql = sys.argv[1:4]


def read_flight() -> int:
    client = flight.connect(address)
    ticket = flight.Ticket(sql.encode())
    if way == "flight":
        descriptor = flight.FlightDescriptor.for_command(json.dumps({"sql": sql}).encode())
        ticket = client.get_flight_info(descriptor).endpoints[0].ticket
    return sum(chunk.data.num_rows for chunk in client.do_get(ticket))


def read_http() -> int:
    request = urllib.request.Request(address + "/query", data=sql.encode(), headers={"Content-Type": "text/plain"})
    with urllib.request.urlopen(request) as answer:
        return sum(batch.num_rows for batch in pa.ipc.open_stream(answer))


read = read_http if way == "http" else read_flight
read()  # warm: files are in memory, code is compiled
started = time.perf_counter()
rows = read()
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - started}))
