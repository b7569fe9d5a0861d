import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  comparePatterns,
  isStreamKey,
  matchesPattern,
  readStreamPattern,
} from '../../../src/router/pattern.ts';
import { patienceMs } from '../../support/patience.ts';

/** Tries every split; slow and obviously right. */
function matchesByTrying(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  if (pattern.startsWith('*')) {
    return (
      matchesByTrying(pattern.slice(1), name) || (name !== '' && matchesByTrying(pattern, name.slice(1)))
    );
  }
  return name !== '' && pattern[0] === name[0] && matchesByTrying(pattern.slice(1), name.slice(1));
}

const matches = (pattern: string, name: string) => matchesPattern(readStreamPattern(pattern), name);

test('a pattern covers the same names as a matcher that tries every split', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 });
  fc.assert(
    fc.property(pattern, name, (text, candidate) => {
      assert.equal(matches(text, candidate), matchesByTrying(text, candidate));
    }),
    { numRuns: 3000 },
  );
});

test('a name made by filling the stars of a pattern is covered by it', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 2, maxLength: 5 }),
      fc.array(piece, { minLength: 4, maxLength: 4 }),
      (pieces, fills) => {
        const name = pieces
          .map((text, index) => (index === 0 ? text : `${fills[index - 1]}${text}`))
          .join('');
        assert.ok(matches(pieces.join('*'), name));
      },
    ),
  );
});

test('a star stands for no character, for many and for dots', () => {
  assert.ok(matches('metrics.*', 'metrics.'));
  assert.ok(matches('metrics.*', 'metrics.cpu.0'));
  assert.ok(!matches('metrics.*', 'metrics'));
  assert.ok(!matches('metrics.*', 'xmetrics.cpu'));
});

test('the dot of a pattern is a dot and letters mind their case', () => {
  assert.ok(!matches('a.*', 'abc'));
  assert.ok(!matches('A*', 'abc'));
});

test('beginning and end of a pattern do not share characters of a name', () => {
  assert.ok(!matches('ab*ba', 'aba'));
  assert.ok(matches('ab*ba', 'abba'));
  assert.ok(!matches('a*b*b', 'ab'));
});

test('a pattern made to backtrack is answered at once', () => {
  const pattern = readStreamPattern(`${'a*'.repeat(63)}b`);
  const name = 'a'.repeat(128);
  const started = performance.now();
  for (let round = 0; round < 1000; round++) assert.equal(matchesPattern(pattern, name), false);
  assert.ok(performance.now() - started < patienceMs);
});

test('a key of streams is a stream name, or such a name with stars', () => {
  for (const key of [
    'sensors',
    '_a',
    '0',
    'a.b-c_d',
    '*',
    'metrics.*',
    '*.raw',
    '**',
    'a'.repeat(128),
    '__proto__',
  ]) {
    assert.ok(isStreamKey(key), key);
  }
  for (const key of [
    '',
    ' ',
    'a b',
    '.a',
    '-a',
    '.*',
    'a/b',
    'ä',
    'a?',
    'a'.repeat(129),
    '*'.repeat(129),
    'a\n',
  ]) {
    assert.ok(!isStreamKey(key), JSON.stringify(key));
  }
});

test('patterns are ordered by literal characters, beginning, stars and character codes', () => {
  const sorted = ['*', 'b*', 'a*', '*a', '*a*', 'ab*', 'a*b', 'a*b*', 'abc*']
    .map(readStreamPattern)
    .sort(comparePatterns);
  assert.deepEqual(
    sorted.map(({ text }) => text),
    ['abc*', 'ab*', 'a*b', 'a*b*', 'a*', 'b*', '*a', '*a*', '*'],
  );
});
