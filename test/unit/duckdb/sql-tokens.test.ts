import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSqlTokens } from '../../../src/backends/duckdb/query/sql-tokens.ts';

const values = (sql: string) => readSqlTokens(sql)?.map(({ kind, value }) => `${kind}:${value}`);

test('words, quoted names, texts, numbers and symbols are told apart', () => {
  assert.deepEqual(values(`SELECT "A""b", 'it''s', 1.5e3, x.y FROM T`), [
    'word:select',
    'quoted:A"b',
    'symbol:,',
    "text:it's",
    'symbol:,',
    'number:1.5e3',
    'symbol:,',
    'word:x',
    'symbol:.',
    'word:y',
    'word:from',
    'word:t',
  ]);
});

test('comments are left out, also nested ones and those at the end', () => {
  assert.deepEqual(values('a -- b\nc /* d /* e */ f */ g -- h'), ['word:a', 'word:c', 'word:g']);
  assert.deepEqual(values("'--' /* ' */ b"), ['text:--', 'word:b']);
});

test('texts in dollars and with escapes hide what they hold', () => {
  assert.deepEqual(values("$$a'b$$ $x$ $$ $x$ E'a\\'b' x'ab'"), [
    "text:a'b",
    'text: $$ ',
    "text:a\\'b",
    'text:ab',
  ]);
  assert.deepEqual(values('$1 $name'), ['symbol:$1', 'symbol:$name']);
});

test('what is not sure to be read as DuckDB reads it is not read', () => {
  for (const sql of ["'open", '"open', '/* open', '/* /* */', '$$open', 'U&"a"', "u&'a'", "E'a\\'"]) {
    assert.equal(readSqlTokens(sql), null, sql);
  }
});

test('tokens know where they stand', () => {
  const tokens = readSqlTokens(' é "ü" x') ?? [];
  assert.deepEqual(
    tokens.map(({ start, end }) => [start, end]),
    [
      [1, 2],
      [3, 6],
      [7, 8],
    ],
  );
});
