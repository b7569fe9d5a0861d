import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';

test('values under null structs are nowhere in a Parquet answer', { skip: skipWithoutPython }, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes(`
fixed = pa.array([b'-----', b'abcde', b'fghij', None, b'-----'], pa.binary(5))
nulls = pa.array([True, False, False, False, True])
structs = pa.StructArray.from_arrays([fixed], names=['f'], mask=nulls)
table = pa.table({'l': pa.ListArray.from_arrays(pa.array([0, 1, 3, 4, 5], pa.int32()), structs)})`);
  const loaded = await fetch(`${server.url}/ingest/hidden`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.apache.arrow.stream' },
    body: new Uint8Array(body),
  });
  assert.equal(loaded.status, 200, await loaded.text());
  const answer = await fetch(`${server.url}/query?sql=${encodeURIComponent('SELECT * FROM hidden')}`, {
    headers: { accept: 'application/vnd.apache.parquet' },
  });
  writeFileSync(join(server.folder, 'hidden.parquet'), new Uint8Array(await answer.arrayBuffer()));
  const rows = await runPythonJson(
    `
import json, pyarrow.parquet as pq
rows = pq.read_table('hidden.parquet')['l'].to_pylist()
print(json.dumps([[s and (s['f'].decode() if s['f'] else None) for s in row] for row in rows]))`,
    [],
    { cwd: server.folder },
  );
  assert.deepEqual(rows, [[null], ['abcde', 'fghij'], [null], [null]]);
});
