import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

/** Runs for years. */
const endless = 'SELECT sum(sqrt(a.i * b.i)) FROM range(1000000000) a(i), range(1000000000) b(i)';
/** Runs for a while longer than a statement may beside as many long ones as there may be. */
const someSeconds = 'SELECT count(*) FROM range(300000000) t(i) WHERE sqrt(i) < 0';

let server: TestServer;
const cleanups: (() => unknown)[] = [];

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
  const { status } = await ask(server, 'CREATE TABLE public_facts AS SELECT 42 AS answer', {
    token: tokens.admin,
  });
  assert.equal(status, 200);
});

after(async () => {
  for (const clean of cleanups) await clean();
});

/** Begins statements that never end; the function ends them and waits for that. */
function begin(count: number, token: string): () => Promise<void> {
  const leaving = new AbortController();
  const runs = Array.from({ length: count }, () =>
    fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: endless,
      signal: leaving.signal,
    }),
  );
  return async () => {
    leaving.abort();
    for (const { status } of await Promise.allSettled(runs)) assert.equal(status, 'rejected');
  };
}

test('short statements, metadata and loads go on beside statements that never end', {
  skip: skipWithoutPython,
}, async () => {
  const end = begin(16, tokens.reader);
  const body = await arrowBytes('table = pa.table({"i": np.arange(1000)})');
  for (const token of [tokens.reader, tokens.partner]) {
    const { rows, detail } = await ask(server, 'SELECT answer FROM public_facts', { token });
    assert.deepEqual(rows, [[42]], detail);
  }
  const load = await fetch(`${server.url}/ingest/beside`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokens.admin}`,
      'content-type': 'application/vnd.apache.arrow.stream',
    },
    body,
  });
  assert.equal(load.status, 200, await load.text());
  const seen = await runPythonJson<{ tables: string[]; rows: number; answer: number }>(
    `
import json, sys
import adbc_driver_flightsql.dbapi as dbapi
options = {"adbc.flight.sql.authorization_header": "Bearer " + sys.argv[2]}
with dbapi.connect(sys.argv[1], db_kwargs=options, autocommit=True) as connection:
    found = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    tables = [table["table_name"] for catalog in found for schema in catalog["catalog_db_schemas"] for table in schema["db_schema_tables"]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM beside")
        rows = cursor.fetchone()[0]
        cursor.execute("SELECT answer + ? FROM public_facts", [1])
        answer = cursor.fetchone()[0]
print(json.dumps({"tables": tables, "rows": rows, "answer": answer}))
`,
    [server.flightUrl, tokens.reader],
  );
  assert.deepEqual(
    { ...seen, tables: seen.tables.toSorted() },
    {
      tables: ['beside', 'public_facts'],
      rows: 1000,
      answer: 43,
    },
  );
  const ready = await fetch(`${server.url}/health/ready`);
  assert.equal(ready.status, 200, await ready.text());
  await end();
});

test('a caller with as many statements as it may have leaves places for others', async () => {
  const end = begin(40, tokens.reader);
  for (let round = 0; round < 3; round += 1) {
    const { rows, detail } = await ask(server, 'SELECT answer FROM public_facts', { token: tokens.partner });
    assert.deepEqual(rows, [[42]], detail);
  }
  await end();
});

test('a statement that had to wait for longer ones is run to its end, also as a file', async () => {
  const end = begin(12, tokens.reader);
  const waiting = ask(server, someSeconds, { token: tokens.reader });
  const file = fetch(`${server.url}/query`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokens.partner}`,
      accept: 'application/vnd.apache.parquet',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ sql: `${someSeconds} AND i <> ?`, parameters: [7] }),
  });
  // Both have been looked at, and broken off or not, when a later one is answered.
  assert.equal((await ask(server, 'SELECT 1', { token: tokens.partner })).status, 200);
  await end();
  assert.deepEqual((await waiting).rows, [[0]]);
  const written = await file;
  assert.equal(written.status, 200);
  assert.equal(
    Buffer.from(await written.arrayBuffer())
      .subarray(0, 4)
      .toString(),
    'PAR1',
  );
});

test('what vanished clients left behind ends, and every place is free again', async () => {
  const end = begin(30, tokens.reader);
  await ask(server, 'SELECT 1', { token: tokens.partner });
  await end();
  await waitFor('all places', async () => {
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => ask(server, 'SELECT 1', { token: tokens.reader })),
    );
    return answers.every(({ status }) => status === 200);
  });
});
