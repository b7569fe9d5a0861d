import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from '../../../src/backends/duckdb/query/slots.ts';
import { ArrowportError } from '../../../src/errors.ts';

test('slots are given in the order they are asked for, and back once', async () => {
  const slots = new Slots(() => 1);
  const first = await slots.acquire();
  const order: string[] = [];
  const second = slots.acquire().then((giveBack) => {
    order.push('second');
    return giveBack;
  });
  const third = slots.acquire().then((giveBack) => {
    order.push('third');
    return giveBack;
  });
  first();
  first();
  const giveBackSecond = await second;
  assert.deepEqual(order, ['second']);
  giveBackSecond();
  (await third)();
  (await slots.acquire())();
});

test('whoever goes away leaves the line with the reason', async () => {
  const slots = new Slots(() => 1);
  const held = await slots.acquire();
  const gone = new AbortController();
  const waiting = slots.acquire(gone.signal);
  gone.abort(new ArrowportError('CANCELLED', 'gone'));
  await assert.rejects(waiting, { code: 'CANCELLED' });
  held();
  (await slots.acquire())();
});

test('a line that is too long is refused', async () => {
  const slots = new Slots(() => 1);
  const held = await slots.acquire();
  const gone = new AbortController();
  const line = Array.from({ length: 16 }, () => slots.acquire(gone.signal).catch(() => undefined));
  await assert.rejects(slots.acquire(), { code: 'OVERLOADED' });
  gone.abort(new ArrowportError('CANCELLED', 'gone'));
  await Promise.all(line);
  held();
});
