import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, brotliDecompressSync, constants, gzipSync } from 'node:zlib';
import { codecs, descriptorType } from '../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../src/endpoints/flight/wire.ts';
import { findMessages } from '../fuzz/ipc-anatomy.ts';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { connectRaw, frame, readEnd } from '../unit/flight/raw-client.ts';
import { type Bomb, makeBombs, zeroStream } from './bombs.ts';
import { readCpuMs, readProcessMemory } from './memory-watch.ts';
import { upload } from './producers.ts';

const refusals = /^(DECOMPRESSED_TOO_LARGE|IPC_MALFORMED|BODY_TOO_LARGE)$/;
/**
 * What a refusal may cost, by the work that unfolding the 64 MiB that are free takes br's own decoder on this machine:
 * 140 ms on a fast one. Most refusals take a fraction of that; to unfold a whole bomb takes dozens of times as much.
 */
const mostCpuMs = Math.max(250, 3 * timeBrotli());
const mostBrotliCpuMs = Math.max(400, 6 * timeBrotli());
const mostGrowthMb = 600;

function timeBrotli(): number {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1 };
  const packed = brotliCompressSync(Buffer.alloc(64 * 2 ** 20), { params });
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    brotliDecompressSync(packed);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

/** Sends a bomb a few times and tells the least work that its refusal took: a busy machine makes all work longer. */
async function measure(server: TestServer, send: () => Promise<string>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 3; time += 1) {
    const before = readCpuMs(server.pid);
    assert.match(await send(), refusals);
    least = Math.min(least, readCpuMs(server.pid) - before);
  }
  return Math.round(least);
}

const descriptor = codecs.flightDescriptor.encode({
  type: descriptorType.PATH,
  cmd: Buffer.alloc(0),
  path: ['bomb'],
});

/** A gRPC message that its own gzip makes small. */
function zip(message: Buffer): Buffer {
  const framed = frame(gzipSync(message));
  framed[0] = 1;
  return framed;
}

/** Sends messages of so many megabytes of zeros, each compressed by gRPC itself, and resolves with the code and what was sent. */
async function putZipped(
  owner: CleanupOwner,
  server: TestServer,
  megabytes: number,
  count: number,
): Promise<{ code: string; bytes: number }> {
  const whole = await zeroStream(megabytes);
  const [schema, batch] = findMessages(whole);
  assert.ok(schema !== undefined && batch !== undefined);
  const body = Buffer.from(whole.subarray(batch.body, batch.end));
  const message = zip(encodeFlightData({ header: headerOf(whole, batch), body }));
  const client = connectRaw(owner, server.port);
  const call = client.call('DoPut', { 'grpc-encoding': 'gzip' });
  const ended = readEnd(call);
  call.write(zip(encodeFlightData({ descriptor, header: headerOf(whole, schema), body: Buffer.alloc(0) })));
  for (let sent = 0; sent < count; sent += 1) call.write(message);
  call.end();
  const { trailers } = await ended;
  client.session.destroy();
  return { code: String(trailers['arrowport-error-code']), bytes: count * message.byteLength };
}

function headerOf(stream: Uint8Array, place: { readonly metadata: number; readonly body: number }): Buffer {
  return Buffer.from(stream.subarray(place.metadata, place.body));
}

async function put(owner: CleanupOwner, server: TestServer, { body }: Bomb): Promise<string> {
  const client = connectRaw(owner, server.port);
  const stream = client.call('DoPut');
  const ended = readEnd(stream);
  for (const [index, place] of findMessages(body).entries()) {
    const header = Buffer.from(body.subarray(place.metadata, place.body));
    const bytes = Buffer.from(body.subarray(place.body, place.end));
    stream.write(frame(encodeFlightData({ ...(index === 0 ? { descriptor } : {}), header, body: bytes })));
  }
  stream.end();
  const { trailers } = await ended;
  client.session.destroy();
  return String(trailers['arrowport-error-code']);
}

const bombs = makeBombs();

for (const door of ['http', 'flight', 'delta'] as const) {
  test(`a megabyte that unfolds to gigabytes is refused before it does, on the door ${door}`, {
    skip: door === 'delta' && skipWithoutPython,
  }, async (t) => {
    const server = await (door === 'delta' ? startDeltaServer(t) : startServer(t));
    const restingMb = readProcessMemory(server.pid).nowMb;
    const cpuMs: Record<string, number> = {};
    for (const bomb of await bombs) {
      if (door === 'flight' && Object.keys(bomb.headers).length > 0) continue;
      const path = door === 'delta' ? '/delta/bomb' : '/ingest/bomb';
      cpuMs[bomb.name] = await measure(server, async () =>
        door === 'flight'
          ? put(t, server, bomb)
          : String((await upload(server, path, bomb.body, bomb.headers)).body['code']),
      );
    }
    t.diagnostic(JSON.stringify(cpuMs));
    for (const [name, ms] of Object.entries(cpuMs)) {
      const most = name.includes(' br') ? mostBrotliCpuMs : mostCpuMs;
      assert.ok(ms < most, `${name}: ${ms} ms`);
    }
    const { peakMb } = readProcessMemory(server.pid);
    assert.ok(peakMb - restingMb < mostGrowthMb, `${peakMb - restingMb} MB more than at rest`);
    await waitFor('memory given back', async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return /^arrowport_inflight_bytes 0$/m.test(text);
    });
  });
}

test('messages that gRPC itself compresses are held to the same ratio, before memory is taken for them', async (t) => {
  const server = await startServer(t);
  const restingMb = readProcessMemory(server.pid).nowMb;
  const cpuMs: Record<string, number> = {};
  // Of 240 MB the declared length is enough; of 60 MB the first one is free, and the second too much.
  for (const [megabytes, count] of [
    [240, 4],
    [60, 16],
  ] as const) {
    const send = async () => (await putZipped(t, server, megabytes, count)).code;
    cpuMs[`${count} x ${megabytes} MB`] = await measure(server, send);
  }
  t.diagnostic(JSON.stringify(cpuMs));
  assert.ok((cpuMs['4 x 240 MB'] ?? Number.NaN) < mostCpuMs);
  const { peakMb } = readProcessMemory(server.pid);
  assert.ok(peakMb - restingMb < mostGrowthMb, `${peakMb - restingMb} MB more than at rest`);
  // What does not unfold beyond measure loads.
  assert.deepEqual((await putZipped(t, server, 16, 3)).code, 'undefined');
});
