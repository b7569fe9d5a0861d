import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Garbage that is worth a collection, which takes some 20 ms of the main thread; where much is in use, it takes longer. */
const worthwhileBytes = 24 * 2 ** 20;
const worthwhileShare = 0.5;

let collect: (() => void) | null | undefined;
let leastBytes = Number.POSITIVE_INFINITY;

/**
 * Collects what JavaScript has left behind, where that has become much since the last time. V8 by itself lets it grow
 * to a few times what is in use: it does not know that memory is short.
 */
export function collectGarbage(): void {
  const usedBytes = getHeapStatistics().used_heap_size;
  leastBytes = Math.min(leastBytes, usedBytes);
  if (usedBytes - leastBytes < Math.max(worthwhileBytes, worthwhileShare * leastBytes)) return;
  collect = collect === undefined ? findCollector() : collect;
  collect?.();
  leastBytes = getHeapStatistics().used_heap_size;
}

/** V8 hands its collector to contexts that are made while this flag is set. */
function findCollector(): (() => void) | null {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? () => void Reflect.apply(found, undefined, []) : null;
}
