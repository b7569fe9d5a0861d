"""Compares every loaded stream and file of the gold corpus with what PyArrow reads."""

import glob
import json
import os
import sys

import pyarrow as pa

from arrow_values import differences
from corpus_names import names_of
from read_tables import open_file, read_table, table_names

database, corpus, own = sys.argv[1:4]
connection = open_file(database)
present = set(table_names(connection))
sources = {}
for path in glob.glob(f"{corpus}/*/*.stream"):
    sources[names_of(path) + ".http"] = sources[names_of(path) + ".flight"] = (pa.ipc.open_stream, path)
for path in glob.glob(f"{corpus}/*/*.arrow_file"):
    sources[names_of(path) + ".file"] = (pa.ipc.open_file, path)
for path in glob.glob(f"{own}/*.stream"):
    sources[os.path.basename(path).removesuffix(".stream")] = (pa.ipc.open_stream, path)
found = {}
for name in sorted(present):
    open_source, path = sources[name]
    found[name] = differences(open_source(path).read_all(), read_table(connection, name))
print(json.dumps(found))
