import { mustLeaveRoom } from '../../../core/fair-share.ts';
import { ArrowportError } from '../../../errors.ts';

const acquirePatienceMs = 10_000;
/** How many may wait for each that may run. */
const waitersPerSlot = 16;

/** With fewer slots than these nothing is kept for other callers. */
const sharedSlots = 6;

interface Waiter {
  readonly caller: string;
  take(): void;
}

/**
 * Bounds how many of something run at once; who comes later waits in line. The last slots are not for a caller who has most
 * of the others, so that one of them does not hold up the rest.
 */
export class Slots {
  readonly #limit: () => number;
  readonly #waiting: Waiter[] = [];
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Resolves with the function that gives the slot back. Throws OVERLOADED, and the reason of `signal`. */
  async acquire(caller: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (!this.#tryTake(caller)) {
      const inLine = this.#waiting.filter((waiter) => waiter.caller === caller).length;
      if (inLine >= this.#limit() * waitersPerSlot) throw overloaded();
      if (!(await this.#wait(caller, signal, acquirePatienceMs))) throw overloaded();
    }
    return this.#release(caller);
  }

  /** The function that gives a slot back; null where none is free for the caller. */
  tryAcquire(caller: string): (() => void) | null {
    return this.#tryTake(caller) ? this.#release(caller) : null;
  }

  /** The same; null where none has come within `ms`. */
  async acquireWithin(ms: number, caller: string, signal?: AbortSignal): Promise<(() => void) | null> {
    signal?.throwIfAborted();
    const isTaken = this.#tryTake(caller) || (await this.#wait(caller, signal, ms));
    return isTaken ? this.#release(caller) : null;
  }

  /** Runs in a slot, waiting for it without bound. Throws the reason of `signal` where it fires before. */
  async run<T>(work: () => Promise<T>, caller: string, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (!this.#tryTake(caller)) await this.#wait(caller, signal, null);
    try {
      return await work();
    } finally {
      this.#giveBack(caller);
    }
  }

  #release(caller: string): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#giveBack(caller);
    };
  }

  #tryTake(caller: string): boolean {
    const limit = this.#limit();
    const own = this.#held.get(caller) ?? 0;
    const isFull = this.#taken >= limit || (limit >= sharedSlots && mustLeaveRoom(own, this.#taken, limit));
    if (isFull) return false;
    this.#taken += 1;
    this.#held.set(caller, own + 1);
    return true;
  }

  /** Whoever may have the slot and has waited longest takes it over. */
  #giveBack(caller: string): void {
    const own = (this.#held.get(caller) ?? 1) - 1;
    if (own > 0) this.#held.set(caller, own);
    else this.#held.delete(caller);
    this.#taken -= 1;
    const refused = new Set<string>();
    const next = this.#waiting.findIndex((waiter) => {
      if (refused.has(waiter.caller)) return false;
      if (this.#tryTake(waiter.caller)) return true;
      refused.add(waiter.caller);
      return false;
    });
    const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1);
    waiter?.take();
  }

  /** Waits for a slot: false where none has come in time. */
  async #wait(caller: string, signal: AbortSignal | undefined, patienceMs: number | null): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const waiter = { caller, take: () => resolve(true) };
    this.#waiting.push(waiter);
    const leave = (end: () => void) => {
      const index = this.#waiting.indexOf(waiter);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      end();
    };
    const tooLate = () => leave(() => resolve(false));
    const timer = patienceMs === null ? undefined : setTimeout(tooLate, patienceMs);
    const onAbort = () => leave(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function overloaded(): ArrowportError {
  return new ArrowportError(
    'OVERLOADED',
    'The server runs as many queries as it may (query.max_concurrent).',
    {
      details: { limit: 'query.max_concurrent', retryAfterMs: 2000 },
    },
  );
}
