"""The HTTP client: http_client.py PORT STREAM FILE WARM_UP_FILE.

Posts an Arrow IPC stream that is in memory, chunked; the clock runs from the first write to the receipt.
Prints {"seconds", "rows"}.
"""

import http.client
import io
import json
import sys
import time
from pathlib import Path

HEADERS = {"Content-Type": "application/vnd.apache.arrow.stream", "Transfer-Encoding": "chunked"}


def post(connection, stream: str, body: bytes) -> int:
    connection.request("POST", f"/ingest/{stream}", io.BytesIO(body), HEADERS, encode_chunked=True)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(text.decode())
    return json.loads(text)["rows_processed"]


def main() -> None:
    port, stream, path, warm_up = sys.argv[1:5]
    body = Path(path).read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", int(port), blocksize=1 << 20)
    post(connection, "warm_up", Path(warm_up).read_bytes())
    started = time.perf_counter()
    rows = post(connection, stream, body)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


main()
