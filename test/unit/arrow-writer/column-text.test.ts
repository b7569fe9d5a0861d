import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { toCsv, toJson } from '../../../src/arrow/cell-text.ts';
import { createRowWriter } from '../../../src/arrow/column-text.ts';
import { readArrowResult } from '../../../src/backends/duckdb/arrow-result.ts';

/** Of every type that is written in a way of its own: usual values, the edges, and what lies beyond them. */
const statements = [
  'SELECT * FROM test_all_types(), range(3)',
  `SELECT (i - 500)::TINYINT AS small, (i * 60)::USMALLINT AS short, (i * 4000000)::UINTEGER AS whole,
   (hash(i) >> 1)::BIGINT - 4611686018427387904 AS long, hash(i) AS unsigned,
   CASE i % 4 WHEN 0 THEN 9007199254740991 WHEN 1 THEN 9007199254740992 WHEN 2 THEN -9007199254740992 ELSE -i END AS edge
   FROM range(372, 628) r(i)`,
  `SELECT (hash(i) % 20000)::DECIMAL(18, 4) / 7 - 1000 AS quotient, i::DECIMAL(9, 0) - 100 AS whole, ((i - 100) / 100)::DECIMAL(4, 3) AS part,
   (i - 100) * 92233720368547.75807::DECIMAL(30, 5) AS wide, (i - 100) * 100000000000000000000::DECIMAL(38, 0) AS widest FROM range(200) r(i)`,
  `SELECT DATE '0001-01-01' + (i * 12345)::INTEGER AS day, DATE '1970-01-01' + (i - 400)::INTEGER AS near,
   DATE '0001-01-01' - i::INTEGER AS early, DATE '9999-12-20' + i::INTEGER AS late FROM range(800) r(i)`,
  `SELECT TIMESTAMP '1969-12-30 00:00:00' + INTERVAL (i * 7919) SECOND + INTERVAL (i * i * 10) MICROSECOND AS micro,
   make_timestamp(i * 300000000000000 - 70000000000000000) AS far, make_timestamp_ns(i * 1234567891234567 - 500000000000000000) AS nano, make_timestamp_ns(i * 86400000000000 - 8640000000000000) AS midnights,
   (TIMESTAMP '2000-02-28 23:59:58' + INTERVAL (i) SECOND)::TIMESTAMP_S AS second,
   (TIMESTAMP '1900-02-28 23:59:58' + INTERVAL (i * 1001) MILLISECOND)::TIMESTAMP_MS AS milli,
   make_timestamp(i * 86399999999)::TIMESTAMPTZ AS zoned, make_time(i::BIGINT % 24, i::BIGINT % 60, (i % 60) + i / 1000000) AS clock,
   TIME '24:00:00' AS midnight FROM range(1000) r(i)`,
  `SELECT CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'plain ' || i END AS plain, 'say "' || i || '",' AS quoted,
   chr(10 + i::INTEGER) || 'x' AS control, 'grüße ' || i || ' 🚀' AS wide, chr(65279) || i AS marked, '' AS empty FROM range(300) r(i)`,
  `SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE i / 7 END AS number, (i - 5) * 1e300 * 1e10 AS large, (i / 3)::FLOAT AS single,
   CASE i % 5 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN '-0.0'::DOUBLE WHEN 2 THEN 0 WHEN 3 THEN 1e21 ELSE 5e-324 END AS odd,
   CASE WHEN i % 3 = 1 THEN i % 2 = 0 END AS flag, NULL AS nothing, [i, NULL] AS list, {'a': i} AS struct FROM range(100) r(i)`,
];

test('columns are written row by row as their single values are', async (t) => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  t.after(() => {
    connection.closeSync();
    instance.closeSync();
  });
  let compared = 0;
  for (const sql of statements) {
    const size = { rows: 977, bytes: 1 << 26 };
    for await (const { columns, rows } of readArrowResult(await connection.stream(sql), size).batches) {
      for (const column of columns) {
        const [json, csv] = [createRowWriter(column, 'json'), createRowWriter(column, 'csv')];
        for (let row = 0; row < rows; row += 1) {
          const place = `${column.field.name} in row ${row} of ${sql}`;
          assert.equal(json(row), toJson(column, row), place);
          assert.equal(csv(row), toCsv(column, row), place);
          compared += 1;
        }
      }
    }
  }
  assert.ok(compared > 15_000);
});
