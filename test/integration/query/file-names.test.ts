import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

let server: TestServer;
/** A file in a folder that the engine itself may read. */
let file: string;
const cleanups: (() => unknown)[] = [];

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
  const folder = join(server.folder, 'delta_tables', 'events');
  mkdirSync(folder, { recursive: true });
  file = join(folder, 'part.csv');
  writeFileSync(file, 'word\nhidden\n');
  for (const sql of [
    'CREATE TABLE orders (id INTEGER, city VARCHAR)',
    'CREATE TABLE "a/b.csv" AS SELECT 1 AS id',
    'CREATE MACRO city_count() AS (SELECT count(*) FROM orders)',
    'CREATE MACRO cities() AS TABLE SELECT city FROM orders',
    'CREATE MACRO public_count() AS (SELECT count(*) FROM orders)',
  ]) {
    assert.equal((await ask(server, sql, { token: tokens.admin })).status, 200, sql);
  }
});

after(async () => {
  for (const clean of cleanups) await clean();
});

test('a table name in several parts, or the name of a table expression elsewhere, reads no file', async () => {
  const stem = file.replace(/\.csv$/, '');
  for (const sql of [
    `FROM "${file}"`,
    `FROM "${stem}".csv`,
    `FROM "${stem}".Csv AS t`,
    `FROM "${file.slice(0, 4)}${file.slice(4).replace('/part.csv', '/par*')}".csv`,
    `SELECT * FROM (WITH "${file}" AS (SELECT 1) SELECT 1), "${file}"`,
    `SELECT * FROM (WITH "csv" AS (SELECT 1) SELECT 1), "${stem}".csv`,
    `DESCRIBE "${stem}".csv`,
    `SUMMARIZE "${file}"`,
  ]) {
    for (const token of [tokens.reader, tokens.admin]) {
      const { code, rows } = await ask(server, sql, { token });
      assert.equal(code, 'QUERY_FORBIDDEN', `${sql}: ${JSON.stringify(rows)}`);
    }
  }
});

test('statements that write read no file by its name either', async () => {
  const stem = file.replace(/\.csv$/, '');
  for (const sql of [
    `CREATE TABLE t AS SELECT * FROM '${file}'`,
    `CREATE TABLE t AS FROM "${file}"`,
    `CREATE TABLE t AS FROM "${stem}".csv`,
    `CREATE TABLE t AS (SELECT * FROM orders, '${file}')`,
    `CREATE TABLE t AS SELECT * FROM (orders CROSS JOIN '${file}')`,
    `CREATE TABLE t AS SELECT * FROM (('${file}' CROSS JOIN orders))`,
    `CREATE TABLE t AS SELECT * FROM (SELECT upper(city) AS a, 1 FROM orders), '${file}'`,
    `CREATE TABLE t AS SELECT * FROM orders AS o, range(1), LATERAL (FROM '${file}')`,
    `CREATE VIEW v AS FROM '${file}'`,
    `CREATE MACRO m() AS TABLE FROM '${file}'`,
    `INSERT INTO orders SELECT 1, word FROM '${file}'`,
    `INSERT INTO orders FROM E'${file}'`,
    `INSERT INTO orders FROM $$${file}$$`,
    `UPDATE orders SET city = word FROM '${file}'`,
    `DELETE FROM orders USING '${file}' AS f WHERE city = f.word`,
    `MERGE INTO orders USING '${file}' AS f ON city = f.word WHEN MATCHED THEN DELETE`,
    `CREATE TABLE t AS DESCRIBE '${file}'`,
    `CREATE TABLE t AS SUMMARIZE '${file}'`,
    `CREATE TABLE t AS TABLE "${file}"`,
    `CREATE TABLE t AS FROM x : '${file}'`,
    `CREATE TABLE t AS FROM orders JOIN orders AS b ON orders.id = b.id, '${file}'`,
    `CREATE TABLE t AS FROM orders JOIN orders AS b ON CASE WHEN true THEN true END, '${file}'`,
    `CREATE TABLE t AS FROM orders AS set, '${file}'`,
    `CREATE TABLE t AS FROM orders AS values(a), '${file}'`,
    `CREATE TABLE t AS FROM orders TABLESAMPLE 10%, '${file}'`,
    `CREATE TABLE t AS FROM orders JOIN orders AS b USING (id), '${file}'`,
    `WITH x AS (FROM '${file}') INSERT INTO orders SELECT 1, word FROM x`,
    `CREATE TABLE t AS FROM (PIVOT '${file}' ON word IN ('hidden') USING count(*))`,
    `CREATE TABLE t AS FROM (UNPIVOT '${file}' ON word)`,
  ]) {
    const { code, status } = await ask(server, sql, { token: tokens.admin });
    assert.ok(
      code === 'QUERY_FORBIDDEN' || (code === 'QUERY_INVALID' && status === 400),
      `${sql}: ${status} ${code}`,
    );
  }
});

test('texts and names with slashes are values and tables where they stand as such', async () => {
  for (const sql of [
    "INSERT INTO orders VALUES (1, '/srv/a.csv'), (2, 'b/c.json')",
    'CREATE TABLE "c/d" (id INTEGER)',
    'CREATE OR REPLACE TABLE "c/d" (id INTEGER)',
    'TRUNCATE TABLE "c/d"',
    'DROP TABLE "c/d"',
    "UPDATE orders SET city = '/x/y.csv' WHERE city IN ('/srv/a.csv', '/srv/b.csv')",
    "DELETE FROM orders WHERE id = 2 AND city IS NOT DISTINCT FROM 'b/c.json'",
    'INSERT INTO orders SELECT id, \'/u.csv\' FROM "a/b.csv"',
    "WITH x AS (SELECT 1 AS id) INSERT INTO orders SELECT id, concat('a/', 'b') FROM x, \"a/b.csv\" AS t(id2)",
  ]) {
    const { status, detail } = await ask(server, sql, { token: tokens.admin });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
  assert.equal((await ask(server, 'FROM "a/b.csv"', { token: tokens.reader })).status, 200);
  assert.equal((await ask(server, 'FROM main."a/b.csv"', { token: tokens.reader })).status, 200);
  const dotted = 'WITH "x.y" AS (SELECT 1 AS a) SELECT a FROM "x.y"';
  assert.equal((await ask(server, dotted, { token: tokens.reader })).status, 200);
});

test('a caller who is bound to some tables calls macros of such names only', async () => {
  for (const sql of ['SELECT city_count()', 'FROM cities()', 'SELECT main.city_count()']) {
    assert.equal((await ask(server, sql, { token: tokens.partner })).code, 'FORBIDDEN', sql);
    assert.equal((await ask(server, sql, { token: tokens.reader })).status, 200, sql);
  }
  const pure =
    "SELECT public_count(), 1 + 2, [x * 2 FOR x IN [1]], coalesce(NULL, 'a'), {'a': 1}.a, 'b' ^@ 'a'";
  const { status, detail } = await ask(server, pure, { token: tokens.partner });
  assert.equal(status, 200, detail);
});

test('a stream whose name ends like a file name is a table like any other', async () => {
  for (const name of ['daily.csv', 'daily.parquet', 'daily.json']) {
    const created = await ask(server, `CREATE TABLE "from_${name}" AS SELECT 1 AS id`, {
      token: tokens.admin,
    });
    assert.equal(created.status, 200, created.detail);
    const headers = { authorization: `Bearer ${tokens.admin}` };
    const rows = await fetch(`${server.url}/query?sql=${encodeURIComponent(`FROM "from_${name}"`)}`, {
      headers,
    });
    const body = await rows.arrayBuffer();
    for (const count of [1, 2]) {
      const answer = await fetch(`${server.url}/ingest/${name}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/vnd.apache.arrow.stream' },
        body,
      });
      assert.equal(answer.status, 200, `${name}: ${await answer.text()}`);
      const found = await ask(server, `SELECT count(*) FROM "${name}"`, { token: tokens.reader });
      assert.deepEqual(found.rows, [[count]]);
    }
    const unknown = await fetch(`${server.url}/streams/no-${name}`, { headers });
    assert.ok(unknown.status === 200 || unknown.status === 404, await unknown.text());
  }
});
