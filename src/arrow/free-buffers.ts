import type { ArrayData } from '../core/array-data.ts';

/** Smaller buffers may share their memory with others, and are nothing to the collector. */
const smallestFreedBytes = 64 * 1024;

/**
 * Frees what a message was decompressed into, for nobody reads it any more: left to the collector, it would bring about
 * full collections all the time. Memory that buffers may share with others is left alone.
 */
export function freeBuffers(arrays: readonly ArrayData[]): void {
  for (const array of arrays) {
    for (const bytes of array.buffers) {
      const memory = bytes?.buffer;
      const isOwn = memory instanceof ArrayBuffer && !memory.detached && bytes?.byteOffset === 0;
      if (isOwn && bytes.byteLength >= smallestFreedBytes && memory.byteLength < 2 * bytes.byteLength)
        memory.transfer(0);
    }
    freeBuffers(array.children);
  }
}
