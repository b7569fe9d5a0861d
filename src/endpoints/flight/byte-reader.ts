/** Reads bytes front to back; calls may not overlap. */
export interface ByteReader {
  /** Resolves with whether a byte is there to read; false at the end. */
  more(): Promise<boolean>;
  /** Takes up to `length` bytes, fewer only at the end. The bytes belong to the caller. */
  take(length: number): Promise<Uint8Array>;
  /** Copies bytes into `target` until it is full or the end comes; resolves with how many. */
  readInto(target: Uint8Array): Promise<number>;
}

const SKIPPED_AT_ONCE_BYTES = 64 * 1024;

/** Leaves bytes out without holding them; resolves with how many, fewer only at the end. */
export async function skipBytes(reader: ByteReader, length: number): Promise<number> {
  let skipped = 0;
  while (skipped < length) {
    const { byteLength } = await reader.take(Math.min(length - skipped, SKIPPED_AT_ONCE_BYTES));
    if (byteLength === 0) break;
    skipped += byteLength;
  }
  return skipped;
}
