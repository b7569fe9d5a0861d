import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { readReferences } from '../../../src/backends/duckdb/query/statement-tree.ts';
import { columnsOf, findConditions } from '../../../src/backends/duckdb/query/table-conditions.ts';
import { isTypeText } from '../../../src/backends/duckdb/type-text.ts';

const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
after(() => {
  connection.closeSync();
  instance.closeSync();
});

/** The columns of each condition that is found for the first table `delta.e` of a statement. */
async function find(sql: string): Promise<readonly (readonly string[] | null)[]> {
  const result = await connection.runAndReadAll(
    'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)::VARCHAR',
    [sql],
  );
  const { statements } = JSON.parse(String(result.getRows()[0]?.[0])) as { statements: readonly unknown[] };
  const [tree] = statements;
  const table = readReferences(tree).tables.find(({ schema }) => schema === 'delta');
  assert.ok(table, sql);
  return findConditions(tree, table.location).map(columnsOf);
}

test('conditions that compare columns of a table with constants are found', async () => {
  const sql = `SELECT * FROM delta.e WHERE k = 'a' AND (d > DATE '2020-01-01' OR k IN ('b', 'c')) AND k IS NOT NULL
    AND e.n BETWEEN 1 AND 2 AND NOT (n = 3)`;
  assert.deepEqual(
    (await find(sql)).map((columns) => columns?.toSorted()),
    [['k'], ['d', 'k'], ['k'], ['n'], ['n']],
  );
  assert.deepEqual(await find("SELECT * FROM (FROM delta.e WHERE k = 'a') WHERE z = 1"), [['k']]);
  assert.deepEqual(await find("WITH c AS (SELECT * FROM delta.e x WHERE x.k = 'a') FROM c, d"), [['k']]);
});

test('what is not surely a condition on every row of the table is left to DuckDB', async () => {
  for (const sql of [
    'SELECT * FROM delta.e',
    "SELECT * FROM delta.e WHERE upper(k) = 'A'",
    "SELECT * FROM delta.e WHERE k = 'a' OR random() < 0.5",
    'SELECT * FROM delta.e WHERE k = (SELECT max(k) FROM t)',
    'SELECT * FROM delta.e WHERE k = $1',
    'SELECT * FROM delta.e WHERE n = 9007199254740993',
    'SELECT * FROM delta.e WHERE n = 170141183460469231731687303715884105727',
    "SELECT * FROM delta.e, t WHERE k = 'a'",
    "SELECT * FROM delta.e JOIN t USING (id) WHERE t.k = 'a'",
    "SELECT * FROM t LEFT JOIN delta.e ON true WHERE e.k = 'a'",
    "SELECT * FROM delta.e SEMI JOIN t USING (id) WHERE e.k = 'a'",
    "SELECT count(*) FROM delta.e HAVING k = 'a'",
  ]) {
    assert.deepEqual(await find(sql), [], sql);
  }
});

test('a table in inner joins has the conditions that name it', async () => {
  assert.deepEqual(
    await find(
      "SELECT * FROM delta.e AS x JOIN t ON x.id = t.id, u WHERE x.k = 'a' AND t.k = 'b' AND k = 'c'",
    ),
    [['k']],
  );
});

test('a text is taken for a type only when it can be nothing else', () => {
  for (const text of [
    'UUID',
    'DECIMAL(18,4)',
    'TIMESTAMP WITH TIME ZONE',
    "ENUM('sad', 'it''s; ok')",
    'STRUCT("a b" INTEGER[], "c" MAP(VARCHAR, UUID[3]))',
  ]) {
    assert.ok(isTypeText(text), text);
  }
  for (const text of [
    '',
    ' ',
    'UUID)',
    'UUID); DROP TABLE t; --',
    'UUID, 1',
    'UUID -- ',
    'UUID /* */',
    "ENUM('a",
    'STRUCT(a INT]',
    'INT = 1',
    `${'A'.repeat(70_000)}`,
  ]) {
    assert.ok(!isTypeText(text), text.slice(0, 40));
  }
});
