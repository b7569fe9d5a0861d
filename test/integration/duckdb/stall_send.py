"""Producers that stop in the middle of a load, and what others of the same table see meanwhile."""

import json
import sys
import threading
import time

import pyarrow as pa
import pyarrow.flight as fl

from doors import Server, stream_bytes, verdict

server = Server(*sys.argv[1:3])
rows = pa.table({"id": range(40_000)})
few = pa.table({"id": range(100)})
wider = pa.table({"id": range(100), "added": range(100)})


def timed(run):
    started = time.perf_counter()
    return [verdict(run()), round(time.perf_counter() - started, 2)]


class StalledPost(threading.Thread):
    """Sends the first half of a body, and the rest when it is told to."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.go, self.answer = stream, threading.Event(), None
        self.start()
        time.sleep(0.4)

    def body(self):
        content = stream_bytes(rows, 1_000)
        yield content[: len(content) // 2]
        self.go.wait(30)
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
        self.client = fl.connect(server.flight_url)
        self.writer, self.reader = self.client.do_put(fl.FlightDescriptor.for_path(stream), rows.schema)
        self.batches = rows.to_batches(max_chunksize=1_000)
        for batch in self.batches[:20]:
            self.writer.write_batch(batch)
        time.sleep(0.4)

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


answers = {}
for door, stall in (("http", StalledPost), ("flight", StalledPut)):
    stalled = stall(f"first.{door}")
    answers[f"first_{door}_others"] = [timed(lambda: server.post(f"first.{door}", stream_bytes(few))) for _ in range(3)]
    answers[f"first_{door}"] = stalled.finish()
    server.post(f"later.{door}", stream_bytes(few))
    stalled = stall(f"later.{door}")
    answers[f"later_{door}_others"] = [timed(lambda: server.post(f"later.{door}", stream_bytes(few))) for _ in range(3)]
    answers[f"later_{door}_change"] = timed(lambda: server.post(f"merge.{door}", stream_bytes(wider)))
    answers[f"later_{door}"] = stalled.finish()
    answers[f"later_{door}_after"] = timed(lambda: server.post(f"later.{door}", stream_bytes(wider)))
    stalled = stall(f"given_up.{door}")
    answers[f"given_up_{door}_other"] = timed(lambda: server.post(f"given_up.{door}", stream_bytes(pa.table({"id": ["text"]}))))
    answers[f"given_up_{door}"] = stalled.finish()
print(json.dumps(answers))
