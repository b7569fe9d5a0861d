import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for what must come, in milliseconds: far longer than it takes, for a machine that is slow. */
export const patienceMs = 120_000;

/**
 * Looks again and again until there is something other than `undefined` or `false`, and returns that. Rejects with
 * `what` when it has not come within {@link patienceMs}; what `look` throws ends the waiting.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`This did not come within ${patienceMs} ms: ${what}`);
    await sleep(10);
  }
}
