import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from '../../../src/backends/duckdb/query/slots.ts';
import { ArrowportError } from '../../../src/errors.ts';

test('slots are given in the order they are asked for, and back once', async () => {
  const slots = new Slots(() => 1);
  const first = await slots.acquire('one');
  const order: string[] = [];
  const second = slots.acquire('one').then((giveBack) => {
    order.push('second');
    return giveBack;
  });
  const third = slots.acquire('one').then((giveBack) => {
    order.push('third');
    return giveBack;
  });
  first();
  first();
  const giveBackSecond = await second;
  assert.deepEqual(order, ['second']);
  giveBackSecond();
  (await third)();
  (await slots.acquire('one'))();
});

test('whoever goes away leaves the line with the reason', async () => {
  const slots = new Slots(() => 1);
  const held = await slots.acquire('one');
  const gone = new AbortController();
  const waiting = slots.acquire('one', gone.signal);
  gone.abort(new ArrowportError('CANCELLED', 'gone'));
  await assert.rejects(waiting, { code: 'CANCELLED' });
  held();
  (await slots.acquire('one'))();
});

test('a line that is too long is refused', async () => {
  const slots = new Slots(() => 1);
  const held = await slots.acquire('one');
  const gone = new AbortController();
  const line = Array.from({ length: 16 }, () => slots.acquire('one', gone.signal).catch(() => undefined));
  await assert.rejects(slots.acquire('one'), { code: 'OVERLOADED' });
  gone.abort(new ArrowportError('CANCELLED', 'gone'));
  await Promise.all(line);
  held();
});

test('the last slots are not for a caller who has most of the others', async () => {
  const slots = new Slots(() => 8);
  const held = [];
  for (let count = 0; count < 6; count += 1) held.push(await slots.acquire('one'));
  let hasMore = false;
  const more = slots.acquire('one').then((giveBack) => {
    hasMore = true;
    return giveBack;
  });
  const other = await slots.acquire('other');
  const third = await slots.acquire('third');
  const next = slots.acquire('other');
  for (const giveBack of held.splice(0, 2)) giveBack();
  (await next)();
  other();
  third();
  for (const giveBack of held) giveBack();
  (await more)();
  assert.ok(hasMore);
});

test('a caller alone has every slot where there are few', async () => {
  const slots = new Slots(() => 4);
  const held = await Promise.all(Array.from({ length: 4 }, () => slots.acquire('one')));
  for (const giveBack of held) giveBack();
});
