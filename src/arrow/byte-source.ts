/** A length is only what the sender says: memory is taken as the bytes arrive. */
const TAKEN_AT_ONCE = 64 * 1024;

/**
 * Reads a body that arrives in chunks of any size, front to back. Nothing is held but the chunk being read, which is
 * not touched once the next one was asked for, and memory is only taken for bytes that have arrived. Errors of the
 * chunks pass through unchanged.
 */
export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  /** Resolves with whether a byte is there to read; false at the end of the body. */
  async more(): Promise<boolean> {
    while (this.#offset === this.#chunk.byteLength) {
      if (this.#ended) return false;
      const result = await this.#iterator.next();
      if (result.done === true) {
        this.#ended = true;
        this.#chunk = new Uint8Array(0);
        this.#offset = 0;
        return false;
      }
      this.#chunk = result.value;
      this.#offset = 0;
    }
    return true;
  }

  /** Copies bytes into `target` until it is full or the body ends; resolves with how many. */
  async readInto(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.byteLength) {
      if (this.#offset === this.#chunk.byteLength && !(await this.more())) break;
      const count = Math.min(target.byteLength - filled, this.#chunk.byteLength - this.#offset);
      target.set(this.#chunk.subarray(this.#offset, this.#offset + count), filled);
      this.#offset += count;
      filled += count;
    }
    return filled;
  }

  /** Takes up to `length` bytes; fewer only at the end of the body. The bytes belong to the caller. */
  async take(length: number): Promise<Uint8Array> {
    const available = this.#chunk.byteLength - this.#offset;
    if (available >= length) {
      // A Buffer's own `slice` would be a view that keeps the whole chunk alive.
      const taken = new Uint8Array(this.#chunk.subarray(this.#offset, this.#offset + length));
      this.#offset += length;
      return taken;
    }
    return this.#takeAcross(length);
  }

  async #takeAcross(length: number): Promise<Uint8Array> {
    let taken = new Uint8Array(Math.min(length, TAKEN_AT_ONCE));
    let count = 0;
    for (;;) {
      count += await this.readInto(taken.subarray(count));
      if (count < taken.byteLength || count === length) return taken.subarray(0, count);
      const larger = new Uint8Array(Math.min(length, taken.byteLength * 2));
      larger.set(taken);
      taken = larger;
    }
  }

  /** Puts bytes back, to be read next. */
  unread(bytes: Uint8Array): void {
    const rest = this.#chunk.subarray(this.#offset);
    this.#chunk =
      rest.byteLength === 0 ? bytes : concatenate([bytes, rest], bytes.byteLength + rest.byteLength);
    this.#offset = 0;
  }

  /** Ends the body early: its chunks are told to stop. Never throws. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunk = new Uint8Array(0);
    this.#offset = 0;
    try {
      await this.#iterator.return?.();
    } catch {
      // Whoever stops a body early has a reason that matters more than how the body takes it.
    }
  }
}

function concatenate(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.byteLength;
  }
  return joined;
}
