"""Loads the same rows again and again over Flight for some seconds: prints million rows a second."""

import sys
import time

import pyarrow as pa
import pyarrow.flight as flight

address, stream, seconds, path = sys.argv[1:5]
rows = pa.ipc.open_stream(path).read_all()
batches = rows.to_batches()
client = flight.connect(address)


def load() -> None:
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(stream), rows.schema)
    for batch in batches:
        writer.write_batch(batch)
    writer.done_writing()
    reader.read()
    writer.close()


load()  # warm: the table is there, code is compiled
started = time.perf_counter()
loads = 0
while time.perf_counter() - started < float(seconds):
    load()
    loads += 1
print(loads * rows.num_rows / (time.perf_counter() - started) / 1e6)
