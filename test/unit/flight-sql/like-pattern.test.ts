import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesLike } from '../../../src/endpoints/flight-sql/like-pattern.ts';
import { patienceMs } from '../../support/patience.ts';

test('patterns are those of LIKE', () => {
  const cases: readonly [string, string | undefined, boolean][] = [
    ['anything', undefined, true],
    ['', '', true],
    ['a', '', false],
    ['', '%', true],
    ['orders', 'orders', true],
    ['orders', 'Orders', false],
    ['orders', 'ord%', true],
    ['orders', '%ers', true],
    ['orders', '%d%r%', true],
    ['orders', 'o_ders', true],
    ['orders', 'o_der', false],
    ['a_b', 'a\\_b', true],
    ['axb', 'a\\_b', false],
    ['100%', '100\\%', true],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['größe', 'gr__e', true],
    ['😀', '_', true],
    ['mississippi', '%iss%ip%', true],
  ];
  for (const [name, pattern, fits] of cases)
    assert.equal(matchesLike(name, pattern), fits, `${name} ${pattern}`);
});

test('a pattern made to take long does not', () => {
  const started = performance.now();
  assert.equal(matchesLike('a'.repeat(200), `${'%a'.repeat(60)}%b`), false);
  assert.ok(performance.now() - started < patienceMs);
});
