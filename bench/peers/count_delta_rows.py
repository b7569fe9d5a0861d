"""What is in a Delta table: count_delta_rows.py TABLE_FOLDER. Prints {"rows", "id_sum", "ordered"}."""

import json
import os
import sys

import numpy as np
from deltalake import DeltaTable

ids = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=["id"]).column("id").to_numpy()
print(json.dumps({"rows": len(ids), "id_sum": int(ids.sum()), "ordered": bool(np.all(ids[1:] > ids[:-1]))}), flush=True)
# Native threads may still run, which an orderly end would meet with an abort.
os._exit(0)
