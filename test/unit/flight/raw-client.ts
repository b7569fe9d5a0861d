import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { codecs, descriptorType } from '../../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../../src/endpoints/flight/wire.ts';
import { arrowBytes } from '../../support/arrow.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

/** An HTTP/2 connection that speaks gRPC frame by frame, to do what well-behaved clients do not. */
export interface RawClient {
  readonly session: ClientHttp2Session;
  /** Opens a call of the Flight service; errors of its stream are kept from the process. */
  call(method: string, headers?: Readonly<Record<string, string>>): ClientHttp2Stream;
}

/** How a call ended for the client. */
export interface RawEnd {
  readonly status: string | undefined;
  readonly message: string | undefined;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly resetCode: number | undefined;
}

/** Connects; closed with `owner`. */
export function connectRaw(owner: CleanupOwner, port: number): RawClient {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  owner.after(() => session.destroy());
  return {
    session,
    call(method, headers = {}) {
      const stream = session.request({
        ':method': 'POST',
        ':path': `/arrow.flight.protocol.FlightService/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.on('error', () => undefined);
      return stream;
    },
  };
}

/** Waits until a call is over and tells how it ended. Discards what is received. */
export function readEnd(stream: ClientHttp2Stream): Promise<RawEnd> {
  return new Promise((resolve) => {
    let trailers: Readonly<Record<string, unknown>> = {};
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) trailers = headers;
    });
    stream.on('trailers', (headers) => {
      trailers = headers;
    });
    stream.on('close', () => {
      const status = trailers['grpc-status'];
      const message = trailers['grpc-message'];
      resolve({
        status: status === undefined ? undefined : String(status),
        message: message === undefined ? undefined : decodeURIComponent(String(message)),
        trailers,
        resetCode: stream.rstCode,
      });
    });
    stream.resume();
  });
}

/** One DoPut written in HTTP/2 frames by hand: Node's own client cannot reset a stream that it has not ended. */
export interface WirePut {
  /** Sends a DATA frame, at most 16 KiB, without ending the stream. */
  send(data: Buffer): void;
  /** Sends RST_STREAM. */
  reset(code: number): void;
}

/** Opens a connection with a DoPut on it; closed with `owner`. */
export async function openWirePut(owner: CleanupOwner, port: number): Promise<WirePut> {
  const socket = connectTcp(port, '127.0.0.1');
  owner.after(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  const sendFrame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    socket.write(Buffer.concat([head, payload]));
  };
  socket.resume();
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  sendFrame(4, 0, 0, Buffer.alloc(0));
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/arrow.flight.protocol.FlightService/DoPut',
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const literals = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0]),
    text(name),
    text(value),
  ]);
  sendFrame(1, 4, 1, Buffer.concat(literals));
  return {
    send: (data) => sendFrame(0, 0, 1, data),
    reset(code) {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(code);
      sendFrame(3, 0, 1, payload);
    },
  };
}

/** A message as gRPC frames it. */
export function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The framed messages of a DoPut to a stream: first the schema with the descriptor, then one batch of three rows. */
export async function putFrames(stream: string): Promise<{ schema: Buffer; batch: Buffer }> {
  const bytes = await arrowBytes(`table = pa.table({'a': [1, 2, 3]})`);
  const [schema, batch] = splitMessages(bytes);
  const descriptor = codecs.flightDescriptor.encode({
    type: descriptorType.PATH,
    cmd: Buffer.alloc(0),
    path: [stream],
  });
  return {
    schema: frame(encodeFlightData({ descriptor, header: schema?.header ?? Buffer.alloc(0) })),
    batch: frame(encodeFlightData(batch ?? {})),
  };
}

/** Cuts an IPC stream of a schema and one batch into its messages; the rest of the bytes are the batch's body. */
function splitMessages(stream: Buffer): { header: Buffer; body: Buffer }[] {
  const schemaLength = stream.readInt32LE(4);
  const schema = stream.subarray(8, 8 + schemaLength);
  const batchStart = 8 + schemaLength;
  const batchLength = stream.readInt32LE(batchStart + 4);
  const header = stream.subarray(batchStart + 8, batchStart + 8 + batchLength);
  const body = stream.subarray(batchStart + 8 + batchLength, stream.length - 8);
  return [
    { header: schema, body: Buffer.alloc(0) },
    { header, body },
  ];
}
