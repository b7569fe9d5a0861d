import assert from 'node:assert/strict';
import { Agent, type ClientRequest, request } from 'node:http';
import { test } from 'node:test';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../src/arrow/stream-writer.ts';
import { codecs, descriptorType } from '../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../src/endpoints/flight/wire.ts';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { waitForLoads } from '../integration/metric-samples.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { arrayOf, field } from '../unit/arrow/stream-fixtures.ts';
import { connectRaw, frame, readEnd } from '../unit/flight/raw-client.ts';
import { deliver } from './producers.ts';

const column = field('n', { kind: 'int', bitWidth: 64, signed: true });
const schema = encodeSchemaMessage({ fields: [column], metadata: new Map() });

async function message(megabytes: number) {
  const rows = megabytes * 131_072;
  return encodeRecordBatchMessage([arrayOf(column, rows, 0, [null, new BigInt64Array(rows)])], rows, {
    codec: null,
  });
}

async function body(megabytes: number): Promise<Buffer> {
  const { metadata, body: bytes } = await message(megabytes);
  return Buffer.concat([frameMetadata(schema), frameMetadata(metadata), bytes, endOfStream]);
}

/** A client that sends the start of a body and then a byte a second. */
interface Dripper {
  /** The status and code of its answer. */
  readonly answer: Promise<string>;
}

async function dripByHttp(
  owner: CleanupOwner,
  server: TestServer,
  path: string,
  megabytes: number,
  sent: number,
  drips = true,
): Promise<Dripper> {
  const whole = await body(megabytes);
  const outgoing: ClientRequest = request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path,
    headers: { 'content-type': 'application/vnd.apache.arrow.stream', 'transfer-encoding': 'chunked' },
    agent: new Agent({ keepAlive: false }),
  });
  owner.after(() => void outgoing.destroy());
  const timer = setInterval(() => drips && outgoing.write(Buffer.alloc(1)), 1000);
  const answer = new Promise<string>((resolve) => {
    outgoing.on('error', (error) => resolve(error.message));
    outgoing.on('response', (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      incoming.on('end', () => {
        outgoing.destroy();
        resolve(`${incoming.statusCode} ${String((JSON.parse(text) as { code?: string }).code)}`);
      });
    });
  }).finally(() => clearInterval(timer));
  outgoing.write(whole.subarray(0, sent));
  return { answer };
}

async function dripByFlight(
  owner: CleanupOwner,
  server: TestServer,
  megabytes: number,
  sent: number,
): Promise<Dripper> {
  const descriptor = codecs.flightDescriptor.encode({
    type: descriptorType.PATH,
    cmd: Buffer.alloc(0),
    path: ['drip'],
  });
  const { metadata, body: bytes } = await message(megabytes);
  const stream = connectRaw(owner, server.port).call('DoPut');
  const end = readEnd(stream);
  stream.write(frame(encodeFlightData({ descriptor, header: Buffer.from(schema) })));
  const whole = frame(encodeFlightData({ header: Buffer.from(metadata), body: Buffer.from(bytes) }));
  stream.write(whole.subarray(0, sent));
  const timer = setInterval(() => {
    if (!stream.destroyed) stream.write(Buffer.alloc(1));
  }, 1000);
  const answer = end
    .then(({ status, trailers }) => `${status} ${String(trailers['arrowport-error-code'])}`)
    .finally(() => clearInterval(timer));
  return { answer };
}

async function inflight(server: TestServer): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^arrowport_inflight_bytes (\S+)$/m.exec(text)?.[1] ?? Number.NaN);
}

const MiB = 2 ** 20;

test('clients that announce 64 MB and send a byte a second hold what they sent, and keep nobody waiting', async (t) => {
  const server = await startServer(t, { config: `limits: {max_inflight_bytes: ${16 * MiB}}\n` });
  for (let client = 0; client < 4; client += 1) {
    await dripByHttp(t, server, '/ingest/drip', 64, 100_000);
    await dripByFlight(t, server, 64, 100_000);
  }
  await waitForLoads(server, 8);
  assert.ok((await inflight(server)) <= 8 * MiB, 'a MiB each');
  assert.equal((await deliver(server, '/ingest/other', await body(8))).refusals, 0);
});

test('a slow client that holds the memory others wait for gives way within seconds, on every door', {
  skip: skipWithoutPython,
}, async (t) => {
  const config = `limits: {max_inflight_bytes: ${4 * MiB}}\n`;
  const doors = [
    (server: TestServer) => dripByHttp(t, server, '/ingest/drip', 16, 3 * MiB),
    (server: TestServer) => dripByHttp(t, server, '/delta/drip', 16, 3 * MiB),
    (server: TestServer) => dripByFlight(t, server, 16, 3 * MiB),
  ];
  const answers = doors.map(async (drip) => {
    const server = await startDeltaServer(t, config);
    const { answer } = await drip(server);
    await waitFor('what it holds', async () => (await inflight(server)) >= 3 * MiB);
    assert.equal((await deliver(server, '/ingest/other', await body(2))).rows, 2 * 131_072);
    const given = await answer;
    await waitFor('memory given back', async () => (await inflight(server)) === 0);
    return given;
  });
  assert.deepEqual(await Promise.all(answers), ['429 OVERLOADED', '429 OVERLOADED', '14 OVERLOADED']);
});

test('a client that stalls is ended by idle_timeout_seconds, whatever it holds', async (t) => {
  const server = await startServer(t, { config: 'limits: {idle_timeout_seconds: 1}\n' });
  const { answer } = await dripByHttp(t, server, '/ingest/stalled', 4, 2 * MiB, false);
  assert.equal(await answer, '504 DEADLINE_EXCEEDED');
  await waitFor('memory given back', async () => (await inflight(server)) === 0);
});
