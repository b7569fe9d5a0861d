import { randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { ArrowportError } from '../../errors.ts';
import { explainForeign } from './foreign-requests.ts';
import { adjustWindow } from './http2-windows.ts';
import { findLibraryError, withError } from './status.ts';

/** How long a client may go on sending after it was answered, before its stream is reset. */
const DISCARD_MS = 2000;
/** How long the one small message of a call other than the streaming ones may take to arrive. */
const REQUEST_MS = 60_000;
/** How large it may be. */
const REQUEST_BYTES = 16 * 1024 * 1024;
/** How large everything that a client sends in a handshake may be: nobody knows yet who it is. */
const HANDSHAKE_BYTES = 64 * 1024;
/** Carries a stream's key from the HTTP/2 layer to the call; whatever a client sends under this name is overwritten. */
const STREAM_KEY_HEADER = 'arrowport-internal-stream';
const SERVICE_PATH = /^\/arrow\.flight\.protocol\.FlightService\/(\w+)$/;
const METHODS_OF_LONG_REQUESTS: readonly (string | undefined)[] = ['DoPut', 'DoExchange'];

/** Where a call came from. */
export interface CallSource {
  /** The connection; undefined when it is gone. */
  readonly socket: object | undefined;
  /** Whether the call came with `authorization` more than once, of which Node shows the first. */
  readonly hasDuplicateCredentials: boolean;
}

/** The HTTP/2 side of one call, which the gRPC library does not show. */
export interface CallTransport {
  readonly source: CallSource;
  /** Takes the request away from the gRPC library, paused and with all its bytes; before the first is asked for. */
  takeRequest(): { readonly stream: ServerHttp2Stream; readonly encoding: string };
  /** The stream to write messages to, once the call's headers are sent. */
  response(): ServerHttp2Stream;
  /** The connection that the call came on; undefined when it is gone. */
  connection(): Http2Session | undefined;
  /** The error that the gRPC library has answered the call with by itself, if it has. */
  libraryError(): ArrowportError | undefined;
  /** Resets the stream unless it is closed after this time: frees an answered call whose client reads nothing. */
  closeWithin(ms: number): void;
}

interface TrackedStream {
  readonly stream: ServerHttp2Stream;
  /** The call's `grpc-encoding`. */
  readonly encoding: string;
  libraryError: ArrowportError | undefined;
  hasDuplicateCredentials: boolean;
}

const tracked = new Map<string, TrackedStream>();
const trackedStreams = new WeakMap<ServerHttp2Stream, TrackedStream>();
const watchedSessions = new WeakSet<Http2Session>();
let subscribed = false;

/**
 * Prepares every HTTP/2 stream of the Flight service in this process: windows opened wide, statuses that the gRPC
 * library makes by itself put into the words of the error table, requests and answers without an end cut off. Works by
 * Node's diagnostics channel `http2.server.stream.created`, since the gRPC library has no setting for any of these.
 * @see https://nodejs.org/api/diagnostics_channel.html#http2
 */
export function prepareHttp2Streams(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe('http2.server.stream.created', (message) => {
    const { stream, headers } = message as { stream: ServerHttp2Stream; headers: IncomingHttpHeaders };
    explainForeign(stream, headers);
    const [, method] = SERVICE_PATH.exec(String(headers[':path'])) ?? [];
    if (method === undefined) return;
    const key = randomUUID();
    headers[STREAM_KEY_HEADER] = key;
    const encoding = String(headers['grpc-encoding'] ?? 'identity');
    const entry: TrackedStream = {
      stream,
      encoding,
      libraryError: undefined,
      hasDuplicateCredentials: false,
    };
    tracked.set(key, entry);
    trackedStreams.set(stream, entry);
    watchRawHeaders(stream.session);
    stream.once('close', () => tracked.delete(key));
    adjustWindow(stream.session, tracked.size);
    translateStatus(entry);
    boundDiscarding(stream);
    if (!METHODS_OF_LONG_REQUESTS.includes(method))
      boundRequest(stream, method === 'Handshake' ? HANDSHAKE_BYTES : REQUEST_BYTES);
  });
}

/** Where the call with this metadata came from; before `takeCallTransport`. */
export function findCallSource(metadata: Metadata): CallSource {
  const entry = tracked.get(String(metadata.get(STREAM_KEY_HEADER)[0]));
  return {
    socket: entry?.stream.session?.socket,
    hasDuplicateCredentials: entry?.hasDuplicateCredentials ?? false,
  };
}

/** Lets go of what is still sent for a call that is refused, so that it takes no memory until the stream is reset. */
export function discardRequest(metadata: Metadata): void {
  const entry = tracked.get(String(metadata.get(STREAM_KEY_HEADER)[0]));
  entry?.stream.removeAllListeners('data');
  entry?.stream.resume();
}

/** The transport of the call that came with this metadata; takes the internal header out of it. Once per call. */
export function takeCallTransport(metadata: Metadata): CallTransport {
  const [key] = metadata.get(STREAM_KEY_HEADER);
  const source = findCallSource(metadata);
  metadata.remove(STREAM_KEY_HEADER);
  const entry = tracked.get(String(key));
  return {
    source,
    takeRequest() {
      if (entry === undefined) throw new ArrowportError('INTERNAL', 'The stream of a call is not known.');
      // The library goes on to see the stream's end and its cancellation, and so answers as for any other call.
      entry.stream.removeAllListeners('data');
      return entry;
    },
    response() {
      if (entry === undefined) throw new ArrowportError('INTERNAL', 'The stream of a call is not known.');
      return entry.stream;
    },
    connection: () => entry?.stream.session,
    libraryError: () => entry?.libraryError,
    closeWithin(ms) {
      if (entry !== undefined) resetAfter(entry.stream, ms, constants.NGHTTP2_CANCEL);
    },
  };
}

/** The headers as they came are only shown to listeners of the session, which hear of a stream after it was made. */
function watchRawHeaders(session: Http2Session | undefined): void {
  if (session === undefined || watchedSessions.has(session)) return;
  watchedSessions.add(session);
  const onStream = (
    stream: ServerHttp2Stream,
    _headers: IncomingHttpHeaders,
    _flags: number,
    raw: readonly string[],
  ) => {
    const entry = trackedStreams.get(stream);
    if (entry === undefined) return;
    const names = raw.filter((_, index) => index % 2 === 0);
    entry.hasDuplicateCredentials = names.filter((name) => name === 'authorization').length > 1;
  };
  session.prependListener('stream', onStream as (...values: unknown[]) => void);
}

function translateStatus(entry: TrackedStream): void {
  const { stream } = entry;
  const respond = stream.respond.bind(stream);
  const sendTrailers = stream.sendTrailers.bind(stream);
  const translate = (headers: OutgoingHttpHeaders) => {
    const error = findLibraryError(headers);
    if (error === undefined) return headers;
    entry.libraryError = error;
    return withError(headers, error);
  };
  stream.respond = (headers, options) => respond(translate((headers ?? {}) as OutgoingHttpHeaders), options);
  stream.sendTrailers = (headers) => sendTrailers(translate(headers));
}

function boundDiscarding(stream: ServerHttp2Stream): void {
  stream.once('finish', () => {
    if (!stream.readableEnded) resetAfter(stream, DISCARD_MS, constants.NGHTTP2_NO_ERROR);
  });
}

function boundRequest(stream: ServerHttp2Stream, maxBytes: number): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), REQUEST_MS);
  timer.unref();
  stream.once('end', () => clearTimeout(timer));
  stream.once('close', () => clearTimeout(timer));
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.byteLength;
    if (received > maxBytes) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  // A first listener sets a stream flowing; when it flows is for the gRPC library to say.
  stream.pause();
}

function resetAfter(stream: ServerHttp2Stream, ms: number, code: number): void {
  if (stream.closed) return;
  const timer = setTimeout(() => stream.close(code), ms);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
}
