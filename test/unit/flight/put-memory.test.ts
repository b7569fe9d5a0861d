import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startFlightServer } from './flight-server.ts';
import { createCountingAllocator } from './put-bodies.ts';
import { connectRaw, frame, putFrames, readEnd } from './raw-client.ts';

const skip = skipWithoutPython;

const until = (condition: () => boolean) => waitFor('what the server was to do', condition);

test('a body that is half received counts as held, and is given back when the call is cut', {
  skip,
}, async (t) => {
  const allocator = createCountingAllocator();
  const server = await startFlightServer(t, { allocator });
  const { schema, batch } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut');
  stream.write(Buffer.concat([schema, batch, batch.subarray(0, batch.length - 10)]));
  await until(() => server.loads[0]?.batches === 1 && allocator.held === 1);
  assert.equal(allocator.requests.length, 2);
  stream.close();
  await until(() => server.loads[0]?.error !== null);
  assert.equal(server.loads[0]?.receipt, null);
  await until(() => allocator.held === 0);
});

test('a body that is half received is given back when the load fails for another reason', {
  skip,
}, async (t) => {
  const allocator = createCountingAllocator();
  const server = await startFlightServer(t, { allocator, settings: { idleTimeoutSeconds: 1 } });
  const { schema, batch } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut');
  stream.write(Buffer.concat([schema, batch.subarray(0, batch.length - 10)]));
  assert.equal((await readEnd(stream)).status, '4');
  assert.equal(allocator.requests.length, 1);
  await until(() => allocator.held === 0);
});

test('a call that waits for memory is not idle', { skip }, async (t) => {
  const fresh = createCountingAllocator();
  const allocator = {
    async allocate(length: number) {
      await sleep(2500);
      return fresh.allocate(length);
    },
  };
  const server = await startFlightServer(t, { allocator, settings: { idleTimeoutSeconds: 1 } });
  const { schema, batch } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut');
  stream.end(Buffer.concat([schema, batch]));
  assert.equal((await readEnd(stream)).status, '0');
  assert.equal(server.loads[0]?.rows, 3);
});

test('messages that gRPC itself has compressed are taken like others', { skip }, async (t) => {
  const allocator = createCountingAllocator();
  const server = await startFlightServer(t, { allocator });
  const messages = Object.values(await putFrames('s')).map((message) => {
    const compressed = frame(gzipSync(message.subarray(5)));
    compressed[0] = 1;
    return compressed;
  });
  const stream = connectRaw(t, server.port).call('DoPut', { 'grpc-encoding': 'gzip' });
  stream.end(Buffer.concat(messages));
  assert.equal((await readEnd(stream)).status, '0');
  assert.equal(server.loads[0]?.rows, 3);
});
