import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { ask } from './query-client.ts';

const config = 'duckdb: {memory_limit: 200MB}\n';
const gathers = 'SELECT list(i) FROM range(100000000) t(i)';
const recurses =
  'WITH RECURSIVE r(n, l) AS (SELECT 1, [1] UNION SELECT n + 1, list_append(l, n) FROM r) SELECT count(*) FROM r';
const endless = 'SELECT sum(sqrt(a.i * b.i)) FROM range(1000000000) a(i), range(1000000000) b(i)';

test('a query that alone takes more memory than there is is refused for good', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t, { config });
  for (const sql of [gathers, recurses]) {
    const { code, status, detail } = await ask(server, sql);
    assert.deepEqual([code, status], ['RESULT_TOO_LARGE', 413], detail);
    assert.match(detail ?? '', /duckdb\.memory_limit/);
  }
  const answer = await runPythonJson<string>(
    `
import json, sys
import adbc_driver_flightsql.dbapi as dbapi
with dbapi.connect(sys.argv[1], autocommit=True) as connection, connection.cursor() as cursor:
    try:
        cursor.execute(sys.argv[2])
        print(json.dumps(str(cursor.fetchone())[:100]))
    except Exception as error:
        print(json.dumps(str(error)))
`,
    [server.flightUrl, gathers],
  );
  assert.match(answer, /RESULT_TOO_LARGE/);
  assert.deepEqual((await ask(server, 'SELECT 1')).rows, [[1]]);
});

test('a query that runs out of memory beside another one may be tried again', async (t) => {
  const server = await startServer(t, { config });
  const leaving = new AbortController();
  const other = fetch(`${server.url}/query`, { method: 'POST', body: endless, signal: leaving.signal });
  // The other one is there before: a statement that came later has been answered.
  await ask(server, 'SELECT 1');
  const { code, status, detail } = await ask(server, gathers);
  assert.deepEqual([code, status], ['OVERLOADED', 429], detail);
  leaving.abort();
  await assert.rejects(other);
});

test('a list that would take long to write as text is refused there, and comes as Arrow', async (t) => {
  const server = await startServer(t, { config: 'duckdb: {memory_limit: 1GB}\n' });
  const answer = async (accept: string) => {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { accept },
      body: 'SELECT list(i) AS l FROM range(3000000) t(i)',
    });
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  for (const accept of ['application/json', 'application/x-ndjson', 'text/csv']) {
    const { status, bytes } = await answer(accept);
    assert.equal(status, 413, accept);
    assert.match(bytes.toString(), /"code":"RESULT_TOO_LARGE"/, accept);
  }
  const arrow = await answer('application/vnd.apache.arrow.stream');
  assert.equal(arrow.status, 200);
  assert.ok(arrow.bytes.length > 24_000_000);
  assert.equal((await answer('application/vnd.apache.parquet')).status, 200);
});
