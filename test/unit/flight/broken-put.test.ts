import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:http2';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { ArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';
import { runPython, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { readAttempt, runClient } from './flight-client.ts';
import { type FlightServer, startFlightServer } from './flight-server.ts';
import { connectRaw, frame, openWirePut, putFrames, readEnd } from './raw-client.ts';

const skip = skipWithoutPython;

const until = (condition: () => boolean) => waitFor('what the server was to do', condition);

/** Waits until the only load has failed, and holds that nothing was committed. */
async function readFailure(server: FlightServer): Promise<ArrowportError> {
  await until(() => server.loads[0]?.error != null || server.loads[0]?.receipt != null);
  assert.equal(server.loads[0]?.receipt, null, 'a cut stream was committed');
  const error = server.loads[0]?.error;
  assert.ok(error instanceof ArrowportError);
  return error;
}

test('a client that resets its stream between two batches commits nothing', { skip }, async (t) => {
  for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR]) {
    const server = await startFlightServer(t);
    const { schema, batch } = await putFrames('s');
    const put = await openWirePut(t, server.port);
    put.send(Buffer.concat([schema, batch]));
    await until(() => server.loads[0]?.batches === 1);
    put.reset(code);
    assert.equal((await readFailure(server)).code, 'CANCELLED');
  }
});

test('a client of the gRPC library for Node that cancels commits nothing, though it ends its stream first', {
  skip,
}, async (t) => {
  const server = await startFlightServer(t);
  const { schema, batch } = await putFrames('s');
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  t.after(() => client.close());
  const identity = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest('/arrow.flight.protocol.FlightService/DoPut', identity, identity);
  call.on('error', () => undefined);
  call.write(schema.subarray(5));
  call.write(batch.subarray(5));
  await until(() => server.loads[0]?.batches === 1);
  call.cancel();
  assert.equal((await readFailure(server)).code, 'CANCELLED');
});

test('a client that is killed in mid-stream commits nothing, and its connection is forgotten', {
  skip,
}, async (t) => {
  const server = await startFlightServer(t);
  const received = join(makeTempFolder(t), 'received');
  const arrival = until(() => server.loads[0]?.batches === 10).then(() => writeFileSync(received, ''));
  const killed = await runPython(
    `
import os, sys, time
import pyarrow as pa
import pyarrow.flight as fl
client = fl.connect(sys.argv[1])
table = pa.table({'a': list(range(1000))})
writer, reader = client.do_put(fl.FlightDescriptor.for_path('s'), table.schema)
for _ in range(10): writer.write_table(table)
while not os.path.exists(sys.argv[2]): time.sleep(0.01)
os.kill(os.getpid(), 9)
`,
    [server.url, received],
  );
  await arrival;
  assert.equal(killed.code, null);
  assert.equal((await readFailure(server)).code, 'CANCELLED');
  assert.equal(server.loads[0]?.batches, 10);
  await until(() => server.connections() === 0);
});

test('a connection that is cut inside a message commits nothing', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const { schema, batch } = await putFrames('s');
  const { call, session } = connectRaw(t, server.port);
  const stream = call('DoPut');
  stream.write(schema);
  stream.write(batch.subarray(0, 40));
  await until(() => server.loads.length === 1);
  session.destroy();
  assert.equal((await readFailure(server)).code, 'CANCELLED');
});

test('a stream that ends inside a message is refused and commits nothing', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const { schema, batch } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut');
  stream.write(schema);
  stream.end(batch.subarray(0, 40));
  const end = await readEnd(stream);
  assert.equal((await readFailure(server)).code, 'IPC_TRUNCATED');
  assert.equal(end.status, '3');
});

test('a deadline that passes is DEADLINE_EXCEEDED on both sides', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const attempts = await runClient(
    server.url,
    `
def slow():
    writer, reader = client.do_put(path('s'), table.schema, fl.FlightCallOptions(timeout=3))
    writer.write_table(table)
    time.sleep(4)
    writer.close()
attempt('slow', slow)
`,
  );
  assert.equal(readAttempt(attempts, 'slow').error, 'FlightTimedOutError');
  assert.match((await readFailure(server)).code, /^(DEADLINE_EXCEEDED|CANCELLED)$/);
});

test('a deadline that the server sees first carries the code and the trailers', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const { schema } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut', { 'grpc-timeout': '2000m' });
  stream.write(schema);
  const end = await readEnd(stream);
  assert.equal(end.status, '4');
  assert.match(String(end.message), /^DEADLINE_EXCEEDED: /);
  assert.equal(end.trailers['arrowport-error-code'], 'DEADLINE_EXCEEDED');
  assert.equal((await readFailure(server)).code, 'DEADLINE_EXCEEDED');
});

test('a client that sends nothing for the idle time is given up', { skip }, async (t) => {
  const server = await startFlightServer(t, { settings: { idleTimeoutSeconds: 1 } });
  const { schema } = await putFrames('s');
  const { call } = connectRaw(t, server.port);
  const silent = call('DoPut');
  const half = call('DoPut');
  half.write(schema);
  for (const end of await Promise.all([silent, half].map(readEnd))) {
    assert.equal(end.status, '4');
    assert.match(String(end.message), /limits\.idle_timeout_seconds/);
  }
  assert.equal((await readFailure(server)).code, 'DEADLINE_EXCEEDED');
  assert.equal(server.refused[0]?.code, 'DEADLINE_EXCEEDED');
});

test('a slow client that keeps sending is not idle', { skip }, async (t) => {
  const server = await startFlightServer(t, { settings: { idleTimeoutSeconds: 3 } });
  const { schema, batch } = await putFrames('s');
  const stream = connectRaw(t, server.port).call('DoPut');
  stream.write(schema);
  const piece = Math.ceil(batch.length / 5);
  for (let sent = 0; sent < batch.length; sent += piece) {
    stream.write(batch.subarray(sent, sent + piece));
    await sleep(1000);
  }
  stream.end();
  assert.equal((await readEnd(stream)).status, '0');
  assert.equal(server.loads[0]?.rows, 3);
});

test('messages that are no protobuf, no Arrow or without a descriptor are refused', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const { schema, batch } = await putFrames('s');
  const { call } = connectRaw(t, server.port);
  const attempt = async (...messages: Buffer[]) => {
    const stream = call('DoPut');
    stream.end(Buffer.concat(messages));
    return readEnd(stream);
  };
  assert.match(String((await attempt(frame(Buffer.from([0x0b])))).message), /^IPC_MALFORMED: /);
  assert.match(String((await attempt(schema, frame(Buffer.from([0x12, 5, 1])))).message), /^IPC_MALFORMED: /);
  assert.match(String((await attempt(schema, schema)).message), /^IPC_MALFORMED: /);
  assert.match(String((await attempt(batch)).message), /^OPTION_INVALID: .*descriptor/);
  assert.match(String((await attempt()).message), /^OPTION_INVALID: .*first message/);
  assert.equal((await attempt(schema, batch)).status, '0');
});

test('a client that goes on sending after its refusal is cut off', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const stream = connectRaw(t, server.port).call('DoPut');
  const { batch } = await putFrames('s');
  const ended = readEnd(stream);
  const timer = setInterval(() => !stream.destroyed && stream.write(batch), 50);
  t.after(() => clearInterval(timer));
  const end = await ended;
  assert.match(String(end.message), /^OPTION_INVALID: /);
});

test('a server that stops ends running calls with SHUTTING_DOWN and refuses new ones', {
  skip,
}, async (t) => {
  const server = await startFlightServer(t);
  const { schema } = await putFrames('s');
  const { call, session } = connectRaw(t, server.port);
  const running = call('DoPut');
  running.write(schema);
  await until(() => server.loads.length === 1);
  server.endpoint.setDraining();
  const refused = call('DoPut');
  refused.write(schema);
  const refusal = await readEnd(refused);
  assert.equal(refusal.status, '14');
  assert.equal(refusal.trailers['arrowport-error-code'], 'SHUTTING_DOWN');
  assert.equal(refusal.trailers['retry-after-ms'], '1000');
  const closed = once(session, 'close');
  const ending = readEnd(running);
  await server.endpoint.stop(100);
  assert.match(String((await ending).message), /^SHUTTING_DOWN: /);
  await closed;
  assert.equal((await readFailure(server)).code, 'SHUTTING_DOWN');
  assert.equal(server.connections(), 0);
});

test('a server that stops lets a running call finish within the grace', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const { schema, batch } = await putFrames('s');
  const running = connectRaw(t, server.port).call('DoPut');
  running.write(schema);
  await until(() => server.loads.length === 1);
  const stopped = server.endpoint.stop(5000);
  running.end(batch);
  assert.equal((await readEnd(running)).status, '0');
  await stopped;
  assert.ok(server.loads[0]?.receipt);
});
