import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPort, type Port } from '../../../src/endpoints/port.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

interface TestPort {
  readonly port: Port;
  readonly number: number;
  /** What arrived at each door, one entry a connection. */
  readonly http1: string[];
  readonly http2: string[];
  readonly connect: () => Promise<Socket>;
}

/** A port whose doors gather the text they are sent and answer with their name. */
async function startPort(owner: CleanupOwner, firstBytesMs?: number): Promise<TestPort> {
  const http1: string[] = [];
  const http2: string[] = [];
  const door = (name: string, received: string[]) => (socket: Socket) => {
    const index = received.push('') - 1;
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      received[index] = (received[index] ?? '') + text;
    });
    if (name === 'two') socket.resume();
    socket.on('error', () => undefined);
    socket.write(name);
  };
  const port = createPort({
    key: 'port',
    host: '127.0.0.1',
    port: 0,
    onHttp1: door('one', http1),
    onHttp2: door('two', http2),
    ...(firstBytesMs === undefined ? {} : { firstBytesMs }),
  });
  const { port: number } = await port.listen();
  owner.after(() => port.close());
  const open = async () => {
    const socket = connect(number, '127.0.0.1');
    socket.on('error', () => undefined);
    owner.after(() => {
      socket.destroy();
    });
    await once(socket, 'connect');
    return socket;
  };
  return { port, number, http1, http2, connect: open };
}

test('each protocol reaches its door with every byte, in one piece or byte by byte', async (t) => {
  const { http1, http2, connect: open } = await startPort(t);
  const texts = [
    `${PREFACE}rest`,
    'POST /ingest HTTP/1.1\r\n',
    'PUT / HTTP/1.1\r\n',
    'PRI * HTTP/1.1\r\n',
    'G',
  ];
  for (const text of texts) {
    const whole = await open();
    whole.write(text, 'latin1');
    const pieces = await open();
    pieces.setNoDelay();
    for (const byte of text) {
      pieces.write(byte);
      await sleep(1);
    }
  }
  const expectedOne = texts.slice(1).flatMap((text) => [text, text]);
  const sent = 2 * texts.join('').length;
  await waitFor('every byte', () => [...http1, ...http2].join('').length >= sent);
  assert.deepEqual(http2, [texts[0], texts[0]]);
  assert.deepEqual(http1.toSorted(), expectedOne.toSorted());
});

test('an HTTP/1.1 server behind the port gets requests in one piece, in pieces and one after another', async (t) => {
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    response.end(`${request.method} ${Buffer.concat(chunks).length}`);
  });
  t.after(() => server.closeAllConnections());
  const port = createPort({
    key: 'port',
    host: '127.0.0.1',
    port: 0,
    onHttp1: (socket) => server.emit('connection', socket),
    onHttp2: (socket) => socket.destroy(),
  });
  t.after(() => port.close());
  const url = `http://127.0.0.1:${(await port.listen()).port}/`;
  for (let round = 0; round < 5; round++) {
    const small = await fetch(url, { method: 'POST', body: 'small' });
    assert.equal(await small.text(), 'POST 5');
    const large = await fetch(url, { method: 'PUT', body: Buffer.alloc(3_000_000) });
    assert.equal(await large.text(), 'PUT 3000000');
  }
  const slow = connect(Number(new URL(url).port), '127.0.0.1');
  for (const piece of ['P', 'OST / HTTP/1.1\r\nHo', 'st: a\r\nContent-Length: 4\r\n\r\n', 'ab', 'cd']) {
    slow.write(piece);
    await sleep(20);
  }
  const [answer] = await once(slow, 'data');
  assert.match(String(answer), /POST 4$/m);
  slow.destroy();
});

test('a connection that shows nothing in time, or leaves before, is dropped', async (t) => {
  const { http1, http2, connect: open } = await startPort(t, 100);
  const silent = await open();
  const half = await open();
  half.write('PRI * HT');
  const left = await open();
  left.write('PRI');
  left.end();
  const reset = await open();
  reset.write('PR');
  reset.resetAndDestroy();
  await Promise.all([silent, half, left].map((socket) => once(socket.resume(), 'close')));
  assert.deepEqual([http1, http2], [[], []]);
});

test('closing stops listening, drops the undecided and leaves the decided alone', async (t) => {
  const { port, number, http1, connect: open } = await startPort(t);
  const undecided = await open();
  const decided = await open();
  decided.write('GET / ');
  await once(decided, 'data');
  const dropped = once(undecided.resume(), 'close');
  await port.close();
  await dropped;
  decided.write('more');
  await waitFor('the rest', () => http1[0] !== 'GET / ');
  assert.deepEqual(http1, ['GET / more']);
  const late = connect(number, '127.0.0.1');
  const [error] = await once(late, 'error');
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
});

test('a port in use is an error of one line that names it', async (t) => {
  const { number } = await startPort(t);
  const ignore = () => undefined;
  const second = createPort({
    key: 'flight_port',
    host: '127.0.0.1',
    port: number,
    onHttp1: null,
    onHttp2: ignore,
  });
  await assert.rejects(second.listen(), (error: unknown) => {
    assert.ok(error instanceof ArrowportError);
    assert.equal(error.code, 'OPTION_INVALID');
    assert.match(error.message, new RegExp(`^flight_port ${number} is in use on 127\\.0\\.0\\.1: [^\\n]+$`));
    return true;
  });
  const nowhere = createPort({ key: 'port', host: '192.0.2.1', port: 0, onHttp1: null, onHttp2: ignore });
  await assert.rejects(nowhere.listen(), /host 192\.0\.2\.1 is no address of this machine/);
});
