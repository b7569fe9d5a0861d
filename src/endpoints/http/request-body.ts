import type { IncomingMessage, ServerResponse } from 'node:http';
import { ArrowportError } from '../../errors.ts';

/** Bytes that may wait for a slow reader before the socket is paused: of one body, and of all together where they are many. */
const HIGH_WATER_BYTES = 2 * 1024 * 1024;
const ALL_WAITING_BYTES = 8 * 1024 * 1024;
/** The part of it under which the socket flows again. */
const LOW_WATER_SHARE = 0.25;

/** How much of a refused body is read and dropped so that a client that only sends gets to read its answer. */
const DISCARD_BYTES = 256 * 1024 * 1024;
const DISCARD_MS = 10_000;

/** Bounds on one body as it comes over the wire. */
export interface WireLimits {
  /** Null: no bound. */
  readonly maxBodyBytes: number | null;
  /** How long to wait for the next byte. */
  readonly idleTimeoutMs: number;
}

/** The body of one request, read at most once. */
export interface RequestBody {
  /** Fires with an ArrowportError when the client is gone, was idle for too long or {@link fail} was called. */
  readonly signal: AbortSignal;
  /** Whether bytes of the body may still be on their way. */
  isUnread(): boolean;
  /**
   * The bytes as they come, not copied, at the reader's pace. Fails (never ends) when the client went away.
   * A chunk is the reader's to keep; `lent`, only until it asks for the next one: its memory is freed then.
   * Throws CANCELLED, DEADLINE_EXCEEDED, BODY_TOO_LARGE, or what {@link fail} was given.
   */
  read(limits: WireLimits, chunks?: 'given' | 'lent'): AsyncIterableIterator<Uint8Array>;
  /** Ends the reading and the discarding, and fires the signal. */
  fail(error: ArrowportError): void;
  /** Reads and drops the rest, within bounds; resolves when the body has ended or the bounds are reached. */
  discard(): Promise<void>;
}

/** Takes charge of a request's body; nothing is read before `read` or `discard`. */
export function createRequestBody(request: IncomingMessage, response: ServerResponse): RequestBody {
  const abort = new AbortController();
  const announced = announcesBody(request);
  let reader: WireReader | null = null;
  let continueSent = !expectsContinue(request);

  let stopDiscarding: (() => void) | null = null;

  const fail = (error: ArrowportError) => {
    stopDiscarding?.();
    reader?.fail(error);
    if (!abort.signal.aborted) abort.abort(error);
  };
  const askForBody = () => {
    if (continueSent) return;
    continueSent = true;
    response.writeContinue();
  };
  response.once('close', () => {
    if (!response.writableFinished) fail(clientGone());
  });

  return {
    signal: abort.signal,
    isUnread: () => announced && !request.complete,
    read(limits, chunks = 'given') {
      const lends = chunks === 'lent';
      reader = new WireReader(request, limits, lends, { onStart: askForBody, onFailure: fail });
      return reader;
    },
    fail,
    async discard() {
      reader?.detach();
      // A client that waits for 100 Continue has sent nothing and will not.
      if (!announced || request.complete || request.destroyed || !continueSent) return;
      await new Promise<void>((resolve) => {
        stopDiscarding = discardRest(request, resolve);
      });
    },
  };
}

function announcesBody(request: IncomingMessage): boolean {
  if (request.headers['transfer-encoding'] !== undefined) return true;
  return Number(request.headers['content-length'] ?? 0) > 0;
}

function expectsContinue(request: IncomingMessage): boolean {
  return request.headers.expect?.toLowerCase() === '100-continue';
}

function clientGone(): ArrowportError {
  return new ArrowportError('CANCELLED', 'The client went away before it was answered.');
}

interface ReaderEvents {
  /** Before the first byte is asked for. */
  onStart(): void;
  onFailure(error: ArrowportError): void;
}

interface Waiter {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: ArrowportError): void;
}

/** Bodies that are being read in this process. */
let openReaders = 0;

function highWaterBytes(): number {
  return Math.min(HIGH_WATER_BYTES, ALL_WAITING_BYTES / Math.max(openReaders, 1));
}

/**
 * Pulls from the 'data' events rather than through the stream's own iterator: that one concatenates whatever
 * is buffered, which copies every byte when the reader is the slower side.
 */
class WireReader implements AsyncIterableIterator<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #limits: WireLimits;
  readonly #lends: boolean;
  readonly #events: ReaderEvents;
  #lent: Uint8Array | null = null;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #totalBytes = 0;
  #paused = false;
  #ended = false;
  #attached = false;
  #counted = false;
  #error: ArrowportError | null = null;
  #waiter: Waiter | null = null;
  #waitingSinceMs = 0;
  #idleTimer: NodeJS.Timeout | null = null;

  constructor(request: IncomingMessage, limits: WireLimits, lends: boolean, events: ReaderEvents) {
    this.#request = request;
    this.#limits = limits;
    this.#lends = lends;
    this.#events = events;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    this.#takeBack();
    if (this.#error !== null) return Promise.reject(this.#error);
    this.#attach();
    const chunk = this.#queue.shift();
    if (chunk !== undefined) {
      this.#queuedBytes -= chunk.byteLength;
      if (this.#paused && this.#queuedBytes < highWaterBytes() * LOW_WATER_SHARE) {
        this.#paused = false;
        this.#request.resume();
      }
      return Promise.resolve(this.#hand(chunk));
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#waitingSinceMs = performance.now();
      this.#watchIdle(this.#limits.idleTimeoutMs);
    });
  }

  #hand(chunk: Uint8Array): IteratorResult<Uint8Array> {
    if (this.#lends) this.#lent = chunk;
    return { value: chunk, done: false };
  }

  /**
   * Left to the collector, the 64 KB pieces that Node reads a body in are external memory that brings about a full
   * collection every few dozen megabytes.
   */
  #takeBack(): void {
    const memory = this.#lent?.buffer;
    if (memory instanceof ArrayBuffer && memory.byteLength === this.#lent?.byteLength) memory.transfer(0);
    this.#lent = null;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.detach();
    return Promise.resolve({ value: undefined, done: true });
  }

  fail(error: ArrowportError): void {
    this.#error ??= error;
    this.detach();
    this.#waiter?.reject(this.#error);
    this.#waiter = null;
  }

  detach(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    if (!this.#attached) return;
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
    this.#request.off('close', this.#onClose);
    this.#request.pause();
    this.#attached = false;
    this.#setCounted(false);
  }

  #setCounted(counted: boolean): void {
    if (counted !== this.#counted) openReaders += counted ? 1 : -1;
    this.#counted = counted;
  }

  #attach(): void {
    if (this.#attached || this.#ended) return;
    this.#attached = true;
    this.#setCounted(true);
    this.#events.onStart();
    // Without a listener an aborted request would be an uncaught error; 'close' tells all that matters.
    this.#request.on('error', ignore);
    this.#request.on('data', this.#onData);
    this.#request.on('end', this.#onEnd);
    this.#request.on('close', this.#onClose);
    if (this.#request.destroyed && !this.#request.readableEnded) this.#events.onFailure(clientGone());
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#totalBytes += chunk.byteLength;
    const { maxBodyBytes } = this.#limits;
    if (maxBodyBytes !== null && this.#totalBytes > maxBodyBytes) {
      this.#events.onFailure(bodyTooLarge(maxBodyBytes));
      return;
    }
    const waiter = this.#waiter;
    if (waiter !== null) {
      this.#waiter = null;
      waiter.resolve(this.#hand(chunk));
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.byteLength;
    if (this.#queuedBytes >= highWaterBytes() && !this.#paused) {
      this.#paused = true;
      this.#request.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#waiter?.resolve({ value: undefined, done: true });
    this.#waiter = null;
  };

  readonly #onClose = (): void => {
    this.#setCounted(false);
    if (!this.#ended) this.#events.onFailure(clientGone());
  };

  /** One timer for the whole body: it looks, when it rings, at how long the reader has really been waiting. */
  #watchIdle(delayMs: number): void {
    if (this.#idleTimer !== null) return;
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = null;
      if (this.#waiter === null) return;
      const waitedMs = performance.now() - this.#waitingSinceMs;
      const leftMs = this.#limits.idleTimeoutMs - waitedMs;
      if (leftMs > 1) this.#watchIdle(leftMs);
      else this.#events.onFailure(idleTooLong(this.#limits.idleTimeoutMs));
    }, delayMs);
    this.#idleTimer.unref();
  }
}

function ignore(): void {}

/** The error for a body over `limits.max_body_bytes`. */
export function bodyTooLarge(maxBodyBytes: number): ArrowportError {
  return new ArrowportError('BODY_TOO_LARGE', `The body is over limits.max_body_bytes (${maxBodyBytes}).`, {
    details: { limit: 'limits.max_body_bytes' },
  });
}

function idleTooLong(idleTimeoutMs: number): ArrowportError {
  return new ArrowportError(
    'DEADLINE_EXCEEDED',
    `No byte of the body came for ${idleTimeoutMs / 1000} s (limits.idle_timeout_seconds).`,
    { details: { limit: 'limits.idle_timeout_seconds' } },
  );
}

/** Returns what ends it early; calls `done` once, however it ends. */
function discardRest(request: IncomingMessage, done: () => void): () => void {
  let dropped = 0;
  const stop = () => {
    clearTimeout(timer);
    request.off('data', onData);
    request.off('end', stop);
    request.off('close', stop);
    done();
  };
  const onData = (chunk: Buffer) => {
    dropped += chunk.byteLength;
    if (dropped < DISCARD_BYTES) return;
    request.pause();
    stop();
  };
  const timer = setTimeout(stop, DISCARD_MS);
  timer.unref();
  request.on('error', ignore);
  request.on('data', onData);
  request.on('end', stop);
  request.on('close', stop);
  request.resume();
  return stop;
}
