import type { ArrayData } from '../core/array-data.ts';

/** Smaller buffers may share their memory with others, and are nothing to the collector. */
const smallestFreedBytes = 64 * 1024;
/** Smaller memory of what was gathered is not worth the call. */
const smallestGatheredBytes = 8 * 1024;

/**
 * Frees what a message was decompressed into, for nobody reads it any more: left to the collector, it would bring about
 * full collections all the time. Memory that buffers may share with others is left alone.
 */
export function freeBuffers(arrays: readonly ArrayData[]): void {
  for (const array of arrays) {
    for (const bytes of array.buffers) {
      const memory = ownMemory(bytes, smallestFreedBytes);
      if (memory !== null && bytes && memory.byteLength < 2 * bytes.byteLength) memory.transfer(0);
    }
    freeBuffers(array.children);
  }
}

/**
 * Frees what gatherers made, of which nobody else has a part. A crowd of small batches would else leave more to the
 * collector than all that it holds.
 */
export function freeGathered(arrays: readonly ArrayData[]): void {
  for (const array of arrays) {
    for (const bytes of array.buffers) ownMemory(bytes, smallestGatheredBytes)?.transfer(0);
    freeGathered(array.children);
  }
}

/** The memory of a buffer at its start, if it has at least so many bytes and was not freed. */
function ownMemory(bytes: Uint8Array | null, least: number): ArrayBuffer | null {
  const memory = bytes?.buffer;
  if (!(memory instanceof ArrayBuffer) || memory.detached || bytes?.byteOffset !== 0) return null;
  return memory.byteLength > least ? memory : null;
}
