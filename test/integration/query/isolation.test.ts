import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { openIngest } from '../producers.ts';
import { ask } from './query-client.ts';

const needsPython = { skip: skipWithoutPython };
const rows = 1_500_000;
const source = `table = pa.table({"id": pa.array(range(${rows}))})`;

/** Waits until the load has inserted rows: the database has grown by then, which its queries do not tell. */
async function waitForRows(server: TestServer): Promise<void> {
  await waitFor('decoded rows', async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const [, bytes = '0'] = /^arrowport_bytes_decoded_total\{[^}]*\} (\d+)/m.exec(metrics) ?? [];
    return Number(bytes) > (rows * 8) / 2;
  });
}

test(
  'the table of a first load is not there before its commit, and whole after it',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const body = await arrowBytes(source, { batchRows: 50_000 });
    const load = openIngest(server, 'numbers');
    load.write(body.subarray(0, body.length - 1000));
    await waitForRows(server);
    await sleep(500);
    for (const sql of [
      'SELECT count(*) FROM numbers',
      'SELECT count(*) FROM main."NUMBERS"',
      'SELECT (SELECT max(id) FROM arrowport.main.numbers)',
      'DESCRIBE numbers',
      'INSERT INTO numbers VALUES (1)',
      'DROP TABLE numbers',
      'ALTER TABLE numbers ADD COLUMN x INTEGER',
    ]) {
      const { code, detail } = await ask(server, sql);
      assert.equal(code, 'TABLE_NOT_FOUND', `${sql}: ${detail}`);
    }
    for (const sql of [
      'SHOW TABLES',
      'SELECT name FROM (SELECT table_name AS name FROM information_schema.tables)',
      'SELECT table_name FROM duckdb_tables()',
      'SELECT table_name FROM information_schema.columns',
    ]) {
      const { rows: listed } = await ask(server, sql);
      assert.doesNotMatch(JSON.stringify(listed), /"numbers"/, sql);
    }
    assert.equal((await load.finish(body.subarray(body.length - 1000))).status, 200);
    assert.deepEqual((await ask(server, 'SELECT count(*), max(id) FROM numbers')).rows, [[rows, rows - 1]]);
  },
);

test('queries beside loads see whole loads', needsPython, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes(source, { batchRows: 50_000 });
  assert.equal((await openIngest(server, 'numbers').finish(body)).status, 200);
  let loading = true;
  let loaded = 1;
  const seen = new Set<number>();
  const loads = (async () => {
    // As many as it takes for the queries to come between them.
    for (; loaded < 5 || (seen.size < 2 && loaded < 50); loaded += 1) {
      assert.equal((await openIngest(server, 'numbers').finish(body)).status, 200);
    }
    loading = false;
  })();
  while (loading) {
    const [first = []] = (await ask(server, 'SELECT count(*), count(*) FROM numbers')).rows ?? [];
    seen.add(Number(first[0]));
    assert.equal(Number(first[0]) % rows, 0, `${first[0]} rows are no whole loads`);
  }
  await loads;
  assert.deepEqual((await ask(server, 'SELECT count(*) FROM numbers')).rows, [[loaded * rows]]);
  assert.ok(seen.size > 1);
});

test('what SQL changes in a table, the next load finds', needsPython, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes('table = pa.table({"id": pa.array(range(10))})');
  assert.equal((await openIngest(server, 'changed').finish(body)).status, 200);
  assert.equal((await ask(server, 'ALTER TABLE changed ADD COLUMN note VARCHAR')).status, 200);
  assert.equal((await openIngest(server, 'changed').finish(body)).status, 200);
  assert.deepEqual((await ask(server, 'SELECT count(*), count(note) FROM changed')).rows, [[20, 0]]);
  assert.equal((await ask(server, 'DROP TABLE changed')).status, 200);
  assert.equal((await openIngest(server, 'changed').finish(body)).status, 200);
  assert.deepEqual((await ask(server, 'SELECT count(*) FROM changed')).rows, [[10]]);
});
