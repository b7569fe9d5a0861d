import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settlesWithin } from '../../../src/core/settles-within.ts';

const late = () => new Error('too late');
const never = new Promise<void>(() => {});

test('a wait ends with its work, well or badly', async () => {
  await settlesWithin(Promise.resolve(), { withinMs: 60_000, signal: undefined, late });
  const failing = settlesWithin(Promise.reject(new Error('broken')), {
    withinMs: 60_000,
    signal: undefined,
    late,
  });
  await assert.rejects(failing, /broken/);
});

test('a wait that takes too long throws what it is told to', async () => {
  await assert.rejects(settlesWithin(never, { withinMs: 1, signal: undefined, late }), /too late/);
  await assert.rejects(settlesWithin(never, { withinMs: -5, signal: undefined, late }), /too late/);
});

test('a wait is broken off by its signal, before it begins and after', async () => {
  const gone = AbortSignal.abort(new Error('gone'));
  await assert.rejects(settlesWithin(never, { withinMs: 60_000, signal: gone, late }), /gone/);
  const controller = new AbortController();
  const waiting = settlesWithin(never, { withinMs: 60_000, signal: controller.signal, late });
  controller.abort(new Error('left'));
  await assert.rejects(waiting, /left/);
});
