/** Bytes of an HTTP/2 frame's header; a gap between two chunks that is no longer cannot hold anybody's data. */
const FRAME_HEADER_BYTES = 9;

/**
 * Gives back the buffers that Node reads a connection into, as soon as everything in them was copied out. Left to the
 * collector, this external memory brings about a full collection every few dozen megabytes. A buffer may hold frames
 * of several streams: only one that this stream alone has data in is given back, and only when a chunk of a later one
 * has come, so that the session has done with it.
 */
export class ReadBuffers {
  #memory: ArrayBufferLike | null = null;
  /** Up to where the chunks seen reach, with nothing but frame headers between them. */
  #end = 0;
  #isOurs = false;

  /** Takes note of a chunk, in order of arrival; `copied` when nobody will read it again. */
  passed(chunk: Buffer, copied: boolean): void {
    if (chunk.buffer !== this.#memory) {
      this.#giveBack();
      this.#memory = chunk.buffer;
      this.#end = 0;
      this.#isOurs = true;
    }
    this.#isOurs &&= copied && this.#isHeaderBetween(chunk.byteOffset);
    this.#end = chunk.byteOffset + chunk.byteLength;
  }

  /** Gives the last buffer back where it may be. */
  #giveBack(): void {
    const memory = this.#memory;
    this.#memory = null;
    if (!(memory instanceof ArrayBuffer) || memory.detached) return;
    if (this.#isOurs && this.#isHeaderBetween(memory.byteLength)) memory.transfer(0);
  }

  #isHeaderBetween(offset: number): boolean {
    return offset >= this.#end && offset - this.#end <= FRAME_HEADER_BYTES;
  }
}
