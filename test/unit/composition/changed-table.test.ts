import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStatementSubject } from '../../../src/composition/changed-table.ts';
import { patienceMs } from '../../support/patience.ts';

for (const [sql, verb, table] of [
  ['INSERT INTO orders VALUES (1)', 'insert', 'orders'],
  ['  -- a note\n/* more */ insert or replace into "my ""table"" x" (a) SELECT 1', 'insert', 'my "table" x'],
  ['UPDATE sales.orders SET a = 1', 'update', 'sales.orders'],
  ['DELETE FROM "a.b"."c"', 'delete', 'a.b.c'],
  ['merge into t using u on (t.a = u.a) when matched then delete', 'merge', 't'],
  ['TRUNCATE t', 'truncate', 't'],
  ['CREATE OR REPLACE TEMP TABLE IF NOT EXISTS t AS SELECT 1', 'create', 't'],
  ['create index i on orders (id)', 'create', 'orders'],
  ['CREATE VIEW größe AS SELECT 1', 'create', 'größe'],
  ['ALTER TABLE IF EXISTS t ADD COLUMN x INTEGER', 'alter', 't'],
  ['DROP VIEW main.v', 'drop', 'main.v'],
  ["COMMENT ON TABLE t IS 'secret'", 'comment', 't'],
  ["WITH x AS (SELECT 'secret') INSERT INTO t SELECT * FROM x", 'with', undefined],
  ["CREATE MACRO f() AS 'secret'", 'create', undefined],
  ['(', 'statement', undefined],
] as const) {
  test(`${sql.slice(0, 60)}: what it does, and to what`, () => {
    assert.deepEqual(readStatementSubject(sql), { verb, table });
  });
}

test('a long statement of nothing but comments or spaces takes no time beyond its length', () => {
  const start = performance.now();
  readStatementSubject(`${'/* */ '.repeat(500_000)}${' '.repeat(500_000)}INSERT INTO`);
  readStatementSubject(`CREATE ${'OR REPLACE '.repeat(500_000)}`);
  assert.ok(performance.now() - start < patienceMs);
});
