"""Loads into tables and columns with names that would be SQL if anyone let them."""

import json
import sys

import pyarrow as pa

from doors import Server, stream_bytes, verdict

server, streams = Server(*sys.argv[1:3]), json.loads(sys.argv[3])
columns = ["order", "select", 'a"b', "a b", "x; DROP TABLE victim; --", "weird name ü", "schema.table", "'", "''); DELETE FROM victim; --", "%s", "\\", "🦆", " "]
tables = [
    pa.table({name: [index, None] for index, name in enumerate(columns)}),
    pa.table({name: [index] for index, name in reversed(list(enumerate(columns)))}),
]
inner = pa.struct({name: pa.int64() for name in [*columns, "10", "2", "__proto__"]})
nested = pa.table({"s": pa.array([{name: index for index, name in enumerate(inner.names)}], inner)})
answers = {}
for stream in streams:
    answers[stream] = [verdict(server.post(stream, stream_bytes(table))) for table in tables]
    answers[stream].append(verdict(server.put(stream, tables[0].schema, tables[0].to_batches())))
answers["nested"] = [verdict(server.post("nested", stream_bytes(nested))), verdict(server.post("nested", stream_bytes(nested)))]
wider = pa.table({**{name: pa.array([2**64 - 1], pa.uint64()) for name in columns}, 'new "one"': [1]})
answers["widened"] = [verdict(server.put("widened", tables[0].schema, tables[0].to_batches())),
                      verdict(server.put("widened", wider.schema, wider.to_batches(), schema_mode="merge"))]
answers["no_name"] = [server.post("no_name", stream_bytes(pa.table({"": [1]}))).get("code", "loaded")]
answers["nul"] = [server.post("nul", stream_bytes(pa.table({"a\0b": [1]}))).get("code", "loaded")]
answers["rowid"] = [verdict(server.post("rowid", stream_bytes(pa.table({"rowid": [value]})))) for value in (1, 7)]
print(json.dumps({"answers": answers, "columns": columns}))
