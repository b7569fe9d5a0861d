import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { scrape } from '../metric-samples.ts';
import { ingest, post } from '../producers.ts';

const needsPython = { skip: skipWithoutPython };
/** Loads end within a vector of DuckDB, which is what it keeps memory for. */
const rows = 100_001;
const table = `table = pa.table({"flag": pa.array(np.arange(${rows}) % 2 == 0)})`;
const reopened = /opened again, so that DuckDB gives memory back/;

const engineBytes = async (server: TestServer) =>
  (await scrape(server)).sum('arrowport_memory_bytes', 'kind="duckdb"');

const returns = (server: TestServer) => server.logs().filter(({ msg }) => reopened.test(String(msg))).length;

async function countRows(server: TestServer): Promise<number> {
  const sql = encodeURIComponent('SELECT count(*)::INTEGER AS n FROM s');
  const response = await fetch(`${server.url}/query?sql=${sql}`, { headers: { accept: 'application/json' } });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const { rows: counted } = JSON.parse(text) as { rows: number[][] };
  return counted[0]?.[0] ?? Number.NaN;
}

test('what DuckDB keeps of many small loads comes back when the server rests', needsPython, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes(table);
  const first = await post(server, 's', body, { 'idempotency-key': 'first' });
  assert.equal(first.status, 200);
  const loads = 260;
  for (let load = 1; load < loads; load += 1) await ingest(server, 's', body);
  // Of these loads DuckDB keeps more than 50 MB for as long as the database is open.
  await waitFor('the database to be opened again', () => returns(server) > 0);
  await waitFor('the memory to come back', async () => (await engineBytes(server)) < 20e6);
  assert.equal(await countRows(server), loads * rows);
  const replayed = await post(server, 's', body, { 'idempotency-key': 'first' });
  assert.deepEqual(
    [replayed.status, replayed.body['replayed'], replayed.body['commit_id']],
    [200, true, first.body['commit_id']],
  );
  await ingest(server, 's', body);
  assert.equal(await countRows(server), (loads + 1) * rows);
});

test('under a fixed limit it comes back between loads that never rest', needsPython, async (t) => {
  const server = await startServer(t, { config: 'duckdb: {memory_limit: 64MB}\n' });
  const body = await arrowBytes(table);
  const clients = 4;
  const loadsEach = 50;
  let loading = true;
  const counts: number[] = [];
  await ingest(server, 's', body);
  const reader = (async () => {
    while (loading) counts.push(await countRows(server));
  })();
  const producers = Array.from({ length: clients }, async () => {
    for (let load = 0; load < loadsEach; load += 1) await ingest(server, 's', body);
  });
  await Promise.all(producers);
  loading = false;
  await reader;
  await waitFor('the database opened again', () => returns(server) >= 1);
  assert.equal(await countRows(server), (1 + clients * loadsEach) * rows);
  assert.ok(counts.every((count, at) => count % rows === 0 && count >= (counts[at - 1] ?? 0)));
});
