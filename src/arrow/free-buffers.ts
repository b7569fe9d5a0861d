import type { ArrayData } from '../core/array-data.ts';

/** Smaller buffers may share their memory with others, and are nothing to the collector. */
const smallestFreedBytes = 64 * 1024;

/**
 * Frees what a message was decompressed into, for nobody reads it any more: left to the collector, it would bring about
 * full collections all the time. Memory that buffers may share with others is left alone: what is `mostTimes` as large
 * as the buffer in it, twice by default.
 */
export function freeBuffers(arrays: readonly ArrayData[], mostTimes = 2): void {
  for (const array of arrays) {
    for (const bytes of array.buffers) {
      const memory = bytes?.buffer;
      const isOwn = memory instanceof ArrayBuffer && !memory.detached && bytes?.byteOffset === 0;
      if (!isOwn || memory.byteLength < smallestFreedBytes) continue;
      if (memory.byteLength < mostTimes * bytes.byteLength) memory.transfer(0);
    }
    freeBuffers(array.children, mostTimes);
  }
}
