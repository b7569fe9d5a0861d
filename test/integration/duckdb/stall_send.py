"""Producers that stop in the middle of a load, and what others of the same table see meanwhile."""

import json
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl

from doors import Server, stream_bytes, verdict

server = Server(*sys.argv[1:3])
log, part = Path(sys.argv[3] + ".wal"), sys.argv[4]
rows = pa.table({"id": range(40_000)})
few = pa.table({"id": range(100)})
wider = pa.table({"id": range(100), "added": range(100)})


def wait_for_rows(stream, batches_before):
    """Waits until the server has most of the first half, and the log the table of a stream that makes one."""
    while server.metric("arrowport_batches_total") < batches_before + 15:
        time.sleep(0.02)
    while not stream.startswith("later") and not (log.exists() and stream.encode() in log.read_bytes()):
        time.sleep(0.02)
    time.sleep(0.4)


class StalledPost(threading.Thread):
    """Sends the first half of a body, and the rest when it is told to."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.go, self.answer = stream, threading.Event(), None
        batches = server.metric("arrowport_batches_total")
        self.start()
        wait_for_rows(stream, batches)

    def body(self):
        content = stream_bytes(rows, 1_000)
        yield content[: len(content) // 2]
        self.go.wait(300)
        yield content[len(content) // 2 :]

    def run(self):
        try:
            self.answer = verdict(server.post(self.stream, self.body()))
        except OSError as failure:
            self.answer = type(failure).__name__

    def finish(self):
        self.go.set()
        self.join()
        return self.answer


class StalledPut:
    """The same over Flight."""

    def __init__(self, stream):
        batches = server.metric("arrowport_batches_total")
        self.client = fl.connect(server.flight_url)
        self.writer, self.reader = self.client.do_put(fl.FlightDescriptor.for_path(stream), rows.schema)
        self.batches = rows.to_batches(max_chunksize=1_000)
        for batch in self.batches[:20]:
            self.writer.write_batch(batch)
        wait_for_rows(stream, batches)

    def finish(self):
        try:
            for batch in self.batches[20:]:
                self.writer.write_batch(batch)
            self.writer.done_writing()
            receipt = self.reader.read()
            self.writer.close()
            return json.loads(receipt.to_pybytes())["rows_processed"]
        except (fl.FlightError, pa.ArrowException) as failure:
            return "DEADLINE_EXCEEDED" if "DEADLINE_EXCEEDED" in str(failure) else str(failure)


def load(stream, table):
    return verdict(server.post(stream, stream_bytes(table)))


def stalled_load_goes_on(door, stall):
    stalled = stall(f"first.{door}")
    answers[f"first_{door}_others"] = [load(f"first.{door}", few) for _ in range(3)]
    answers[f"first_{door}"] = stalled.finish()


def stalled_load_is_given_up(door, stall):
    load(f"later.{door}", few)
    stalled = stall(f"later.{door}")
    answers[f"later_{door}_others"] = [load(f"later.{door}", few) for _ in range(3)]
    answers[f"later_{door}_change"] = load(f"merge.{door}", wider)
    answers[f"later_{door}"] = stalled.finish()
    answers[f"later_{door}_after"] = load(f"later.{door}", wider)
    stalled = stall(f"given_up.{door}")
    answers[f"given_up_{door}_other"] = load(f"given_up.{door}", pa.table({"id": ["text"]}))
    answers[f"given_up_{door}"] = stalled.finish()


answers = {}
run = stalled_load_goes_on if part == "goes_on" else stalled_load_is_given_up
for door, stall in (("http", StalledPost), ("flight", StalledPut)):
    run(door, stall)
print(json.dumps(answers))
