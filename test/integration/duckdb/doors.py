"""The two doors of a server, as PyArrow and Python's own HTTP client use them."""

import http.client
import io
import json
import re
import urllib.parse

import pyarrow as pa
import pyarrow.flight as fl

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"


_ERROR = re.compile(r"message: ([A-Z][A-Z_]+): (.*?)\. gRPC client debug context", re.DOTALL)
_COLUMN = re.compile(r'[Cc]olumns? "([^"]*)"')


class Server:
    def __init__(self, url, flight_url):
        self.url, self.flight_url = url, flight_url
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port

    def post(self, stream, body, kind=STREAM, query="", headers=None):
        """Posts bytes, or an iterable of bytes (chunked). Returns the receipt or the problem, with `http`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=500)
        try:
            try:
                connection.request("POST", f"/ingest/{stream}{query}", body, {"content-type": kind, **(headers or {})})
            except (BrokenPipeError, ConnectionResetError):
                pass  # A server that refuses a body need not read it to its end; its answer is there all the same.
            response = connection.getresponse()
            return {"http": response.status, **json.loads(response.read())}
        finally:
            connection.close()

    def put(self, stream, schema, batches, **command):
        """Puts record batches. Returns the last receipt, or `code` and `detail` of the error."""
        descriptor = fl.FlightDescriptor.for_path(stream)
        if command:
            descriptor = fl.FlightDescriptor.for_command(json.dumps({"stream_name": stream, **command}))
        with fl.connect(self.flight_url) as client:
            try:
                writer, reader = client.do_put(descriptor, schema, fl.FlightCallOptions(timeout=500))
                try:
                    for batch in batches:
                        writer.write_batch(batch)
                    writer.done_writing()
                    receipt = None
                    while (buffer := reader.read()) is not None:
                        receipt = json.loads(buffer.to_pybytes())
                finally:
                    writer.close()
                return receipt
            except (fl.FlightError, pa.ArrowException) as failure:
                text = str(failure)
                spoken = _ERROR.search(text)
                if spoken is None:
                    return {"code": "none", "detail": text}
                column = _COLUMN.search(spoken[2])
                return {"code": spoken[1], "detail": spoken[2], "column": column and column[1]}

    def metric(self, name):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=500)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def stream_bytes(table, batch_rows=None, **options):
    """A table as an IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue()


def verdict(answer):
    """What decides of an answer: the rows of a receipt, or the code of a refusal."""
    return answer["rows_processed"] if answer.get("status") == "success" else answer["code"]
