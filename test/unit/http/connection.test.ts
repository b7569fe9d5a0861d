import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';
import { runPython, skipWithoutPython } from '../../support/python.ts';
import { ARROW_STREAM, countRows, ipcStream, openDoor, readAll, readUntil } from './http-server.ts';

function head(path: string, headers: Record<string, string | number>): string {
  const lines = Object.entries({ host: 'x', 'content-type': ARROW_STREAM, ...headers });
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** Writes as a client does that looks at nothing until it has sent everything. */
async function writeBlindly(socket: Socket, bytes: number): Promise<void> {
  const piece = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
  }
}

/** Follows the next load of a door to its end. */
function watchLoad() {
  const { promise, resolve } = Promise.withResolvers<{ error: ArrowportError; signal: AbortSignal }>();
  const ingest: typeof countRows = async (request) => {
    try {
      return await countRows(request);
    } catch (error) {
      resolve({ error: error as ArrowportError, signal: request.signal });
      throw error;
    }
  };
  return { ingest, failed: promise };
}

describe('clients that go away or stand still', () => {
  for (const framing of ['content-length', 'chunked'] as const) {
    test(`a body that is cut off (${framing}) fails as CANCELLED and fires the signal`, async (t) => {
      const load = watchLoad();
      const door = await openDoor(t, { ingest: load.ingest });
      const socket = await door.connect();
      const body = Buffer.concat(await ipcStream(3, 1000));
      if (framing === 'content-length') {
        socket.write(head('/ingest/s', { 'content-length': body.length }));
        socket.write(body.subarray(0, body.length - 8));
      } else {
        // Every byte of the stream, its end marker included: only the end of the chunked body is missing.
        socket.write(head('/ingest/s', { 'transfer-encoding': 'chunked' }));
        socket.write(`${body.length.toString(16)}\r\n`);
        socket.write(body);
        socket.write('\r\n');
      }
      await waitFor('the load', () => door.requests.length === 1);
      socket.destroy();
      const { error, signal } = await load.failed;
      assert.equal(error.code, 'CANCELLED');
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason.code, 'CANCELLED');
    });
  }

  test('a compressed body that is cut off is CANCELLED too, not a broken stream', async (t) => {
    const load = watchLoad();
    const door = await openDoor(t, { ingest: load.ingest });
    const socket = await door.connect();
    socket.write(head('/ingest/s', { 'content-length': 1000, 'content-encoding': 'gzip' }));
    socket.write(Buffer.from('1f8b0800', 'hex'));
    await waitFor('the load', () => door.requests.length === 1);
    socket.destroy();
    assert.equal((await load.failed).error.code, 'CANCELLED');
  });

  test('a client that goes away while its load commits fires the signal', async (t) => {
    const fired = Promise.withResolvers<unknown>();
    const counted = Promise.withResolvers<void>();
    const door = await openDoor(t, {
      ingest: async (request) => {
        const receipt = await countRows(request);
        request.signal.addEventListener('abort', () => fired.resolve(request.signal.reason));
        counted.resolve();
        await fired.promise;
        return receipt;
      },
    });
    const socket = await door.connect();
    const body = Buffer.concat(await ipcStream(1, 10));
    socket.write(head('/ingest/s', { 'content-length': body.length }));
    socket.write(body);
    await counted.promise;
    socket.destroy();
    assert.equal(((await fired.promise) as ArrowportError).code, 'CANCELLED');
  });

  test('a client that sends nothing for the idle timeout gets DEADLINE_EXCEEDED and is disconnected', async (t) => {
    const door = await openDoor(t, { settings: { idleTimeoutSeconds: 0.2 } });
    const socket = await door.connect();
    const [schema] = await ipcStream(1, 1);
    const answer = readAll(socket);
    socket.write(head('/ingest/s', { 'content-length': 100_000 }));
    socket.write(schema ?? '');
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 504 /);
    assert.match(text, /connection: close/i);
    assert.match(text, /"code":"DEADLINE_EXCEEDED"/);
  });

  test('a slow client that keeps sending is not idle, and neither is one that waits for a slow server', async (t) => {
    const door = await openDoor(t, {
      settings: { idleTimeoutSeconds: 2 },
      ingest: async (request) => {
        await delay(3000);
        return countRows(request);
      },
    });
    const socket = await door.connect();
    const body = Buffer.concat(await ipcStream(1, 10));
    const answer = readUntil(socket, /\r\n\r\n\{.*\}/);
    socket.write(head('/ingest/s', { 'content-length': body.length }));
    const piece = Math.ceil(body.length / 4);
    for (let offset = 0; offset < body.length; offset += piece) {
      socket.write(body.subarray(offset, offset + piece));
      await delay(700);
    }
    assert.match(await answer, /^HTTP\/1\.1 200 /);
  });

  test('the head of a request must come in time', async (t) => {
    const door = await openDoor(t, { headersTimeoutMs: 300 });
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.write('POST /ingest/s HTTP/1.1\r\nhost: x\r\n');
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.match(text, /application\/problem\+json/);
  });

  test('a head that is too large and bytes that are no HTTP are plain problems', async (t) => {
    const door = await openDoor(t);
    const large = await door.connect();
    const first = readAll(large);
    large.write(head('/ingest/s', { 'x-large': 'x'.repeat(20_000) }));
    assert.match(await first, /^HTTP\/1\.1 431 .*"type":"about:blank"/s);
    const noise = await door.connect();
    const second = readAll(noise);
    noise.write('hello there\r\n\r\n');
    assert.match(await second, /^HTTP\/1\.1 400 .*\r\nx-request-id: .*"type":"about:blank"/s);
  });

  test('a client that ends its side inside the body is told so', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.end(`${head('/ingest/s', { 'content-length': 100 })}xyz`);
    assert.match(await answer, /^HTTP\/1\.1 400 .*The request ended before the end of its body/s);
  });
});

describe('refusals before the body is read', () => {
  const refused = '/ingest/-impossible';

  test('a client that sends 100 MB blindly still reads its answer', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.write(head(refused, { 'content-length': 100 * 1024 * 1024 }));
    await writeBlindly(socket, 100 * 1024 * 1024);
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.match(text, /connection: close/i);
    assert.match(text, /"code":"STREAM_NAME_INVALID"/);
  });

  test('so does one whose URL cannot be decoded', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.write(head('/ingest/%zz', { 'content-length': 100 * 1024 * 1024 }));
    await writeBlindly(socket, 100 * 1024 * 1024);
    assert.match(await answer, /"code":"STREAM_NAME_INVALID"/);
  });

  test('so does one that is refused in the middle of its body', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.write(head('/ingest/s', { 'content-length': 100 * 1024 * 1024 }));
    await writeBlindly(socket, 100 * 1024 * 1024);
    assert.match(await answer, /"code":"IPC_MALFORMED"/);
  });

  test('and so does the client of the Python standard library', { skip: skipWithoutPython }, async (t) => {
    const door = await openDoor(t);
    const program = `
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
for content_type in ['text/csv', '${ARROW_STREAM}']:
    connection.request('POST', '/ingest/s', body=bytes(100 << 20), headers={'content-type': content_type})
    response = connection.getresponse()
    print(response.status, response.getheader('content-type'), len(response.read()) > 0)
`;
    const result = await runPython(program, [String(door.port)]);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stdout, '415 application/problem+json True\n400 application/problem+json True\n');
  });

  test('the answer comes at once, while the client is still sending', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readUntil(socket, /STREAM_NAME_INVALID/);
    socket.write(head(refused, { 'content-length': 1_000_000_000 }));
    socket.write(Buffer.alloc(10_000));
    await answer;
    assert.equal(door.requests.length, 0);
  });

  for (const [what, path, headers, status] of [
    ['a bad name', refused, {}, 400],
    ['a bad media type', '/ingest/s', { 'content-type': 'text/csv' }, 415],
    ['a bad encoding', '/ingest/s', { 'content-encoding': 'compress' }, 415],
    ['too large a length', '/ingest/s', { 'content-length': 10_000_000_000 }, 413],
  ] as const) {
    test(`a client that asks with Expect: 100-continue is refused for ${what} without being told to go on`, async (t) => {
      const door = await openDoor(t, { settings: { maxBodyBytes: 1_000_000_000 } });
      const socket = await door.connect();
      const answer = readAll(socket);
      socket.write(head(path, { expect: '100-continue', 'content-length': 1000, ...headers }));
      const text = await answer;
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.doesNotMatch(text, /100 Continue/);
    });
  }

  test('a client that asks with Expect: 100-continue and is welcome is told to go on', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(1, 10));
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': ARROW_STREAM, expect: '100-continue', 'content-length': body.length };
      const request = httpRequest(`${door.url}/ingest/s`, { method: 'POST', headers }, (response) =>
        resolve(response.statusCode),
      );
      request.on('continue', () => request.end(body));
      request.on('error', reject);
      request.flushHeaders();
    });
    assert.equal(status, 200);
  });
});

describe('a door that closes', () => {
  test('answers new requests on open connections with SHUTTING_DOWN, health and metrics as before', async (t) => {
    const door = await openDoor(t);
    const open = await Promise.all([door.connect(), door.connect(), door.connect(), door.connect()]);
    door.endpoint.setDraining();
    const answers = open.map(readAll);
    const body = Buffer.concat(await ipcStream(1, 1));
    open[0]?.write(head('/ingest/s', { 'content-length': body.length }));
    open[0]?.write(body);
    for (const [index, path] of ['/health/live', '/health/ready', '/metrics'].entries()) {
      open[index + 1]?.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    }
    const [ingest, live, ready, metrics] = await Promise.all(answers);
    assert.match(ingest ?? '', /^HTTP\/1\.1 503 .*retry-after: 5\r\n.*"code":"SHUTTING_DOWN"/s);
    assert.match(ingest ?? '', /connection: close/i);
    assert.match(live ?? '', /^HTTP\/1\.1 200 /);
    assert.match(ready ?? '', /^HTTP\/1\.1 503 .*"status":"unavailable"/s);
    assert.match(metrics ?? '', /^HTTP\/1\.1 200 /);
    assert.equal(door.requests.length, 0);
  });

  test('lets a running load finish', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readAll(socket);
    const body = Buffer.concat(await ipcStream(2, 100));
    socket.write(head('/ingest/s', { 'content-length': body.length }));
    socket.write(body.subarray(0, 500));
    await waitFor('the load', () => door.requests.length === 1);
    const stopped = door.endpoint.stop(100_000);
    await delay(50);
    socket.write(body.subarray(500));
    assert.match(await answer, /^HTTP\/1\.1 200 .*"rows_processed":200/s);
    await stopped;
  });

  test('ends a load that does not finish in time, with an answer', async (t) => {
    const load = watchLoad();
    const door = await openDoor(t, { ingest: load.ingest });
    const socket = await door.connect();
    const answer = readAll(socket);
    socket.write(head('/ingest/s', { 'content-length': 100_000 }));
    await waitFor('the load', () => door.requests.length === 1);
    await door.endpoint.stop(100);
    assert.equal((await load.failed).error.code, 'SHUTTING_DOWN');
    assert.match(await answer, /^HTTP\/1\.1 503 .*"code":"SHUTTING_DOWN"/s);
  });

  test('closes idle connections and counts them', async (t) => {
    const door = await openDoor(t);
    const socket = await door.connect();
    const answer = readUntil(socket, /\}\n$/);
    socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
    await answer;
    assert.equal(door.connections.open, 1);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await door.endpoint.stop(1000);
    await closed;
    assert.equal(door.connections.open, 0);
  });
});
