import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSteadyClock } from '../../../src/core/steady-clock.ts';

test('a clock that jumps forward is not followed, one that is set back is', () => {
  let wall = 1_000_000;
  let elapsed = 50;
  const clock = createSteadyClock(
    () => wall,
    () => elapsed,
  );
  const pass = (ms: number) => {
    wall += ms;
    elapsed += ms;
  };
  pass(500);
  assert.equal(clock(), 1_000_500);
  wall += 365 * 24 * 3_600_000;
  assert.equal(clock(), 1_000_500);
  pass(500);
  assert.equal(clock(), 1_001_000);
  wall = 900_000;
  assert.equal(clock(), 900_000);
});
