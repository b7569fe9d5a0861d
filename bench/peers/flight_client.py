"""The Flight client of every server measured: flight_client.py PORT STREAM FILE CODEC WARM_UP_BATCHES [WARM_UPS].

Everything is in memory and the connection is open before the clock starts; it runs from the first write
to the receipt. Prints {"seconds", "rows"}.
"""

import json
import sys
import time

import pyarrow as pa
import pyarrow.flight as flight


def put(client, stream, schema, batches, options) -> int:
    descriptor = flight.FlightDescriptor.for_path(stream)
    writer, reader = client.do_put(descriptor, schema, options)
    for batch in batches:
        writer.write_batch(batch)
    writer.done_writing()
    receipt = None
    while (message := reader.read()) is not None:
        receipt = message
    writer.close()
    return json.loads(receipt.to_pybytes())["rows_processed"]


def main() -> None:
    port, stream, path, codec, warm_up = sys.argv[1:6]
    with pa.ipc.open_stream(pa.OSFile(path)) as source:
        schema, batches = source.schema, list(source)
    write_options = pa.ipc.IpcWriteOptions(compression=None if codec == "plain" else codec)
    options = flight.FlightCallOptions(write_options=write_options)
    client = flight.connect(f"grpc://127.0.0.1:{port}")
    for _ in range(int(sys.argv[6]) if sys.argv[6:] else 1):
        put(client, "warm_up", schema, batches[: int(warm_up)], options)
    started = time.perf_counter()
    rows = put(client, stream, schema, batches, options)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


main()
