"""The HTTP client: http_client.py PORT STREAM FILE WARM_UP_FILE [WARM_UPS [whole]].

Posts an Arrow IPC stream that is in memory, chunked, or whole with its length; the clock runs from the first write to the receipt.
Prints {"seconds", "rows"}.
"""

import http.client
import io
import json
import sys
import time
from pathlib import Path

HEADERS = {"Content-Type": "application/vnd.apache.arrow.stream"}
CHUNKED = {**HEADERS, "Transfer-Encoding": "chunked"}


def post(connection, stream: str, body: bytes, whole: bool) -> int:
    if whole:
        connection.request("POST", f"/ingest/{stream}", body, HEADERS)
    else:
        connection.request("POST", f"/ingest/{stream}", io.BytesIO(body), CHUNKED, encode_chunked=True)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(text.decode())
    return json.loads(text)["rows_processed"]


def main() -> None:
    port, stream, path, warm_up = sys.argv[1:5]
    warm_ups = int(sys.argv[5]) if sys.argv[5:] else 1
    whole = sys.argv[6:] == ["whole"]
    body = Path(path).read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", int(port), blocksize=1 << 20)
    for _ in range(warm_ups):
        post(connection, "warm_up", Path(warm_up).read_bytes(), whole)
    started = time.perf_counter()
    rows = post(connection, stream, body, whole)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


main()
