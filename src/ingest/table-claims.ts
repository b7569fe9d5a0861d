import type { Load } from '../core/backend.ts';
import { settlesWithin } from '../core/settles-within.ts';
import { ArrowportError } from '../errors.ts';

/** How long a load that wants to make a table waits for another one that is making it. */
const patienceMs = 60_000;

/** Who is making which table: loads that want it new come one after the other. */
export interface TableClaims {
  /**
   * Resolves when no other load is making the table; the returned function lets the next one come, and may be called
   * again. Throws COMMIT_CONFLICT where that takes too long, and the reason of `signal`.
   */
  claim(table: string, signal: AbortSignal | undefined): Promise<() => void>;
}

/** Makes an empty register. */
export function createTableClaims(): TableClaims {
  const claimed = new Map<string, Promise<void>>();
  return {
    async claim(table, signal) {
      const until = performance.now() + patienceMs;
      for (let before = claimed.get(table); before !== undefined; before = claimed.get(table)) {
        await settlesWithin(before, { withinMs: until - performance.now(), signal, late });
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      claimed.set(table, promise);
      return () => {
        if (claimed.get(table) === promise) claimed.delete(table);
        resolve();
      };
    },
  };
}

/** The load, with something done when it has ended, however it ends. */
export function withEnd(load: Load, onEnd: () => void): Load {
  return {
    ...(load.replays === undefined ? {} : { replays: load.replays }),
    write: (message) => load.write(message),
    flush: () => load.flush?.(),
    async commit() {
      const result = await load.commit();
      onEnd();
      return result;
    },
    // A commit that fails is followed by an abort.
    async abort() {
      await load.abort();
      onEnd();
    },
  };
}

function late(): ArrowportError {
  return new ArrowportError(
    'COMMIT_CONFLICT',
    'Another load is making the table, and has not ended in time: try again.',
  );
}
