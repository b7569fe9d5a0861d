import { setTimeout as sleep } from 'node:timers/promises';

/** Less is nothing that a load would notice. */
const leastMs = 2;
/** Rest for each millisecond of work. */
const restShare = 1.5;
const longestRestMs = 1_000;

/**
 * Runs a call of the engine that takes a core, and rests half as long again as it took, at most a second, where loads
 * are being written beside it: with as many calls as cores they would otherwise have half of their speed.
 */
export async function givingWay<T>(
  work: () => Promise<T>,
  isLoading: () => boolean,
  signal: AbortSignal,
): Promise<T> {
  const beganAt = performance.now();
  const value = await work();
  const took = performance.now() - beganAt;
  // Whoever is stopped meanwhile is told by the next call.
  if (took >= leastMs && isLoading())
    await sleep(Math.min(took * restShare, longestRestMs), undefined, { signal }).catch(() => undefined);
  return value;
}
