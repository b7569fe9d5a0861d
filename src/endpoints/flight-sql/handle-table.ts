import { randomBytes } from 'node:crypto';
import { mustLeaveRoom } from '../../core/fair-share.ts';
import { ArrowportError } from '../../errors.ts';

/** Things that clients name by handles: random, so that nobody can guess another's; bound to their callers. */
export interface HandleTable<T> {
  /** Keeps a value; returns its handle. Throws OVERLOADED where too many are kept, a little earlier for who has most of them. */
  add(value: T, caller: string): Uint8Array;
  /** Finds a value and puts its end by idleness off. Throws HANDLE_NOT_FOUND, also for another caller's. */
  find(handle: Uint8Array, caller: string): T;
  /** Takes a value out without closing it. Throws HANDLE_NOT_FOUND. */
  take(handle: Uint8Array, caller: string): T;
  readonly size: number;
  /** Closes everything. */
  close(): Promise<void>;
}

/** What a table of handles is made of. */
export interface HandleTableOptions<T> {
  /** For messages: `prepared statement`. */
  readonly what: string;
  readonly maxHandles: number;
  /** How long one may go unused before it is closed. */
  readonly idleMs: number;
  /** Called once for each that ends by idleness or with the table. Errors are dropped. */
  close(value: T): Promise<void>;
  /** Whether one must not end by idleness now. */
  isBusy?(value: T): boolean;
}

interface Kept<T> {
  readonly value: T;
  readonly caller: string;
  usedAt: number;
}

const HANDLE_BYTES = 16;
const SWEEPS_PER_IDLE_TIME = 10;
const LONGEST_SWEEP_MS = 30_000;

/** Makes a table of handles. */
export function createHandleTable<T>(options: HandleTableOptions<T>): HandleTable<T> {
  const kept = new Map<string, Kept<T>>();
  /** How many each caller has. */
  const owners = new Map<string, number>();
  const remove = (key: string, { caller }: Kept<T>) => {
    if (!kept.delete(key)) return;
    const left = (owners.get(caller) ?? 1) - 1;
    if (left > 0) owners.set(caller, left);
    else owners.delete(caller);
  };
  const drop = async (key: string, entry: Kept<T>) => {
    remove(key, entry);
    await options.close(entry.value).catch(() => undefined);
  };
  const sweep = () => {
    const oldest = Date.now() - options.idleMs;
    for (const [key, entry] of kept) {
      if (options.isBusy?.(entry.value)) entry.usedAt = Date.now();
      if (entry.usedAt < oldest) void drop(key, entry);
    }
  };
  const timer = setInterval(sweep, Math.min(options.idleMs / SWEEPS_PER_IDLE_TIME, LONGEST_SWEEP_MS));
  timer.unref();

  const lookUp = (handle: Uint8Array, caller: string) => {
    const key = Buffer.from(handle).toString('hex');
    const entry = kept.get(key);
    if (entry === undefined || entry.caller !== caller) {
      throw new ArrowportError(
        'HANDLE_NOT_FOUND',
        `There is no such ${options.what}: it was closed, or was idle for too long.`,
      );
    }
    entry.usedAt = Date.now();
    return { key, entry };
  };

  return {
    add(value, caller) {
      const { maxHandles } = options;
      if (kept.size >= maxHandles || mustLeaveRoom(owners.get(caller) ?? 0, kept.size, maxHandles)) {
        throw new ArrowportError(
          'OVERLOADED',
          `There are ${kept.size} open ${options.what}s, which is the most.`,
          {
            details: { retryAfterMs: 1000 },
          },
        );
      }
      const handle = randomBytes(HANDLE_BYTES);
      kept.set(handle.toString('hex'), { value, caller, usedAt: Date.now() });
      owners.set(caller, (owners.get(caller) ?? 0) + 1);
      return handle;
    },
    find: (handle, caller) => lookUp(handle, caller).entry.value,
    take(handle, caller) {
      const { key, entry } = lookUp(handle, caller);
      remove(key, entry);
      return entry.value;
    },
    get size() {
      return kept.size;
    },
    async close() {
      clearInterval(timer);
      await Promise.all([...kept].map(([key, entry]) => drop(key, entry)));
    },
  };
}
