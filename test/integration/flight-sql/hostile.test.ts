import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { waitFor } from '../../support/patience.ts';
import { runPython, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;
const digest = (token: string) => createHash('sha256').update(token).digest('hex');

async function queriesRunning(server: TestServer): Promise<boolean> {
  // A second statement finds no place while the first still runs.
  const response = await fetch(`${server.url}/query?sql=select%201`, {
    headers: { accept: 'application/json' },
  });
  await response.arrayBuffer();
  return response.status !== 200;
}

test('tickets, statements and transactions are their caller’s alone; readers write nothing', {
  skip,
}, async (t) => {
  const server = await startServer(t, {
    config: 'auth: {tokens_file: ./tokens.yaml}\n',
    files: {
      'tokens.yaml': `tokens:
  - {name: reader, sha256: ${digest('read-token')}, scopes: [read], streams: ["*"]}
  - {name: admin, sha256: ${digest('admin-token')}, scopes: [ingest, read, admin], streams: ["*"]}
  - {name: producer, sha256: ${digest('ingest-token')}, scopes: [ingest], streams: ["in*"]}
`,
    },
  });
  const steps = await runSteps(
    server.flightUrl,
    `
def options(token): return fl.FlightCallOptions(headers=[(b'authorization', b'Bearer ' + token.encode())])
client = fl.connect(url)
def describe(sql, token): return client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps({'sql': sql}).encode()), options(token))
def read(ticket, token): return client.do_get(ticket, options(token)).read_all().num_rows
def connect(token): return dbapi.connect(url, db_kwargs={'adbc.flight.sql.authorization_header': 'Bearer ' + token}, autocommit=True)
def run(token, sql):
    with connect(token) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
def ingest(token, name):
    with connect(token) as connection, connection.cursor() as cursor:
        return cursor.adbc_ingest(name, pa.table({'x': [1]}), mode='create_append')
step('admin makes', lambda: run('admin-token', 'create table t as select 1 as a'))
ticket = describe('select * from t', 'admin-token').endpoints[0].ticket
step('own ticket', lambda: read(ticket, 'admin-token'))
step('other ticket', lambda: read(ticket, 'read-token'))
step('cut ticket', lambda: read(fl.Ticket(ticket.ticket[:-5]), 'admin-token'))
step('changed ticket', lambda: read(fl.Ticket(ticket.ticket[:-5] + b'aaaaa'), 'admin-token'))
step('reader reads', lambda: run('read-token', 'select a from t'))
step('reader writes', lambda: run('read-token', 'insert into t values (2)'))
step('reader drops', lambda: run('read-token', 'drop table t'))
step('reader ingests', lambda: ingest('read-token', 't'))
step('producer ingests', lambda: ingest('ingest-token', 'in_1'))
step('producer elsewhere', lambda: ingest('ingest-token', 'other'))
step('producer reads', lambda: run('ingest-token', 'select * from in_1'))
step('nobody', lambda: client.get_flight_info(fl.FlightDescriptor.for_path('t')))
step('still there', lambda: run('read-token', 'select count(*) from t'))
`,
  );
  assert.equal(steps.value('own ticket'), 1);
  assert.match(steps.failure('other ticket'), /TICKET_INVALID: /);
  assert.match(steps.failure('cut ticket'), /TICKET_INVALID: /);
  assert.match(steps.failure('changed ticket'), /TICKET_INVALID: /);
  assert.deepEqual(steps.value('reader reads'), [[1]]);
  assert.match(steps.failure('reader writes'), /QUERY_FORBIDDEN: /);
  assert.match(steps.failure('reader drops'), /QUERY_FORBIDDEN: /);
  assert.match(steps.failure('reader ingests'), /FORBIDDEN: /);
  assert.equal(steps.value('producer ingests'), 1);
  assert.match(steps.failure('producer elsewhere'), /FORBIDDEN: /);
  assert.match(steps.failure('producer reads'), /FORBIDDEN: /);
  assert.match(steps.failure('nobody'), /UNAUTHENTICATED: /);
  assert.deepEqual(steps.value('still there'), [[1]]);
});

test('a client that vanishes or stalls amid a result leaves nothing running', { skip }, async (t) => {
  const server = await startServer(t, {
    config: 'query: {max_concurrent: 1}\nlimits: {idle_timeout_seconds: 4}\n',
  });
  const source = `
import os, time
def read_some(wait):
    client = fl.connect(url)
    info = client.get_flight_info(fl.FlightDescriptor.for_command(b'{"sql": "select range, repeat(\\'x\\', 100) as s from range(50000000)"}'))
    reader = client.do_get(info.endpoints[0].ticket)
    reader.read_chunk()
    if wait is None: os._exit(0)
    if wait == 'cancel':
        reader.cancel()
        return 'cancelled'
    time.sleep(wait)
    while True: reader.read_chunk()
if sys.argv[2:] == ['vanish']: read_some(None)
step('cancelled', lambda: read_some('cancel'))
def again():
    for attempt in range(600):
        try: return fl.connect(url).do_get(fl.connect(url).get_flight_info(fl.FlightDescriptor.for_command(b'{"sql": "select 1 as a"}')).endpoints[0].ticket).read_all().num_rows
        except fl.FlightUnavailableError: time.sleep(0.2)
step('free after cancelling', again)
step('stalled', lambda: read_some(12))
step('free after stalling', again)
`;
  const gone = await runPython(
    `import json, sys\nimport pyarrow.flight as fl\nurl = sys.argv[1]\n${source}`,
    [server.flightUrl, 'vanish'],
  );
  assert.equal(gone.code, 0, gone.stderr);
  const steps = await runSteps(server.flightUrl, source);
  assert.equal(steps.value('cancelled'), 'cancelled');
  assert.equal(steps.value('free after cancelling'), 1);
  assert.match(steps.failure('stalled'), /DEADLINE_EXCEEDED: /);
  assert.equal(steps.value('free after stalling'), 1);
  await waitFor('the end of all queries', async () => !(await queriesRunning(server)));
});

test('parameters that stay bound make room for others, and never take more than their share', {
  skip,
}, async (t) => {
  const server = await startServer(t, { config: 'limits: {max_inflight_bytes: 33554432}\n' });
  const steps = await runSteps(
    server.flightUrl,
    `
connection = dbapi.connect(url, autocommit=True)
def rows(megabytes):
    batch = pa.record_batch({'a': ['x' * 1_000_000]})
    return pa.Table.from_batches([batch] * megabytes)
cursors = [connection.cursor() for _ in range(6)]
def run(cursor, megabytes):
    cursor.execute('select length(?) as n', rows(megabytes))
    return cursor.fetch_arrow_table().num_rows
step('each', lambda: [run(cursor, 6) for cursor in cursors])
step('too large', lambda: run(cursors[0], 20))
step('afterwards', lambda: run(cursors[0], 6))
`,
  );
  assert.deepEqual(steps.value('each'), [6, 6, 6, 6, 6, 6]);
  assert.match(steps.failure('too large'), /BODY_TOO_LARGE: .* 16 MiB/);
  assert.equal(steps.value('afterwards'), 6);
});
