import { connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '../crash/seeded-random.ts';
import type { TestServer } from '../support/server.ts';

/** What a connection needs to be opened and to die. */
export interface Hostility {
  readonly server: Pick<TestServer, 'port'>;
  readonly random: SeededRandom;
  /** An IPC stream that the server would take. */
  readonly body: Buffer;
}

/** One way to open a connection and let it die, or to use it as it is meant; resolves when it is over. */
export type Deed = (hostility: Hostility) => Promise<void>;

const answerPatienceMs = 240_000;
const flightPath = '/arrow.flight.protocol.FlightService/DoPut';

/** Opened and reset before the first byte. */
async function silent({ server, random }: Hostility): Promise<void> {
  const socket = await open(server.port);
  await sleep(random.int(0, 100));
  await reset(socket);
}

/** Reset within the first bytes, by which HTTP/2 is told from HTTP/1.1, or those of a TLS handshake. */
async function halfGreeting({ server, random }: Hostility): Promise<void> {
  const socket = await open(server.port);
  const greetings = [
    'PRI * HT',
    'POST /ing',
    '\u0016\u0003\u0001\u0002\u0000\u0001',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ];
  socket.write(Buffer.from(random.pick(greetings), 'latin1'));
  await sleep(random.int(0, 50));
  await reset(socket);
}

/** Reset in the middle of an HTTP body. */
async function halfBody({ server, random, body }: Hostility): Promise<void> {
  const socket = await open(server.port);
  socket.write(
    `POST /ingest/soak HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.apache.arrow.stream\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await writeSome(socket, body.subarray(0, random.int(1, body.length - 1)));
  await sleep(random.int(0, 60));
  await reset(socket);
}

/** The whole body, and away before the answer. */
async function goneBeforeAnswer({ server, random, body }: Hostility): Promise<void> {
  const socket = await open(server.port);
  socket.write(
    `POST /ingest/soak HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.apache.arrow.stream\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await writeSome(socket, body);
  await sleep(random.int(0, 20));
  await reset(socket);
}

/** A whole load over HTTP: who comes back must be served. */
async function wholeLoad({ server, body }: Hostility): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.port}/ingest/soak`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/vnd.apache.arrow.stream', connection: 'close' },
    signal: AbortSignal.timeout(answerPatienceMs),
  });
  const text = await response.text();
  // A crowd may be told to wait; anything else is a failure.
  if (response.status !== 200 && response.status !== 429) throw new Error(`${response.status}: ${text}`);
}

/** A DoPut that dies in the middle of a message, with its connection or by itself. */
async function halfDoPut({ server, random }: Hostility): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${server.port}`);
  session.on('error', () => undefined);
  const call = session.request({
    ':method': 'POST',
    ':path': flightPath,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  call.on('error', () => undefined);
  call.resume();
  const announced = Buffer.alloc(5);
  announced.writeUInt32BE(random.int(1000, 8_000_000), 1);
  call.write(Buffer.concat([announced, Buffer.alloc(random.int(0, 900), 0x0a)]));
  await sleep(random.int(0, 60));
  if (random.unit() < 0.5) call.close(constants.NGHTTP2_CANCEL);
  await sleep(random.int(0, 10));
  session.destroy();
}

/** HTTP/2 that ends within its own handshake: a preface, a frame's head, and no frame. */
async function halfHandshake({ server, random }: Hostility): Promise<void> {
  const socket = await open(server.port);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
  const settings = Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4]);
  socket.write(Buffer.concat([preface, settings]).subarray(0, random.int(20, 35)));
  await sleep(random.int(0, 60));
  await reset(socket);
}

/** Every deed there is; the decent one comes up as often as the others. */
export const deeds: readonly Deed[] = [
  silent,
  halfGreeting,
  halfBody,
  goneBeforeAnswer,
  halfDoPut,
  halfHandshake,
  wholeLoad,
];

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => resolve(socket));
    socket.on('error', reject);
    socket.resume();
  });
}

/** Writes what the server takes within a second. */
async function writeSome(socket: Socket, bytes: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.write(bytes, () => resolve());
  socket.once('close', resolve);
  const timer = setTimeout(resolve, 1000);
  await promise;
  clearTimeout(timer);
}

/** Ends a connection with a TCP reset, unless the server has ended it already. */
async function reset(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.resetAndDestroy();
  await closed;
}
