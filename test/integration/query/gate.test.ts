import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

let server: TestServer;
const cleanups: (() => unknown)[] = [];

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
  writeFileSync(join(server.folder, 'secret.csv'), 'word\nhidden\n');
  for (const sql of [
    'CREATE TABLE orders (id INTEGER PRIMARY KEY, city VARCHAR)',
    "INSERT INTO orders VALUES (1, 'Oslo'), (2, 'Lima')",
    'CREATE TABLE public_prices AS SELECT 1 AS price',
    'CREATE VIEW public_cities AS SELECT city FROM orders',
    'CREATE TABLE "with.dot" AS SELECT 7 AS seven',
  ]) {
    const { status, detail } = await ask(server, sql, { token: tokens.admin });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
});

after(async () => {
  for (const clean of cleanups) await clean();
});

/** Statements that nobody may run, whatever the scopes. */
const forbidden: Readonly<Record<string, readonly string[]>> = {
  'that read files': [
    "SELECT * FROM read_csv('secret.csv')",
    "SELECT * FROM read_csv_auto('secret.csv')",
    "SELECT * FROM Read_Text('secret.csv')",
    `SELECT * FROM "read_blob"('secret.csv')`,
    "SELECT * FROM main.read_csv('secret.csv')",
    "SELECT * FROM system.main.read_csv('secret.csv')",
    "SELECT * FROM read_parquet(['a', 'b'])",
    "SELECT * FROM read_json('secret.csv')",
    "SELECT * FROM read_ndjson_objects('secret.csv')",
    "SELECT * FROM parquet_metadata('a.parquet')",
    "SELECT * FROM parquet_schema('a.parquet')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM sniff_csv('secret.csv')",
    "SELECT * FROM read_duckdb('other.duckdb')",
    "FROM 'secret.csv'",
    'FROM "secret.csv"',
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'https://example.org/a.parquet'",
    "SELECT * FROM 's3://bucket/*.parquet'",
    "WITH x AS (SELECT * FROM 'secret.csv') SELECT * FROM x",
    "SELECT (SELECT count(*) FROM read_text('secret.csv'))",
    "SELECT * FROM orders WHERE EXISTS (FROM read_text('secret.csv'))",
    "SELECT * FROM orders, LATERAL (SELECT * FROM read_text('secret.csv')) t",
    "SELECT * FROM orders JOIN read_text('secret.csv') f ON true",
    "SELECT city FROM orders UNION ALL SELECT content FROM read_text('secret.csv')",
    "SELECT * FROM (VALUES ((SELECT content FROM read_text('secret.csv'))))",
    "SELECT id FROM orders ORDER BY (SELECT max(size) FROM read_text('secret.csv'))",
    "SELECT id FROM orders GROUP BY ALL HAVING (SELECT true FROM read_text('secret.csv'))",
    "SELECT id FROM orders QUALIFY row_number() OVER (ORDER BY (SELECT size FROM read_text('secret.csv'))) = 1",
    "SELECT id FROM orders LIMIT (SELECT size FROM read_text('secret.csv'))",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT size FROM r, read_text('secret.csv')) FROM r",
    "SELECT list_transform([1], lambda x: (SELECT size FROM read_text('secret.csv')))",
    "SELECT row_number() OVER w FROM orders WINDOW w AS (PARTITION BY (SELECT size FROM read_text('secret.csv')))",
    "DESCRIBE SELECT * FROM read_text('secret.csv')",
    "SUMMARIZE SELECT * FROM read_text('secret.csv')",
    "EXPLAIN SELECT * FROM read_text('secret.csv')",
    "EXPLAIN ANALYZE SELECT * FROM read_text('secret.csv')",
    "EXPLAIN (FORMAT json) SELECT * FROM read_text('secret.csv')",
    "PIVOT (SELECT * FROM read_text('secret.csv')) ON filename USING count(*)",
    "FROM (PIVOT (FROM read_text('secret.csv')) ON filename IN ('a') USING count(*))",
  ],
  'that write files or other databases': [
    "COPY orders TO 'stolen.csv'",
    "COPY (SELECT 1) TO 'stolen.parquet' (FORMAT parquet)",
    "COPY orders FROM 'secret.csv'",
    "EXPORT DATABASE 'stolen'",
    "IMPORT DATABASE 'stolen'",
    'COPY FROM DATABASE memory TO system',
    "ATTACH 'stolen.duckdb'",
    "ATTACH ':memory:' AS side",
    'DETACH memory',
    'USE memory',
    'CHECKPOINT',
    'FORCE CHECKPOINT',
    'VACUUM',
  ],
  'that load code or change the engine': [
    'INSTALL httpfs',
    'LOAD httpfs',
    "LOAD '/tmp/evil.duckdb_extension'",
    'UPDATE EXTENSIONS',
    'SET enable_external_access = true',
    "SET GLOBAL memory_limit = '1GB'",
    'SET SESSION threads = 1',
    "SET VARIABLE a = 'b'",
    'RESET threads',
    'PRAGMA database_list',
    'PRAGMA enable_profiling',
    "PRAGMA import_database('stolen')",
    'CALL pragma_version()',
    "CALL read_text('secret.csv')",
    'BEGIN',
    'COMMIT',
    'ROLLBACK',
    'PREPARE p AS SELECT 1',
    'EXECUTE p',
    'DEALLOCATE p',
    'CREATE SECRET s (TYPE s3)',
    'CREATE PERSISTENT SECRET s (TYPE s3)',
    'DROP SECRET s',
    'ANALYZE',
    'CREATE TEMP TABLE t (i INTEGER)',
    'CREATE DATABASE d',
    'DROP DATABASE memory',
    'ALTER DATABASE memory SET ALIAS TO other',
  ],
  'that run other SQL, or ask the engine about itself': [
    "SELECT * FROM query('SELECT 42')",
    "SELECT * FROM query_table('orders')",
    "SELECT * FROM query_table(['orders'])",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT current_setting('temp_directory')",
    'SELECT * FROM duckdb_settings()',
    'SELECT * FROM duckdb_secrets()',
    'SELECT * FROM duckdb_extensions()',
    'SELECT * FROM duckdb_variables()',
    'SELECT * FROM duckdb_logs()',
    'SELECT * FROM duckdb_logs',
    'SELECT * FROM duckdb_memory()',
    'SELECT * FROM duckdb_temporary_files()',
    'SELECT * FROM duckdb_prepared_statements()',
    'SELECT * FROM duckdb_external_file_cache()',
    "SELECT * FROM which_secret('s3://a', 's3')",
    "SELECT * FROM pragma_storage_info('_arrowport.committed_loads')",
    "SELECT * FROM pragma_table_info('_arrowport.committed_loads')",
    'SELECT * FROM pragma_database_size()',
    'SELECT * FROM pragma_database_list',
    'SELECT * FROM sqlite_master',
    'SELECT * FROM main.sqlite_master',
    'SELECT * FROM main.duckdb_logs',
    'SELECT * FROM main.pragma_database_list',
    'SELECT * FROM (SHOW ALL TABLES)',
    'SHOW SCHEMAS',
    'SELECT * FROM duckdb_functions()',
    'SELECT * FROM information_schema.check_constraints',
    'SELECT * FROM pg_catalog.pg_tables',
    'SELECT * FROM pg_class',
    "SELECT * FROM sql_auto_complete('SEL')",
    'SELECT * FROM seq_scan(1)',
    'SELECT * FROM arrow_scan(1, 2, 3)',
    'SELECT * FROM arrow_scan_dumb(1, 2, 3)',
    "SELECT write_log('x')",
    "SELECT nextval('s')",
    'SELECT sleep_ms(100000)',
    'SELECT pg_sleep(100)',
    'SHOW VARIABLES',
  ],
  'that name what the server keeps for itself': [
    'SELECT * FROM _arrowport.committed_loads',
    'SELECT * FROM _ARROWPORT.COMMITTED_LOADS',
    'SELECT * FROM "_arrowport"."committed_loads"',
    'SELECT * FROM arrowport._arrowport.pending_tables',
    'SELECT * FROM memory.main.arrow_stream_1',
    'SELECT * FROM memory.arrow_stream_1',
    'DESCRIBE _arrowport.committed_loads',
    'SUMMARIZE _arrowport.committed_loads',
    'SHOW TABLES FROM _arrowport',
    'INSERT INTO _arrowport.pending_tables VALUES (1, 2)',
    'DELETE FROM _arrowport.committed_loads',
    'UPDATE "_arrowport".committed_loads SET id = 1',
    'DROP TABLE _arrowport.committed_loads',
    'DROP SCHEMA _arrowport CASCADE',
    'ALTER TABLE _arrowport.committed_loads ADD COLUMN x INTEGER',
    'CREATE TABLE _arrowport.mine (i INTEGER)',
    'CREATE VIEW spy AS SELECT * FROM _arrowport.committed_loads',
    'CREATE TABLE copied AS SELECT * FROM _arrowport.committed_loads',
    'CREATE TABLE copied AS SELECT * FROM main.sqlite_master',
    'CREATE VIEW copied AS SELECT * FROM duckdb_tables()',
    'CREATE MACRO spy() AS TABLE SELECT * FROM _arrowport.committed_loads',
    'CREATE TABLE memory.main.mine (i INTEGER)',
    "INSERT INTO orders SELECT 9, id FROM histogram('_arrowport.committed_loads', id)",
    'CREATE TABLE system.main.mine (i INTEGER)',
  ],
  'that hide one of these in a statement that writes': [
    "INSERT INTO orders SELECT 3, content FROM read_text('secret.csv')",
    "INSERT INTO orders SELECT 3, content FROM read_text /* a */ ('secret.csv')",
    `INSERT INTO orders SELECT 3, content FROM "read_text"('secret.csv')`,
    "INSERT INTO orders VALUES (3, (SELECT content FROM read_text('secret.csv')))",
    "UPDATE orders SET city = (SELECT content FROM read_text('secret.csv'))",
    "DELETE FROM orders WHERE city IN (SELECT content FROM read_text('secret.csv'))",
    "WITH f AS (FROM read_text('secret.csv')) INSERT INTO orders SELECT 3, content FROM f",
    "MERGE INTO orders USING read_text('secret.csv') f ON false WHEN NOT MATCHED THEN INSERT VALUES (1, f.content)",
    "CREATE TABLE stolen AS SELECT * FROM read_text('secret.csv')",
    "CREATE TABLE stolen AS FROM 'secret.csv'",
    "CREATE VIEW stolen AS SELECT * FROM read_text('secret.csv')",
    'CREATE MACRO stolen(path) AS TABLE SELECT * FROM read_text(path)',
    'CREATE FUNCTION setting(name) AS current_setting(name)',
    "CREATE TABLE defaulted (a VARCHAR DEFAULT current_setting('temp_directory'))",
    "INSERT INTO orders SELECT 3, x FROM query('SELECT 1 AS x')",
    "EXPLAIN ANALYZE INSERT INTO orders VALUES (3, 'x')",
    'EXPLAIN ANALYZE DELETE FROM orders',
    "EXPLAIN COPY orders TO 'stolen.csv'",
    'INSERT INTO orders SELECT 3, content FROM U&"read\\005ftext"(\'secret.csv\')',
  ],
  'of which there are several': [
    'SELECT 1; SELECT 2',
    'SELECT 1; DROP TABLE orders',
    "SELECT 1; COPY orders TO 'stolen.csv'",
    "INSERT INTO orders VALUES (3, 'x'); SELECT 1",
    "SELECT ';'; DELETE FROM orders",
    'SELECT 1 /* ; */; DELETE FROM orders -- ;',
    'SELECT $$a;b$$; DELETE FROM orders',
  ],
};

for (const [what, statements] of Object.entries(forbidden)) {
  test(`statements ${what} are refused to readers and to admins`, async () => {
    for (const sql of statements) {
      for (const token of [tokens.reader, tokens.admin]) {
        const { code, status, rows } = await ask(server, sql, { token });
        const expected = ['QUERY_FORBIDDEN', 'TABLE_NOT_FOUND', 'QUERY_INVALID'];
        assert.ok(expected.includes(code ?? ''), `${sql}: ${status} ${code} ${JSON.stringify(rows)}`);
      }
    }
  });
}

test('nothing was read, written or changed by what was refused', async () => {
  const { rows } = await ask(server, 'SELECT * FROM orders ORDER BY id', { token: tokens.reader });
  assert.deepEqual(rows, [
    [1, 'Oslo'],
    [2, 'Lima'],
  ]);
  assert.deepEqual(
    readdirSync(server.folder).filter((name) => /stolen|side/.test(name)),
    [],
  );
  assert.equal(existsSync(join(server.folder, 'secret.csv')), true);
});

test('readers write nothing, admins do', async () => {
  const writes = [
    "INSERT INTO orders VALUES (10, 'Rome')",
    "UPDATE orders SET city = 'Roma' WHERE id = 10",
    'DELETE FROM orders WHERE id = 10',
    'CREATE TABLE scratch (i INTEGER)',
    'ALTER TABLE scratch ADD COLUMN j INTEGER',
    'CREATE INDEX scratch_i ON scratch (i)',
    'CREATE SCHEMA other',
    'CREATE MACRO twice(x) AS 2 * x',
    'DROP TABLE scratch',
    'TRUNCATE other_table',
  ];
  for (const sql of writes) {
    const { code, detail } = await ask(server, sql, { token: tokens.reader });
    assert.equal(code, 'QUERY_FORBIDDEN', sql);
    assert.match(detail ?? '', /admin/);
  }
  for (const sql of writes.slice(0, -1)) {
    const { status, detail } = await ask(server, sql, { token: tokens.admin });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
  const { rows } = await ask(server, 'SELECT twice(21)', { token: tokens.reader });
  assert.deepEqual(rows, [[42]]);
});

test('ordinary SQL is not in the way of the gate', async () => {
  const allowed: Readonly<Record<string, unknown>> = {
    "SELECT count(*) FROM orders WHERE city LIKE 'O%'": [[1]],
    'WITH orders AS (SELECT 5 AS id) SELECT id FROM orders': [[5]],
    'SELECT seven FROM "with.dot"': [[7]],
    "SELECT 'read_csv(''x'')' AS text": [["read_csv('x')"]],
    'FROM range(2)': [[0], [1]],
    'SELECT unnest([1, 2]) AS n': [[1], [2]],
    "SELECT * FROM (PIVOT orders ON city IN ('Oslo') USING count(*)) LIMIT 0": [],
    'VALUES (1, true)': [[1, true]],
    'SELECT list_transform([1, 2], lambda x: x + 1)': [[[2, 3]]],
    "SELECT strftime(DATE '2026-01-02', '%d.%m.%Y')": [['02.01.2026']],
    'SELECT json_extract_string(\'{"a": "b"}\', \'$.a\')': [['b']],
    'SELECT 1;': [[1]],
    '/* one */ SELECT 1 -- two': [[1]],
  };
  for (const [sql, expected] of Object.entries(allowed)) {
    const { rows, detail } = await ask(server, sql, { token: tokens.reader });
    assert.deepEqual(rows, expected, `${sql}: ${detail}`);
  }
  for (const sql of [
    'SHOW TABLES',
    'SHOW ALL TABLES',
    'DESCRIBE orders',
    'SUMMARIZE orders',
    'EXPLAIN FROM orders',
  ]) {
    const { status, detail } = await ask(server, sql, { token: tokens.reader });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
});

test('listings leave the server’s own objects out', async () => {
  const listings = [
    'SHOW ALL TABLES',
    'SHOW DATABASES',
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM information_schema.schemata',
    'SELECT * FROM information_schema.columns',
    'SELECT database_name, schema_name, table_name FROM duckdb_tables()',
    'SELECT database_name, schema_name FROM duckdb_schemas',
    'SELECT d.* FROM duckdb_databases() AS d',
    'FROM main.duckdb_tables',
    'FROM main.duckdb_databases',
    'FROM "main"."duckdb_columns"',
    'SELECT database_name, schema_name, table_name FROM system.main.duckdb_tables()',
    'SELECT * FROM information_schema /* a */ . /* b */ tables t',
    'FROM temp.information_schema.tables',
    'FROM duckdb_tables() TABLESAMPLE 100%',
    'DESCRIBE',
    'SHOW ALL TABLES; -- ; all',
    'SELECT * FROM duckdb_constraints()',
    'SELECT view_name FROM duckdb_views() WHERE NOT internal',
  ];
  for (const sql of listings) {
    const { status, rows, detail } = await ask(server, sql, { token: tokens.reader });
    assert.equal(status, 200, `${sql}: ${detail}`);
    assert.doesNotMatch(JSON.stringify(rows), /_arrowport|"memory"|arrow_stream|\.duckdb"/, sql);
  }
});

test('a caller who may use some streams reads no other table, however it is named', async () => {
  const token = tokens.partner;
  assert.deepEqual((await ask(server, 'SELECT price FROM public_prices', { token })).rows, [[1]]);
  assert.equal((await ask(server, 'SELECT * FROM public_cities', { token })).row_count, 2);
  for (const sql of [
    'SELECT * FROM orders',
    'SELECT * FROM main.orders',
    'SELECT * FROM arrowport.main.orders',
    'SELECT * FROM arrowport.orders',
    'SELECT * FROM "ORDERS"',
    'SELECT (SELECT max(id) FROM orders)',
    'SELECT price FROM public_prices WHERE price IN (SELECT id FROM orders)',
    'SELECT * FROM public_prices, LATERAL (SELECT city FROM orders)',
    'WITH orders AS (SELECT 1 AS id) SELECT id FROM orders',
    'SELECT price FROM public_prices WHERE price IN (WITH orders AS (SELECT 1 AS id) SELECT id FROM orders)',
    'DESCRIBE orders',
    'SUMMARIZE orders',
    'EXPLAIN ANALYZE SELECT * FROM orders',
  ]) {
    const { code, rows } = await ask(server, sql, { token });
    assert.ok(
      code === 'FORBIDDEN' || code === 'QUERY_FORBIDDEN' || code === 'TABLE_NOT_FOUND',
      `${sql}: ${JSON.stringify(rows)}`,
    );
  }
  const { rows } = await ask(server, 'SELECT table_name FROM information_schema.tables ORDER BY 1', {
    token,
  });
  assert.deepEqual(rows, [['public_cities'], ['public_prices']]);
});

test('columns and plans do not tell what listings leave out', async () => {
  const token = tokens.partner;
  const items = [
    '(SELECT count(*) FROM duckdb_tables())',
    "coalesce((SELECT count(*) FROM information_schema.tables), 2) + 1, 'é'",
    'EXISTS (FROM duckdb_tables())',
    '2 IN (SELECT 1 FROM duckdb_columns()), 3',
    'CASE WHEN (SELECT count(*) FROM duckdb_tables()) = 1 THEN 2 END',
    'DISTINCT (SELECT count(*) FROM duckdb_tables()) IS DISTINCT FROM 3',
    'DISTINCT ON (1) [(SELECT count(*) FROM duckdb_tables()), 7]',
    '(SELECT (SELECT count(*) FROM duckdb_tables()) FROM range(1)) FROM range(1) WHERE true',
    '* FROM (SELECT (SELECT count(*) FROM duckdb_tables()))',
    'nested FROM (SELECT (SELECT count(*) FROM duckdb_tables())) AS nested',
    'sum((SELECT count(*) FROM duckdb_tables())) OVER (ORDER BY 1) -- end',
    '(SELECT count(*) FROM duckdb_tables()) UNION ALL SELECT 5',
    'percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT count(*) FROM duckdb_tables()))',
  ];
  for (const item of items) {
    for (const sql of [`SELECT ${item}`, `DESCRIBE SELECT ${item}`]) {
      const { status, detail, columns, rows } = await ask(server, sql, { token });
      assert.equal(status, 200, `${sql}: ${detail}`);
      assert.doesNotMatch(JSON.stringify([columns, rows]), /orders|_arrowport|memory/, sql);
    }
  }
  const named = await ask(server, "SELECT 'é', 1 + (SELECT count(*)\nFROM duckdb_tables()), 2 AS x", {
    token,
  });
  assert.deepEqual(
    named.columns?.map(({ name }) => name),
    ["'é'", '1 + (SELECT count(*) FROM duckdb_tables())', 'x'],
  );
  for (const plan of ['EXPLAIN', 'EXPLAIN ANALYZE', 'EXPLAIN (FORMAT json)']) {
    const { code } = await ask(server, `${plan} SELECT * FROM duckdb_tables()`, { token });
    assert.equal(code, 'QUERY_FORBIDDEN', plan);
    assert.equal((await ask(server, `${plan} SELECT * FROM public_prices`, { token })).status, 200, plan);
  }
});

test('without credentials there is no query', async () => {
  const { status, code } = await ask(server, 'SELECT 1');
  assert.equal(status, 401);
  assert.equal(code, 'UNAUTHENTICATED');
});

test('short forms of statements that read are open; a PIVOT without values says what it wants', async () => {
  const { reader: token } = tokens;
  for (const sql of [
    'FROM orders',
    'SUMMARIZE orders',
    'DESCRIBE orders',
    'SHOW TABLES',
    'UNPIVOT orders ON city',
    "PIVOT orders ON city IN ('Oslo', 'Lima') USING count(*)",
  ]) {
    const { status, detail } = await ask(server, sql, { token });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
  for (const sql of [
    'PIVOT orders ON city USING count(*)',
    'SELECT * FROM (PIVOT orders ON city USING count(*))',
    'FROM (PIVOT orders ON city USING count(*))',
  ]) {
    const { code, detail } = await ask(server, sql, { token });
    assert.equal(code, 'QUERY_FORBIDDEN', sql);
    assert.match(detail ?? '', /IN \(value, …\)/);
  }
});

test('a table that is named like what the server keeps for itself is one like any other', async () => {
  const { admin: token } = tokens;
  for (const sql of [
    'CREATE TABLE _arrowport_own AS SELECT 1 AS a',
    'INSERT INTO _arrowport_own VALUES (2)',
    'SELECT * FROM _arrowport_own',
    'DROP TABLE _arrowport_own',
  ]) {
    const { status, detail } = await ask(server, sql, { token });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
  for (const sql of ['DROP SCHEMA _arrowport CASCADE', 'DELETE FROM _arrowport.pending_tables']) {
    assert.equal((await ask(server, sql, { token })).code, 'QUERY_FORBIDDEN', sql);
  }
});
