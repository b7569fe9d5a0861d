import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findTableName } from '../../../src/router/table-name.ts';

test('a target table splits at the first dot outside double quotes', () => {
  const names: readonly (readonly [string, string | null, string])[] = [
    ['readings', null, 'readings'],
    ['sales.orders', 'sales', 'orders'],
    ['a.b.c', 'a', 'b.c'],
    ['"a.b"', null, 'a.b'],
    ['"a.b".c', 'a.b', 'c'],
    ['a."b.c"', 'a', 'b.c'],
    ['"a""b".c', 'a"b', 'c'],
    ['order', null, 'order'],
    ['my-table', null, 'my-table'],
    ['Größe 1', null, 'Größe 1'],
    ["x'; drop table y; --", null, "x'; drop table y; --"],
    ['" "', null, ' '],
  ];
  for (const [text, schema, name] of names) assert.deepEqual(findTableName(text), { schema, name }, text);
});

test('a text with an empty part, a stray quote or a control character names no table', () => {
  for (const text of [
    '',
    ' ',
    '.',
    'a.',
    '.a',
    '""',
    'a.""',
    '"a',
    'a"b',
    '"a"b',
    'a."b',
    '"a"".b',
    'a\u0000',
    'a\nb',
  ]) {
    assert.equal(findTableName(text), undefined, JSON.stringify(text));
  }
});

test('any name in double quotes comes back as it was', () => {
  const name = fc.string({ minLength: 1, unit: fc.constantFrom('a', '.', '"', ' ', "'", 'é', '*') });
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(name, name, (schema, table) => {
      assert.deepEqual(findTableName(quote(table)), { schema: null, name: table });
      assert.deepEqual(findTableName(`${quote(schema)}.${quote(table)}`), { schema, name: table });
    }),
  );
});
