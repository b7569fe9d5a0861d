import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Loads `events` in three commits, one column later than the others, and tells when the first was made. */
const makeTables = `
import io, json, sys, time
import polars as pl, requests
from datetime import date, datetime, timezone
from decimal import Decimal
from deltalake import DeltaTable, TableFeatures
url, folder = sys.argv[1:3]
def load(table, frame, query=''):
    body = io.BytesIO()
    frame.write_ipc_stream(body)
    answer = requests.post(f'{url}/delta/{table}{query}', data=body.getvalue(), headers={'Content-Type': 'application/vnd.apache.arrow.stream'})
    answer.raise_for_status()
def frame(start):
    ids = list(range(start, start + 100))
    return pl.DataFrame({
        'id': ids, 'kind': [None if i % 4 == 0 else f"k {i % 4}/'é" for i in ids], 'day': [date(2020, 1, 1 + i % 2) for i in ids],
        'big': [Decimal(10) ** 30 * i for i in ids], 'at': [datetime(2020, 1, 1, 0, 0, 0, i, tzinfo=timezone.utc) for i in ids],
        'tags': [[f't{i}', None] for i in ids], 'deep': [{'a': i, 'b': f'x{i}'} for i in ids],
    }).with_columns(pl.col('big').cast(pl.Decimal(38, 0)))
load('events', frame(0), '?partition_by=kind,day')
first = DeltaTable(f'{folder}/events').history()[0]['timestamp']
time.sleep(0.05)
load('events', frame(100))
load('events', frame(200).with_columns(pl.lit('new').alias('later')), '?schema_mode=merge')
load('plain', frame(0))
load('odd', frame(0))
DeltaTable(f'{folder}/odd').alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
print(json.dumps(datetime.fromtimestamp(first / 1000, timezone.utc).isoformat()))
`;

const findExtension = `
import duckdb, duckdb_extension_delta, glob, json, os
print(json.dumps(glob.glob(os.path.join(os.path.dirname(duckdb_extension_delta.__file__), 'extensions', 'v' + duckdb.__version__, '*.duckdb_extension'))[0]))
`;

interface Answer {
  readonly status: number;
  readonly columns: readonly { readonly name: string }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly code: string;
  readonly detail: string;
}

async function ask(server: TestServer, sql: string, token?: string): Promise<Answer> {
  const response = await fetch(`${server.url}/query`, {
    method: 'POST',
    body: sql,
    headers: {
      'content-type': 'text/plain',
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
  });
  return { ...((await response.json()) as Answer), status: response.status };
}

async function checkTables(server: TestServer, first: string): Promise<void> {
  const rows = async (sql: string) => {
    const answer = await ask(server, sql);
    assert.equal(answer.status, 200, answer.detail);
    return answer.rows;
  };
  assert.deepEqual(await rows('SELECT count(*), min(id), max(id) FROM delta.events'), [[300, 0, 299]]);
  assert.deepEqual(await rows("SELECT count(*) FROM delta_table('events', version => 1)"), [[200]]);
  assert.deepEqual(await rows(`SELECT count(*) FROM delta_table('events', "timestamp" => '${first}')`), [
    [100],
  ]);
  assert.deepEqual(await rows("SELECT count(*) FROM delta_table('events')"), [[300]]);
  assert.deepEqual(
    await rows(
      'SELECT count(*), count(later), count(e.kind) FROM delta.events AS e WHERE e.kind IS NULL OR id >= 290',
    ),
    [[83, 33, 8]],
  );
  assert.deepEqual(
    await rows(
      `WITH one AS (FROM delta_table('events', version => 0))
       SELECT e.id, e.kind, e.day::VARCHAR, e.big::VARCHAR, epoch_us(e.at) - epoch_us(o.at), e.tags, e.deep
       FROM delta.events e JOIN one o ON e.id = o.id + 100 WHERE o.id = 7`,
    ),
    [[107, "k 3/'é", '2020-01-02', `107${'0'.repeat(30)}`, 100, ['t107', null], { a: 107, b: 'x107' }]],
  );
  assert.deepEqual(
    await rows('SELECT count(*) FROM delta.plain WHERE big > 5000000000000000000000000000000'),
    [[94]],
  );
  assert.deepEqual(await rows('SELECT count(*), sum(id) FROM delta.odd'), [[100, 4950]]);
  await rows('CREATE TABLE kept AS SELECT range AS id FROM range(50)');
  assert.deepEqual(await rows('SELECT count(*) FROM kept JOIN delta.events USING (id)'), [[50]]);
}

/** The ways in which SQL names a table and its columns besides FROM. */
async function checkNames(server: TestServer): Promise<void> {
  const ok = async (sql: string) => {
    const answer = await ask(server, sql);
    assert.equal(answer.status, 200, `${sql}: ${answer.detail}`);
    return answer;
  };
  for (const shown of [
    'DESCRIBE delta.plain',
    'SHOW delta.plain',
    'DESCRIBE TABLE "Delta".plain',
    'SUMMARIZE delta.plain',
    'FROM (DESCRIBE delta.plain)',
  ]) {
    const { rows } = await ok(shown);
    assert.deepEqual(
      rows.map(([name, type]) => `${name} ${type}`).slice(0, 3),
      ['id BIGINT', 'kind VARCHAR', 'day DATE'],
      shown,
    );
  }
  assert.equal((await ok('TABLE delta.plain')).rows.length, 100);
  const qualified =
    'SELECT delta.plain.id, "delta"."plain".deep.b FROM delta.plain WHERE delta.plain.id = 7 ORDER BY delta.plain.id';
  assert.deepEqual((await ok(qualified)).rows, [[7, 'x7']]);
  assert.deepEqual(
    (await ok('SELECT delta.delta.plain.id AS i FROM delta.delta.plain LIMIT 1')).rows.length,
    1,
  );
  assert.deepEqual((await ok('SELECT delta.id FROM (SELECT 1 AS id) AS delta')).rows, [[1]]);
  assert.deepEqual((await ok("SELECT count(*) FROM delta_table('events', version = 1)")).rows, [[200]]);
  assert.deepEqual(
    (
      await ok(
        `SELECT count(*) FROM delta_table('events', "timestamp" => TIMESTAMPTZ '2100-01-01 00:00:00Z')`,
      )
    ).rows,
    [[300]],
  );
  const { columns } = await ok('SELECT (SELECT max(id) FROM delta.plain), 1');
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['(SELECT max(id) FROM delta.plain)', '1'],
  );
}

/** Administrators take rows of Delta tables into DuckDB's, and nothing of how they are read stays there. */
async function checkTaking(server: TestServer): Promise<void> {
  const ok = async (sql: string) => {
    const answer = await ask(server, sql);
    assert.equal(answer.status, 200, `${sql}: ${answer.detail}`);
    return answer.rows;
  };
  await ok("CREATE TABLE taken AS SELECT id, deep.b AS b, 'é' AS mark FROM delta.events WHERE id < 150");
  assert.deepEqual(await ok('SELECT count(*), min(b), any_value(mark) FROM taken'), [[150, 'x0', 'é']]);
  await ok(
    "INSERT INTO taken (id, mark) (SELECT id, 'old' FROM delta_table('events', version => 0) WHERE id < 5)",
  );
  await ok(
    'INSERT INTO taken BY NAME WITH late AS (FROM delta.events) SELECT id, kind AS b FROM late WHERE id = 299;',
  );
  await ok('CREATE OR REPLACE TABLE "main"."both" AS FROM delta.events JOIN kept USING (id)');
  assert.deepEqual(await ok("SELECT count(*), count(*) FILTER (mark = 'old'), max(id) FROM taken"), [
    [156, 5, 299],
  ]);
  assert.deepEqual(await ok('SELECT count(*) FROM "both"'), [[50]]);
  for (const sql of [
    'CREATE VIEW seen AS SELECT * FROM delta.events',
    'CREATE MACRO seen() AS TABLE SELECT * FROM delta.events',
    'INSERT INTO delta.events SELECT * FROM delta.plain',
    'CREATE TABLE delta.made AS SELECT * FROM delta.plain',
    "INSERT INTO taken (id) SELECT e.id FROM delta.events e, read_text('arrowport.yaml')",
    "INSERT INTO taken (id) SELECT id FROM delta.events WHERE id = (SELECT size FROM 'x.csv')",
    'UPDATE taken SET id = (SELECT max(id) FROM delta.events)',
    'DELETE FROM taken USING delta.events',
  ]) {
    const { code } = await ask(server, sql);
    assert.equal(code, 'QUERY_FORBIDDEN', sql);
  }
  assert.equal(
    (await ask(server, 'INSERT INTO taken (id) SELECT id FROM delta.nope')).code,
    'TABLE_NOT_FOUND',
  );
}

async function checkRefusals(server: TestServer): Promise<void> {
  const refused = async (sql: string, code: string) => {
    const answer = await ask(server, sql);
    assert.equal(answer.code, code, `${sql}: ${answer.detail}`);
    assert.ok(!answer.detail.includes(server.folder), answer.detail);
  };
  await refused('SELECT * FROM delta.nope', 'TABLE_NOT_FOUND');
  await refused('SELECT * FROM delta."../events"', 'TABLE_NOT_FOUND');
  await refused('SELECT * FROM delta._delta_log', 'OPTION_INVALID');
  await refused("SELECT * FROM delta_table('events', version => 9)", 'VERSION_NOT_FOUND');
  await refused(`SELECT * FROM delta_table('events', "timestamp" => '2001-01-01')`, 'VERSION_NOT_FOUND');
  await refused(`SELECT * FROM delta_table('events', "timestamp" => 'soon')`, 'OPTION_INVALID');
  await refused(
    "SELECT * FROM delta_table('events', version => 0, \"timestamp\" => '2001-01-01')",
    'QUERY_INVALID',
  );
  await refused("SELECT * FROM delta_table('events', version => -1)", 'QUERY_INVALID');
  await refused("SELECT * FROM delta_table('events', version => (SELECT 1))", 'QUERY_INVALID');
  await refused('SELECT * FROM delta_table(kept)', 'QUERY_INVALID');
  await refused("SELECT * FROM delta_table('events', \"version\" => 'x'') --')", 'QUERY_INVALID');
  await refused('SELECT filename FROM delta.events', 'QUERY_INVALID');
  const scan = await ask(server, "SELECT * FROM delta_scan('delta_tables/events')");
  assert.match(scan.code, /^QUERY_(FORBIDDEN|INVALID)$/);
  assert.equal((await ask(server, "FROM read_parquet('delta_tables/**/*.parquet')")).code, 'QUERY_FORBIDDEN');
}

/** Data files that a query reads, of those that the table has. */
async function countFilesRead(server: TestServer, sql: string): Promise<number> {
  const { rows } = await ask(server, `EXPLAIN ANALYZE ${sql}`);
  const plan = rows.flat().join('\n');
  return [...plan.matchAll(/Total Files Read: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function openTables(t: TestContext, config: string) {
  const server = await startServer(t, { config });
  const first = await runPythonJson<string>(makeTables, [server.url, join(server.folder, 'delta_tables')]);
  return { server, first };
}

test('Delta tables are tables in SQL, at every version, without the delta extension', {
  skip: skipWithoutPython,
}, async (t) => {
  const { server, first } = await openTables(t, '');
  await checkTables(server, first);
  await checkNames(server);
  await checkTaking(server);
  await checkRefusals(server);
  // Each of the partitions has a file of each load, and one that has the columns alone.
  assert.equal(await countFilesRead(server, 'SELECT id FROM delta.events'), 4 * 4);
  assert.equal(await countFilesRead(server, "SELECT id FROM delta.events WHERE kind = 'k 2/''é'"), 4);
  assert.equal(
    await countFilesRead(server, "SELECT id FROM delta.events WHERE day = DATE '2020-01-02'"),
    2 * 4,
  );
});

test('Delta tables are tables in SQL, at every version, by the delta extension', {
  skip: skipWithoutPython,
}, async (t) => {
  const extension = await runPythonJson<string>(findExtension);
  const { server, first } = await openTables(t, `duckdb_extensions: ['${extension}']\n`);
  await checkTables(server, first);
  await checkNames(server);
  await checkTaking(server);
  await checkRefusals(server);
  assert.equal(await countFilesRead(server, 'SELECT id FROM delta.events'), 4 * 3);
  assert.equal(await countFilesRead(server, "SELECT id FROM delta.events WHERE kind = 'k 2/''é'"), 3);
  // Of the last load's four files, the one that begins behind the row is left out by its statistics, as are all others.
  assert.equal(await countFilesRead(server, 'SELECT id FROM delta.events WHERE id = 202'), 3);
});
