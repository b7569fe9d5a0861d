import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParameterMemory } from '../../../src/endpoints/flight-sql/parameter-memory.ts';

const mebibyte = 1024 * 1024;

test('sets that stay bound are forgotten for others, the largest first, unless they are used', () => {
  const memory = createParameterMemory(() => 10 * mebibyte);
  const forgotten: string[] = [];
  const bind = (name: string, bytes: number) => {
    const lease = memory.open();
    lease.take(bytes);
    lease.keep(() => forgotten.push(name));
    lease.leave();
    return lease;
  };
  bind('small', mebibyte);
  const used = bind('used', 5 * mebibyte);
  bind('large', 4 * mebibyte);
  assert.equal(memory.heldBytes, 10 * mebibyte);
  const done = used.use();
  const next = memory.open();
  next.take(2 * mebibyte);
  assert.deepEqual(forgotten, ['large']);
  assert.throws(() => next.take(5 * mebibyte), { code: 'OVERLOADED' });
  assert.deepEqual(forgotten, ['large', 'small']);
  assert.throws(() => next.take(9 * mebibyte), { code: 'BODY_TOO_LARGE' });
  done();
  done();
  next.take(5 * mebibyte);
  assert.deepEqual(forgotten, ['large', 'small', 'used']);
  next.leave();
  assert.equal(memory.heldBytes, 0);
});

test('a set is counted until it is bound no longer and nobody uses it', () => {
  const memory = createParameterMemory(() => mebibyte);
  const lease = memory.open();
  lease.take(1000);
  lease.keep(() => assert.fail('nobody needs its memory'));
  lease.leave();
  const done = lease.use();
  lease.drop();
  assert.equal(memory.heldBytes, 1000);
  done();
  assert.equal(memory.heldBytes, 0);
});

test('small sets find room beside large ones that are used', () => {
  const memory = createParameterMemory(() => mebibyte);
  memory.open().take(mebibyte);
  memory.open().take(1000);
  assert.throws(() => memory.open().take(100_000), { code: 'OVERLOADED' });
});
