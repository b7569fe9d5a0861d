"""Producers that send the loads which standard input asks for, and tell each step of them on standard output.

A line in: {"attempt", "load", "door", "url", "path" | "descriptor", "key", "rows", "batches", "pause_ms"}.
Lines out: {"attempt", "event"} with event opened, half, sent, and answer with "receipts" and "error".
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.flight as fl
from crash_rows import SCHEMA, rows_of

PATIENCE_SECONDS = 90
lock = threading.Lock()


def tell(task: dict, event: str, **more: object) -> None:
    with lock:
        print(json.dumps({"attempt": task["attempt"], "event": event, **more}), flush=True)


def batches_of(task: dict) -> list[pa.RecordBatch]:
    table = rows_of(task["load"], task["rows"])
    return table.combine_chunks().to_batches(max_chunksize=max(1, -(-task["rows"] // task["batches"])))


class Pieces:
    """What the IPC writer writes, taken piece by piece."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        parts, self.parts = self.parts, []
        return b"".join(parts)


def over_http(task: dict) -> dict:
    place = urlsplit(task["url"])
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest("POST", task["path"])
        connection.putheader("Content-Type", "application/vnd.apache.arrow.stream")
        connection.putheader("Transfer-Encoding", "chunked")
        if task["key"] is not None:
            connection.putheader("Idempotency-Key", task["key"])
        connection.endheaders()
        send_body(task, connection)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status == 200:
        return {"receipts": [answer], "error": None}
    return {"receipts": [], "error": f"{answer.get('code')}: {answer.get('detail')}"}


def send_body(task: dict, connection: http.client.HTTPConnection) -> None:
    pieces = Pieces()
    batches = batches_of(task)

    def send() -> None:
        data = pieces.take()
        if data:
            connection.send(b"%x\r\n%s\r\n" % (len(data), data))

    with pa.ipc.new_stream(pa.PythonFile(pieces, mode="w"), SCHEMA) as writer:
        tell(task, "opened")
        for number, batch in enumerate(batches):
            writer.write_batch(batch)
            send()
            if number == len(batches) // 2:
                tell(task, "half")
            time.sleep(task["pause_ms"] / 1000)
    send()
    tell(task, "sent")
    connection.send(b"0\r\n\r\n")


def over_flight(task: dict) -> dict:
    headers = [] if task["key"] is None else [(b"idempotency-key", task["key"].encode())]
    options = fl.FlightCallOptions(headers=headers, timeout=PATIENCE_SECONDS)
    descriptor = fl.FlightDescriptor.for_path(*task["descriptor"])
    receipts: list[dict] = []
    error = None
    with fl.connect(task["url"]) as client:
        writer, reader = client.do_put(descriptor, SCHEMA, options=options)
        tell(task, "opened")
        try:
            send_batches(task, writer)
        except (fl.FlightError, pa.ArrowException) as failure:
            error = str(failure)
        # Also after a failure: the receipts of parts that came before it are still to be read.
        try:
            while (result := reader.read()) is not None:
                receipts.append(json.loads(result.to_pybytes()))
            writer.close()
        except (fl.FlightError, pa.ArrowException) as failure:
            error = error or str(failure)
    return {"receipts": receipts, "error": error}


def send_batches(task: dict, writer: fl.FlightStreamWriter) -> None:
    batches = batches_of(task)
    for number, batch in enumerate(batches):
        writer.write_batch(batch)
        if number == len(batches) // 2:
            tell(task, "half")
        time.sleep(task["pause_ms"] / 1000)
    tell(task, "sent")
    writer.done_writing()


def run(task: dict) -> None:
    try:
        result = over_http(task) if task["door"] == "http" else over_flight(task)
    except (OSError, http.client.HTTPException, ValueError, fl.FlightError, pa.ArrowException) as failure:
        result = {"receipts": [], "error": f"{type(failure).__name__}: {failure}"}
    tell(task, "answer", **result)


for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
