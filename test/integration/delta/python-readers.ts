import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPythonJson } from '../../support/python.ts';

const compareSource = `
import json, os, sys
import pyarrow as pa, polars as pl
from deltalake import DeltaTable
uri, expected_path, key = sys.argv[1:4]
options = json.loads(sys.argv[4])
expected = pa.concat_tables([pa.ipc.open_stream(p).read_all() for p in expected_path.split('|')], promote_options='default')
table = DeltaTable(uri, storage_options=options or None)
got = table.to_pyarrow_table()
polars_rows = pl.read_delta(uri, storage_options=options or None).height
def columns(t):
    order = t.column(key).to_pylist()
    order = sorted(range(len(order)), key=order.__getitem__)
    return {n: [values[i] for i in order] for n in t.column_names for values in [t.column(n).to_pylist()]}
answer = {'rows': got.num_rows, 'polars_rows': polars_rows, 'columns': got.column_names, 'version': table.version()}
got, expected = columns(got), columns(expected)
answer['differing'] = [n for n in expected if got.get(n) != expected[n]]
print(json.dumps(answer), flush=True)
os._exit(0)
`;

/** What outside readers see of a table. */
export interface ReadBack {
  readonly rows: number;
  readonly polars_rows: number;
  readonly columns: readonly string[];
  readonly version: number;
  /** Columns whose values are not those that were sent. */
  readonly differing: readonly string[];
}

/** Reads a table with deltalake and polars, and compares it with the streams that were loaded, in the order of a key column. */
export function compareWithSent(
  folder: string,
  uri: string,
  sent: readonly Uint8Array[],
  key: string,
  options: Readonly<Record<string, string>> = {},
): Promise<ReadBack> {
  const paths = sent.map((bytes, index) => {
    const path = join(folder, `sent-${index}.arrows`);
    writeFileSync(path, bytes);
    return path;
  });
  return runPythonJson<ReadBack>(compareSource, [uri, paths.join('|'), key, JSON.stringify(options)]);
}

/** Evaluates Python with `t`, the DeltaTable, and `rows`, its rows as dicts; `answer` must be set. */
export function askTable<T>(
  uri: string,
  program: string,
  options: Readonly<Record<string, string>> = {},
): Promise<T> {
  const source = `
import json, os, sys
import pyarrow as pa
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1], storage_options=json.loads(sys.argv[2]) or None)
rows = t.to_pyarrow_table().to_pylist()
${program}
print(json.dumps(answer, default=str), flush=True)
os._exit(0)
`;
  return runPythonJson<T>(source, [uri, JSON.stringify(options)]);
}
