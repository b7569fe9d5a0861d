/** Bytes of an HTTP/2 frame's header; a gap between two chunks that is no longer cannot hold anybody's data. */
const FRAME_HEADER_BYTES = 9;

/** One buffer that a connection was read into. */
interface ReadBuffer {
  readonly memory: ArrayBufferLike;
  /** Up to where the chunks seen reach, with nothing but frame headers between them. */
  end: number;
  isOurs: boolean;
  /** Chunks in it that wait to be copied. */
  waiting: number;
}

/**
 * Gives back the buffers that Node reads a connection into, as soon as everything in them was copied out. Left to the
 * collector, this external memory brings about a full collection every few dozen megabytes, or piles up. A buffer may
 * hold frames of several streams: only one that this stream alone has data in is given back, and only when a chunk of a
 * later one has come, so that the session has done with it.
 */
export class ReadBuffers {
  #current: ReadBuffer | null = null;
  /** Those before it in which chunks still wait. */
  readonly #earlier = new Map<ArrayBufferLike, ReadBuffer>();

  /** Takes note of a chunk, in order of arrival; `copied` when nobody will read it again, else `drained` will be told. */
  passed(chunk: Buffer, copied: boolean): void {
    const current = this.#enter(chunk.buffer);
    current.isOurs &&= isHeaderBetween(current, chunk.byteOffset);
    current.end = chunk.byteOffset + chunk.byteLength;
    if (!copied) current.waiting += 1;
  }

  /** A chunk that waited, or the rest of one, was copied. */
  drained(chunk: Buffer): void {
    const earlier = this.#earlier.get(chunk.buffer);
    const buffer = earlier ?? this.#current;
    if (buffer === null || buffer.memory !== chunk.buffer) return;
    buffer.waiting -= 1;
    if (earlier === undefined || earlier.waiting > 0) return;
    this.#earlier.delete(earlier.memory);
    giveBack(earlier);
  }

  #enter(memory: ArrayBufferLike): ReadBuffer {
    const before = this.#current;
    if (before?.memory === memory) return before;
    if (before !== null && before.waiting > 0) this.#earlier.set(before.memory, before);
    else if (before !== null) giveBack(before);
    this.#current = { memory, end: 0, isOurs: true, waiting: 0 };
    return this.#current;
  }
}

function giveBack(buffer: ReadBuffer): void {
  const { memory, isOurs } = buffer;
  if (!(memory instanceof ArrayBuffer) || memory.detached) return;
  if (isOurs && isHeaderBetween(buffer, memory.byteLength)) memory.transfer(0);
}

function isHeaderBetween({ end }: ReadBuffer, offset: number): boolean {
  return offset >= end && offset - end <= FRAME_HEADER_BYTES;
}
