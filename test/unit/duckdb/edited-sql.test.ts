import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EditedSql } from '../../../src/backends/duckdb/query/edited-sql.ts';

test('parts are replaced, and the rest knows where it stood', () => {
  const sql = 'SELECT é FROM a, b WHERE x';
  const edited = new EditedSql(sql);
  const byte = (text: string) => Buffer.byteLength(sql.slice(0, sql.indexOf(text)));
  edited.replace(byte('b WHERE'), byte(' WHERE'), '(SELECT 2)');
  edited.replace(byte('a,'), byte(', b'), '(SELECT 1)');
  assert.equal(edited.text, 'SELECT é FROM (SELECT 1), (SELECT 2) WHERE x');
  const now = (text: string) => Buffer.byteLength(edited.text.slice(0, edited.text.indexOf(text)));
  assert.equal(edited.locate(now('é')), byte('é'));
  assert.equal(edited.locate(now('(SELECT 1)') + 3), byte('a,'));
  assert.equal(edited.locate(now(', (')), byte(', b'));
  assert.equal(edited.locate(now('WHERE')), byte('WHERE'));
});
