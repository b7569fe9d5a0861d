import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { post } from '../producers.ts';
import { bearer, makeTokens } from './tokens.ts';

const needsPython = { skip: skipWithoutPython };
const tokens = makeTokens({
  press: { scopes: ['ingest'], streams: ['sensors*'] },
  operator: { scopes: ['admin', 'read', 'ingest'] },
});
const { press, operator } = tokens.secrets;
const config =
  'auth: {tokens_file: tokens.yaml}\naudit: {file: audit.jsonl}\ndelta_config: {table_path: ./delta}\n';
const files = { 'tokens.yaml': tokens.yaml };

function readAudit(server: TestServer): Record<string, unknown>[] {
  const lines = readFileSync(join(server.folder, 'audit.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test(
  'loads, replays, refusals, Delta verbs and reloads are taken down with who, what and how',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config, files });
    const rows = await arrowBytes('table = pa.table({"id": range(3)})');
    const other = await arrowBytes('table = pa.table({"id": ["a"]})');
    const key = { ...bearer(press), 'idempotency-key': 'k1' };
    const first = await post(server, 'sensors', rows, key);
    await post(server, 'sensors', rows, key);
    await post(server, 'sensors', other, bearer(press));
    await post(server, 'payroll', rows, bearer(press));
    await post(server, 'sensors', rows, bearer('nobody'));
    await runPythonJson(
      `
import json, sys
import pyarrow as pa, pyarrow.flight as fl
client = fl.FlightClient(sys.argv[1])
options = fl.FlightCallOptions(headers=[(b'authorization', ('Bearer ' + sys.argv[2]).encode()), (b'x-request-id', b'flight-1')])
table = pa.table({'id': [1, 2]})
writer, reader = client.do_put(fl.FlightDescriptor.for_path('delta', 'events'), table.schema, options)
writer.write_table(table); writer.done_writing(); reader.read(); writer.close()
list(client.do_action(fl.Action('delete', b'{"table": "events", "predicate": "id = 1"}'), options))
print('0')`,
      [server.flightUrl, operator],
    );
    const ask = (path: string, token: string, body?: string) => {
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
      const sent = body === undefined ? {} : { body };
      return fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { ...bearer(token), ...type },
        ...sent,
      });
    };
    await ask('/delta/none/checkpoint', operator, '{}');
    await ask('/delta/events/vacuum', press);
    await ask('/admin/reload', operator);
    const shown = readAudit(server).map(({ time, request_id, commit_id, ...rest }) => {
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 3_600_000);
      assert.equal(typeof request_id, 'string');
      return rest;
    });
    const load = {
      caller: 'press',
      action: 'load',
      stream: 'sensors',
      table: 'sensors',
      storage_backend: 'duckdb',
      transport: 'http',
    };
    assert.deepEqual(shown, [
      { ...load, outcome: 'committed', rows: 3 },
      { ...load, outcome: 'replayed', rows: 3 },
      { ...load, outcome: 'rejected', code: 'SCHEMA_MISMATCH' },
      {
        caller: 'press',
        action: 'request',
        outcome: 'rejected',
        stream: 'payroll',
        code: 'FORBIDDEN',
        transport: 'http',
      },
      {
        caller: 'operator',
        action: 'load',
        outcome: 'committed',
        stream: 'events',
        table: 'events',
        storage_backend: 'delta',
        rows: 2,
        version: 0,
        transport: 'flight',
      },
      {
        caller: 'operator',
        action: 'delete',
        outcome: 'committed',
        table: 'events',
        storage_backend: 'delta',
        version: 1,
        transport: 'flight',
      },
      {
        caller: 'operator',
        action: 'checkpoint',
        outcome: 'rejected',
        table: 'none',
        storage_backend: 'delta',
        code: 'TABLE_NOT_FOUND',
        transport: 'http',
      },
      { caller: 'press', action: 'request', outcome: 'rejected', code: 'FORBIDDEN', transport: 'http' },
      { caller: 'operator', action: 'reload', outcome: 'committed', transport: 'http' },
    ]);
    const [committed, replayed] = readAudit(server);
    assert.equal(committed?.['commit_id'], first.body['commit_id']);
    assert.equal(replayed?.['commit_id'], first.body['commit_id']);
    assert.equal(readAudit(server)[4]?.['request_id'], 'flight-1');
  },
);

test(
  'a line is in the file before its receipt is out, so that a crash behind it loses none',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config, files });
    const rows = await arrowBytes('table = pa.table({"id": range(3)})');
    const { body } = await post(server, 'sensors', rows, bearer(press));
    await server.kill();
    assert.equal(readAudit(server).at(-1)?.['commit_id'], body['commit_id']);
  },
);

test('while the audit log cannot be written nothing is changed, readiness says why, and it goes on by itself', {
  skip: skipWithoutPython || (existsSync('/dev/full') ? false : 'there is no /dev/full'),
}, async (t) => {
  const server = await startServer(t, { config, files });
  const rows = await arrowBytes('table = pa.table({"id": range(3)})');
  const path = join(server.folder, 'audit.jsonl');
  symlinkSync('/dev/full', `${path}.full`);
  renameSync(`${path}.full`, path);
  const first = await post(server, 'sensors', rows, bearer(press));
  assert.equal(first.status, 200);
  const refused = await post(server, 'sensors', rows, bearer(press));
  assert.deepEqual([refused.status, refused.body['code']], [503, 'BACKEND_UNAVAILABLE']);
  assert.notEqual(refused.headers.get('retry-after'), null);
  const ready = await fetch(`${server.url}/health/ready`);
  assert.equal(ready.status, 503);
  assert.match(
    await ready.text(),
    /the audit log cannot be written: no space left on the device; lines that wait: 1/,
  );
  symlinkSync('room.jsonl', `${path}.room`);
  renameSync(`${path}.room`, path);
  await waitFor('a ready server', async () => (await fetch(`${server.url}/health/ready`)).status === 200);
  assert.equal((await post(server, 'sensors', rows, bearer(press))).status, 200);
  assert.deepEqual(
    readAudit(server).map(({ rows: count }) => count),
    [3, 3],
  );
  assert.equal(readAudit(server)[0]?.['commit_id'], first.body['commit_id']);
});

test('a server without auth takes its loads down as anyone’s', needsPython, async (t) => {
  const server = await startServer(t, { config: 'audit: {file: audit.jsonl}\n' });
  await post(server, 'sensors', await arrowBytes('table = pa.table({"id": range(3)})'));
  assert.equal(readAudit(server)[0]?.['caller'], 'anyone');
});

test('statements that change are taken down when they are durable, those that read are not', async (t) => {
  const server = await startServer(t, { config, files });
  const query = async (sql: string, token = operator) => {
    const headers = { ...bearer(token), 'content-type': 'application/sql', accept: 'application/json' };
    const response = await fetch(`${server.url}/query`, { method: 'POST', headers, body: sql });
    await response.text();
    return response.status;
  };
  assert.equal(await query("CREATE TABLE notes AS SELECT 1 AS id, 'first' AS text"), 200);
  assert.equal(await query("INSERT INTO notes VALUES (2, 'a-value-of-a-row')"), 200);
  assert.equal(await query("UPDATE notes SET text = 'x' WHERE id < 3 RETURNING id"), 200);
  assert.equal(await query('SELECT * FROM notes'), 200);
  assert.equal(await query('SELECT 1', press), 403);
  const lines = readAudit(server).map(({ action, outcome, table, rows, code, caller }) => [
    caller,
    action,
    outcome,
    table ?? code,
    rows ?? null,
  ]);
  assert.deepEqual(lines, [
    ['operator', 'sql create', 'committed', 'notes', null],
    ['operator', 'sql insert', 'committed', 'notes', null],
    ['operator', 'sql update', 'committed', 'notes', null],
    ['press', 'request', 'rejected', 'FORBIDDEN', null],
  ]);
  assert.doesNotMatch(readFileSync(join(server.folder, 'audit.jsonl'), 'utf8'), /a-value-of-a-row/);
});

test(
  'what a transaction changed is taken down with its commit, and not at all without one',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config, files });
    await runPythonJson(
      `
import sys
import adbc_driver_flightsql.dbapi as dbapi
options = {'adbc.flight.sql.authorization_header': 'Bearer ' + sys.argv[2]}
connection = dbapi.connect(sys.argv[1], db_kwargs=options, autocommit=False)
cursor = connection.cursor()
cursor.execute('CREATE TABLE undone (a INTEGER)')
connection.rollback()
cursor.execute('CREATE TABLE done (a INTEGER)')
cursor.execute('INSERT INTO done VALUES (1), (2)')
open('before.jsonl', 'w').write(open('audit.jsonl').read())
connection.commit()
connection.close()
print('0')`,
      [server.flightUrl, operator],
      { cwd: server.folder },
    );
    assert.equal(readFileSync(join(server.folder, 'before.jsonl'), 'utf8'), '');
    const shown = readAudit(server).map(({ action, outcome, table, rows }) => [
      action,
      outcome,
      table,
      rows ?? null,
    ]);
    assert.deepEqual(shown, [
      ['sql create', 'committed', 'done', null],
      ['sql insert', 'committed', 'done', 2],
    ]);
  },
);
