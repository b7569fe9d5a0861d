import type { Readable } from 'node:stream';
import type { ByteReader } from './byte-reader.ts';
import { ReadBuffers } from './read-buffers.ts';

/** What a request body tells its owner, and asks of it. */
export interface RequestBodyOptions {
  /** How long a reader waits for a byte before `onIdle` is called. */
  readonly idleMs: number;
  onIdle(): void;
  /** Resolves when an end that came is known to be a proper one, and not the first sign of a cut. */
  confirmEnd(): Promise<void>;
}

/** The bytes of a request as HTTP/2 delivers them, copied once, straight to where their reader wants them. */
export interface RequestBody extends ByteReader {
  /** Ends every read, now and later, with an error; what still comes is discarded. The first error counts. */
  fail(error: unknown): void;
}

/** Bytes that may wait for a reader before the stream is paused. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Takes over a paused stream. */
export function createRequestBody(stream: Readable, options: RequestBodyOptions): RequestBody {
  return new StreamBody(stream, options);
}

class StreamBody implements RequestBody {
  readonly #stream: Readable;
  readonly #options: RequestBodyOptions;
  readonly #idleTimer: NodeJS.Timeout;
  readonly #readBuffers = new ReadBuffers();
  /** What came before a reader wanted it; the first of it from `#offset` on. */
  readonly #chunks: Buffer[] = [];
  #offset = 0;
  #waitingBytes = 0;
  #receivedBytes = 0;
  #receivedAtCheck = 0;
  /** Where bytes go as they come, filled up to `#filled`; null when the reader waits for any byte. */
  #target: Uint8Array | null = null;
  #filled = 0;
  #reader: PromiseWithResolvers<void> | null = null;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(stream: Readable, options: RequestBodyOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#idleTimer = setTimeout(() => this.#checkIdle(), options.idleMs);
    this.#idleTimer.unref();
    stream.on('data', (chunk: Buffer) => this.#accept(chunk));
    stream.once('end', () => void this.#end());
  }

  async more(): Promise<boolean> {
    this.#throwIfFailed();
    while (this.#chunks.length === 0) {
      if (this.#ended) return false;
      await this.#wait(null);
    }
    return true;
  }

  async take(length: number): Promise<Uint8Array> {
    const taken = Buffer.allocUnsafe(length);
    const count = await this.readInto(taken);
    return count === length ? taken : taken.subarray(0, count);
  }

  async readInto(target: Uint8Array): Promise<number> {
    this.#throwIfFailed();
    this.#filled = 0;
    this.#drainInto(target);
    if (this.#filled < target.byteLength && !this.#ended) await this.#wait(target);
    return this.#filled;
  }

  fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    clearTimeout(this.#idleTimer);
    this.#chunks.length = 0;
    this.#target = null;
    const reader = this.#reader;
    this.#reader = null;
    reader?.reject(error);
  }

  #throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  #drainInto(target: Uint8Array): void {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const count = chunk.copy(target, this.#filled, this.#offset);
      this.#filled += count;
      this.#offset += count;
      this.#waitingBytes -= count;
      if (this.#offset < chunk.byteLength) return;
      this.#chunks.shift();
      this.#offset = 0;
      this.#readBuffers.drained(chunk);
    }
  }

  /** Resolves when the target is full, when any byte has come where there is none, or at the end. */
  #wait(target: Uint8Array | null): Promise<void> {
    this.#target = target;
    this.#reader = Promise.withResolvers();
    this.#receivedAtCheck = this.#receivedBytes;
    this.#idleTimer.refresh();
    this.#stream.resume();
    return this.#reader.promise;
  }

  #wake(): void {
    const reader = this.#reader;
    this.#reader = null;
    this.#target = null;
    reader?.resolve();
  }

  #accept(chunk: Buffer): void {
    if (this.#failure !== null) return;
    this.#receivedBytes += chunk.byteLength;
    let start = 0;
    const target = this.#target;
    if (target !== null) {
      start = chunk.copy(target, this.#filled);
      this.#filled += start;
      if (this.#filled === target.byteLength) this.#wake();
    }
    this.#readBuffers.passed(chunk, start === chunk.byteLength);
    if (start === chunk.byteLength) return;
    this.#chunks.push(start === 0 ? chunk : chunk.subarray(start));
    this.#waitingBytes += chunk.byteLength - start;
    if (this.#reader !== null) this.#wake();
    if (this.#waitingBytes >= HIGH_WATER_BYTES) this.#stream.pause();
  }

  async #end(): Promise<void> {
    await this.#options.confirmEnd();
    this.#ended = true;
    clearTimeout(this.#idleTimer);
    this.#wake();
  }

  #checkIdle(): void {
    if (this.#reader === null) return;
    if (this.#receivedBytes === this.#receivedAtCheck) {
      this.#options.onIdle();
      return;
    }
    this.#receivedAtCheck = this.#receivedBytes;
    this.#idleTimer.refresh();
  }
}
