"""Reads the same result over Flight again and again, until it is ended; prints a line at the first row."""

import json
import sys

import pyarrow.flight as flight

address, sql = sys.argv[1:3]
client = flight.connect(address)
descriptor = flight.FlightDescriptor.for_command(json.dumps({"sql": sql}).encode())
while True:
    for _ in client.do_get(client.get_flight_info(descriptor).endpoints[0].ticket):
        print("row", flush=True)
