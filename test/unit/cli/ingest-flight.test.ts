import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { startFlightServer } from '../flight/flight-server.ts';
import { runCli } from './run-cli.ts';

const skip = skipWithoutPython;
const table = `table = pa.table({'id': pa.array(range(1000)), 'kind': pa.array(['a', 'b'] * 500).dictionary_encode()})`;

test('ingest sends one DoPut and prints its receipt', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const path = join(makeTempFolder(t), 'a.feather');
  writeFileSync(path, await arrowBytes(table, { format: 'file', codec: 'zstd', batchRows: 300 }));
  const args = ['ingest', 'sensors', path, '--transport', 'flight', '--json', '--idempotency-key', 'k1'];
  const { code, stdout, stderr } = await runCli([...args, '--url', `http://127.0.0.1:${server.port}`]);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as { rows_processed: number }).rows_processed, 1000);
  const [load] = server.loads;
  assert.equal(load?.request.stream, 'sensors');
  assert.equal(load?.request.idempotencyKey, 'k1');
  assert.equal(load?.batches, 4);
});

test('a refusal over Flight is one line with the code', { skip }, async (t) => {
  const server = await startFlightServer(t, {
    onLoad: () => {
      throw new ArrowportError('SCHEMA_MISMATCH', 'column id is another type.');
    },
  });
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(table));
  const args = ['ingest', 's', path, '--transport', 'flight', '--url', `http://127.0.0.1:${server.port}`];
  const { code, stderr } = await runCli(args);
  assert.equal(code, 1);
  assert.equal(stderr, 'refused: SCHEMA_MISMATCH: column id is another type.\n');
  const json = await runCli([...args, '--json']);
  const problem = JSON.parse(json.stderr) as Record<string, unknown>;
  assert.equal(problem['code'], 'SCHEMA_MISMATCH');
  assert.equal(problem['outcome'], 'rejected');
  assert.equal(problem['grpc_status'], 'FAILED_PRECONDITION');
});

test('a retryable refusal over Flight is sent again', { skip }, async (t) => {
  let loads = 0;
  const server = await startFlightServer(t, {
    onLoad: () => {
      loads += 1;
      if (loads === 1) throw new ArrowportError('OVERLOADED', 'full.', { details: { retryAfterMs: 300 } });
    },
  });
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(table));
  const args = ['ingest', 's', path, '--transport', 'flight', '--url', `http://127.0.0.1:${server.port}`];
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0);
  assert.match(stdout, /^committed: 1000 rows in s/);
  assert.equal(stderr, 'retry: OVERLOADED: full.; sending again in 0.3 s\n');
});

test('input that breaks off is never committed', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const bytes = await arrowBytes(table, { batchRows: 100 });
  const args = ['ingest', 's', '-', '--transport', 'flight', '--url', `http://127.0.0.1:${server.port}`];
  const { code } = await runCli(args, { input: bytes.subarray(0, bytes.length - 300) });
  assert.equal(code, 1);
  assert.ok(server.loads.every((load) => load.receipt === null));
});
