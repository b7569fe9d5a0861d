import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createRequestBody } from '../../../src/endpoints/flight/request-body.ts';
import { encodeFlightData } from '../../../src/endpoints/flight/wire.ts';
import { waitFor } from '../../support/patience.ts';
import { createCountingAllocator, readNext } from './put-bodies.ts';
import { frame } from './raw-client.ts';

const calm = { idleMs: 60_000, onIdle: () => undefined, confirmEnd: async () => undefined };

test('a body that fails in the middle of a message gives its memory back and discards the rest', async () => {
  const stream = new PassThrough();
  stream.pause();
  const body = createRequestBody(stream, calm);
  const allocator = createCountingAllocator();
  const bytes = frame(encodeFlightData({ header: Buffer.from('h'), body: Buffer.alloc(1000) }));
  const reading = readNext(body, { allocator });
  stream.write(bytes.subarray(0, 100));
  for (let turns = 0; allocator.held === 0 && turns < 100; turns++) await turn();
  assert.equal(allocator.held, 1);
  body.fail(new Error('gone'));
  await assert.rejects(reading, /gone/);
  assert.equal(allocator.held, 0);
  stream.write(bytes.subarray(100));
  stream.resume();
  await turn();
  await assert.rejects(body.take(1), /gone/);
  await assert.rejects(body.more(), /gone/);
  assert.equal(stream.readableLength, 0);
});

test('a stream is not read far ahead of its reader', async () => {
  let produced = 0;
  const stream = new Readable({
    highWaterMark: 16_384,
    read() {
      produced += 16_384;
      this.push(Buffer.alloc(16_384));
    },
  });
  stream.pause();
  const body = createRequestBody(stream, calm);
  await body.take(10);
  for (let turns = 0; turns < 50; turns++) await turn();
  assert.ok(produced <= 256 * 1024, `${produced} bytes`);
  body.fail(new Error('over'));
  stream.destroy();
});

test('a reader that waits for nothing but silence is told so, one that does not wait is not', async () => {
  const stream = new PassThrough();
  stream.pause();
  let idle = 0;
  const body = createRequestBody(stream, { ...calm, idleMs: 200, onIdle: () => idle++ });
  const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await tick(600);
  assert.equal(idle, 0);
  const reading = body.take(4);
  for (let byte = 0; byte < 3; byte++) {
    stream.write(Buffer.from([byte]));
    await tick(125);
  }
  assert.equal(idle, 0);
  await waitFor('the word', () => idle > 0);
  assert.equal(idle, 1);
  body.fail(new Error('over'));
  await assert.rejects(reading, /over/);
});

test('an end counts when it is confirmed, and not at all when the body fails before', async () => {
  for (const fails of [false, true]) {
    const confirmed = Promise.withResolvers<void>();
    const stream = Readable.from([Buffer.from('ab')], { objectMode: false });
    stream.pause();
    const body = createRequestBody(stream, { ...calm, confirmEnd: () => confirmed.promise });
    const reading = body.take(4);
    await turn();
    if (fails) body.fail(new Error('cut'));
    confirmed.resolve();
    if (fails) await assert.rejects(reading, /cut/);
    else assert.equal(Buffer.from(await reading).toString(), 'ab');
  }
});
