import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { bearer, makeTokens } from './tokens.ts';

const needsPython = { skip: skipWithoutPython };
const tokens = makeTokens({
  press: { scopes: ['ingest'], streams: ['sensors*'] },
  reader: { scopes: ['read'] },
  partner: { scopes: ['read'], streams: ['sensors'] },
  operator: { scopes: ['admin'] },
  bound: { scopes: ['admin', 'read'], streams: ['sensors'] },
});
const { press, reader, partner, operator, bound } = tokens.secrets;

let server: TestServer;
before(async (t) => {
  server = await startServer(t as never, {
    config: 'auth: {tokens_file: tokens.yaml}\n',
    files: { 'tokens.yaml': tokens.yaml },
  });
  for (const table of ['sensors', 'payroll']) {
    assert.deepEqual(await query(`CREATE TABLE ${table} AS SELECT 1 AS id`, operator), [200, undefined]);
  }
});

async function query(sql: string, token: string): Promise<readonly [number, unknown]> {
  const headers = { ...bearer(token), 'content-type': 'application/sql', accept: 'application/json' };
  const response = await fetch(`${server.url}/query`, { method: 'POST', headers, body: sql });
  const { code } = (await response.json()) as { code?: unknown };
  return [response.status, code];
}

test('SQL reads with read, writes with admin, and is closed to producers', async () => {
  assert.deepEqual(await query('SELECT * FROM payroll', reader), [200, undefined]);
  assert.deepEqual(await query('SELECT * FROM payroll', press), [403, 'FORBIDDEN']);
  for (const sql of ['INSERT INTO payroll VALUES (2)', 'DROP TABLE payroll', 'CREATE TABLE x (a INTEGER)']) {
    assert.deepEqual(await query(sql, reader), [403, 'QUERY_FORBIDDEN'], sql);
  }
  assert.deepEqual(await query('INSERT INTO payroll VALUES (2)', operator), [200, undefined]);
});

test('a token that is bound to some tables reads no others, however a statement names them', async () => {
  assert.deepEqual(await query('SELECT * FROM sensors', partner), [200, undefined]);
  for (const sql of [
    'SELECT * FROM payroll',
    'FROM payroll',
    'SELECT * FROM main.payroll',
    'SELECT * FROM "PAYROLL"',
    'SELECT (SELECT max(id) FROM payroll) FROM sensors',
    'SELECT * FROM sensors WHERE id IN (SELECT id FROM payroll)',
    'WITH sensors AS (SELECT * FROM payroll) SELECT * FROM sensors',
    'SELECT * FROM sensors UNION ALL SELECT * FROM payroll',
    "SELECT * FROM query_table('payroll')",
    "SELECT * FROM query('SELECT * FROM payroll')",
    'DESCRIBE payroll',
    'SUMMARIZE payroll',
    'SELECT * FROM duckdb_tables()',
    'SELECT * FROM information_schema.tables',
    'INSERT INTO sensors SELECT * FROM payroll',
  ]) {
    const [status, code] = await query(sql, partner);
    const answer = await fetch(`${server.url}/query?sql=${encodeURIComponent(sql)}`, {
      headers: { ...bearer(partner), accept: 'application/json' },
    });
    const text = await answer.text();
    assert.ok(status >= 400 || !text.includes('payroll'), `${sql}: ${status} ${code} ${text}`);
    assert.ok(!/"rows":\[\[[12]\]/.test(text) || !sql.includes('payroll'), `${sql}: ${text}`);
  }
  assert.deepEqual(await query('INSERT INTO sensors VALUES (9)', bound), [403, 'QUERY_FORBIDDEN']);
});

test('over Flight a bound token lists, describes and reads its own tables only', needsPython, async () => {
  const answers = await runPythonJson<Record<string, unknown>>(
    `
import json, sys
import pyarrow.flight as fl
client = fl.FlightClient(sys.argv[1])
options = fl.FlightCallOptions(headers=[(b'authorization', ('Bearer ' + sys.argv[2]).encode())], timeout=200)
def read(descriptor):
    try:
        info = client.get_flight_info(descriptor, options)
        return client.do_get(info.endpoints[0].ticket, options).read_all().num_rows
    except Exception as error:
        return type(error).__name__
reader = fl.FlightCallOptions(headers=[(b'authorization', ('Bearer ' + sys.argv[3]).encode())], timeout=200)
foreign = client.get_flight_info(fl.FlightDescriptor.for_path('payroll'), reader).endpoints[0].ticket
def steal():
    try:
        return client.do_get(foreign, options).read_all().num_rows
    except Exception as error:
        return type(error).__name__
print(json.dumps({
  'listed': [[p.decode() for p in info.descriptor.path] for info in client.list_flights(options=options)],
  'own': read(fl.FlightDescriptor.for_path('sensors')),
  'other': read(fl.FlightDescriptor.for_path('payroll')),
  'by statement': read(fl.FlightDescriptor.for_command(b'{"sql": "SELECT * FROM payroll"}')),
  'by a ticket of another': steal(),
}))`,
    [server.flightUrl, partner, reader],
  );
  assert.deepEqual(answers, {
    listed: [['main', 'sensors']],
    own: 1,
    other: 'FlightUnauthorizedError',
    'by statement': 'FlightUnauthorizedError',
    'by a ticket of another': 'ArrowInvalid',
  });
});
