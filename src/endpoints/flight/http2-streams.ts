import { randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { completeStatusHeaders } from './status.ts';

/** Bytes that a client may send ahead of what is read, per connection and per stream; HTTP/2's own 64 KiB caps a stream at 0.4 GB/s. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** How long a client may go on sending after it was answered, before its stream is reset. */
const DISCARD_MS = 2000;
/** Carries a stream's key from the HTTP/2 layer to the call; whatever a client sends under this name is overwritten. */
const STREAM_KEY_HEADER = 'arrowport-internal-stream';
const SERVICE_PATH = /^\/arrow\.flight\.protocol\./;

const openedSessions = new WeakSet<object>();
const streamsByKey = new Map<string, ServerHttp2Stream>();
let subscribed = false;

/** The HTTP/2 side of one call, which the gRPC library does not show. */
export interface CallTransport {
  /** Bytes of DATA frames received so far: tells a slow client from a silent one. */
  bytesReceived(): number;
  /** Resets the stream unless it is closed after this time: frees an answered call whose client reads nothing. */
  closeWithin(ms: number): void;
}

/**
 * Prepares every HTTP/2 stream of the Flight service in this process: windows opened wide, statuses that the gRPC
 * library makes by itself completed, endless senders reset after their answer. Works by Node's diagnostics channel
 * `http2.server.stream.created`, since the gRPC library offers no setting for any of these. Idempotent.
 * @see https://nodejs.org/api/diagnostics_channel.html#http2
 */
export function prepareHttp2Streams(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe('http2.server.stream.created', (message) => {
    const { stream, headers } = message as { stream: ServerHttp2Stream; headers: IncomingHttpHeaders };
    if (!SERVICE_PATH.test(String(headers[':path']))) return;
    openWindows(stream.session);
    completeStatuses(stream);
    boundDiscarding(stream);
    const key = randomUUID();
    headers[STREAM_KEY_HEADER] = key;
    streamsByKey.set(key, stream);
    stream.once('close', () => streamsByKey.delete(key));
  });
}

/** The transport of the call that came with this metadata; takes the internal header out of it. Call once per call. */
export function takeCallTransport(metadata: Metadata): CallTransport {
  const [key] = metadata.get(STREAM_KEY_HEADER);
  metadata.remove(STREAM_KEY_HEADER);
  const stream = key === undefined ? undefined : streamsByKey.get(key.toString());
  let received = 0;
  // The gRPC library has paused the stream and decides when it flows; one more listener changes nothing of that.
  stream?.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  return {
    bytesReceived: () => received,
    closeWithin(ms) {
      if (stream !== undefined) resetAfter(stream, ms, constants.NGHTTP2_CANCEL);
    },
  };
}

function openWindows(session: ServerHttp2Stream['session']): void {
  if (session === undefined || openedSessions.has(session)) return;
  openedSessions.add(session);
  const server = session as ServerHttp2Session;
  server.setLocalWindowSize(WINDOW_BYTES);
  server.settings({ initialWindowSize: WINDOW_BYTES });
}

function completeStatuses(stream: ServerHttp2Stream): void {
  const respond = stream.respond.bind(stream);
  const sendTrailers = stream.sendTrailers.bind(stream);
  stream.respond = (headers, options) =>
    respond(headers && completeStatusHeaders(headers as OutgoingHttpHeaders), options);
  stream.sendTrailers = (headers) => sendTrailers(completeStatusHeaders(headers));
}

function boundDiscarding(stream: ServerHttp2Stream): void {
  stream.once('finish', () => {
    if (!stream.readableEnded) resetAfter(stream, DISCARD_MS, constants.NGHTTP2_NO_ERROR);
  });
}

function resetAfter(stream: ServerHttp2Stream, ms: number, code: number): void {
  if (stream.closed) return;
  const timer = setTimeout(() => stream.close(code), ms);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
}
