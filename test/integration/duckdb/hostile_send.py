"""Broken, cut, mutated and empty bodies; every one is sent to a stream of its own."""

import collections
import json
import random
import sys

import pyarrow as pa

from doors import FILE, Server, stream_bytes, verdict

server, seed = Server(*sys.argv[1:3]), int(sys.argv[3])
random.seed(seed)


def tables():
    n = 200
    yield pa.table({"id": range(n), "text": [f"text {i}" if i % 7 else None for i in range(n)], "value": [i / 3 for i in range(n)]})
    yield pa.table({"list": [[i, None] * (i % 3) for i in range(n)], "struct": [{"a": i, "b": str(i)} if i % 5 else None for i in range(n)]})
    yield pa.table({"dictionary": pa.array([f"k{i % 9}" for i in range(n)]).dictionary_encode(), "view": pa.array([f"a long string view {i}" for i in range(n)], pa.string_view())})
    yield pa.table({"map": pa.array([[(str(i), i)] for i in range(n)], pa.map_(pa.string(), pa.int64())), "flag": [i % 2 == 0 for i in range(n)]})
    yield pa.table({"runs": pa.RunEndEncodedArray.from_arrays([n // 2, n], ["a", "b"]), "fixed": pa.array([[i, i] for i in range(n)], pa.list_(pa.int16(), 2))})


bodies = [stream_bytes(table, 64, **options) for table in tables() for options in ({}, {"compression": "zstd"}, {"compression": "lz4"})]
codes = collections.Counter()
loaded, unexpected = [], []


def attempt(name, body, kind="application/vnd.apache.arrow.stream", query=""):
    answer = server.post(name, body, kind, query)
    codes[str(answer.get("code", "loaded"))] += 1
    if answer.get("status") == "success":
        loaded.append([name, answer["rows_processed"]])
    elif answer["outcome"] != "rejected" or answer["code"] not in EXPECTED:
        unexpected.append([name, answer])
    return verdict(answer)


EXPECTED = {"IPC_MALFORMED", "IPC_TRUNCATED", "TYPE_UNSUPPORTED", "CODEC_UNSUPPORTED", "SCHEMA_MISMATCH", "BODY_TOO_LARGE", "DECOMPRESSED_TOO_LARGE"}
plain = {
    "empty": attempt("empty", b""),
    "garbage": attempt("garbage", random.randbytes(5000)),
    "text": attempt("text", b"id,name\n1,a\n" * 50),
    "parquet": attempt("parquet", b"PAR1" + random.randbytes(500) + b"PAR1"),
    "file_as_stream": attempt("file_as_stream", b"ARROW1\0\0" + bodies[0]),
    "stream_as_file": attempt("stream_as_file", bodies[0], kind=FILE),
    "zeros": attempt("zeros", b"\0" * 4096),
    "endless_length": attempt("endless_length", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 64),
}
cuts = collections.Counter()
for index, body in enumerate(bodies):
    for part in range(8):
        at = random.randrange(1, len(body) - 9)
        cuts[str(attempt(f"cut_{index}_{part}", body[:at]))] += 1
for index in range(500):
    body = bytearray(bodies[index % len(bodies)])
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(body))
        body[at] = random.choice((0, 255, body[at] ^ (1 << random.randrange(8)), random.randrange(256)))
    if index % 10 == 0:
        at = random.randrange(len(body))
        body[at : at + random.randrange(64)] = random.randbytes(random.randrange(64))
    attempt(f"mutated_{index}", bytes(body))
print(json.dumps({"plain": plain, "cuts": cuts, "codes": codes, "loaded": loaded, "unexpected": unexpected}))
