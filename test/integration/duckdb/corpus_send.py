"""Sends the gold corpus through every door, then the columns of each refused stream one by one."""

import glob
import json
import sys

import pyarrow as pa

from corpus_names import names_of
from doors import FILE, Server, stream_bytes


def short(answer):
    return {key: answer.get(key) for key in ("code", "column", "detail", "rows_processed") if key in answer}


server, corpus, own = Server(*sys.argv[1:3]), sys.argv[3], sys.argv[4]
answers, columns = {}, {}
for path in sorted(glob.glob(f"{corpus}/*/*.stream")):
    name = names_of(path)
    with open(path, "rb") as source:
        answers[f"{name}.http"] = short(server.post(f"{name}.http", source.read()))
    reader = pa.ipc.open_stream(path)
    answers[f"{name}.flight"] = short(server.put(f"{name}.flight", reader.schema, reader))
    if answers[f"{name}.http"].get("code") == "TYPE_UNSUPPORTED":
        table = pa.ipc.open_stream(path).read_all()
        for column in table.column_names:
            body = stream_bytes(table.select([column]))
            with open(f"{own}/{name}.{column}.stream", "wb") as sink:
                sink.write(body)
            columns[f"{name}.{column}"] = short(server.post(f"{name}.{column}", body))
for path in sorted(glob.glob(f"{corpus}/*/*.arrow_file")):
    name = names_of(path)
    with open(path, "rb") as source:
        answers[f"{name}.file"] = short(server.post(f"{name}.file", source.read(), kind=FILE))
print(json.dumps({"answers": answers, "columns": columns}))
