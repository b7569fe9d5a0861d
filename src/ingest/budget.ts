import type { ArrowportError } from '../errors.ts';

/** How long a taker waits, and what it is told when that was in vain. */
export interface Patience {
  readonly waitMs: number;
  /** Ends the wait; its `reason` is thrown. */
  readonly signal: AbortSignal;
  /** Makes the error of a wait that took too long. */
  refuse(): ArrowportError;
}

/** An amount that several share, first come first served. */
export interface Budget {
  readonly held: number;
  /** Whether someone waits. */
  readonly isContended: boolean;
  /**
   * Takes an amount: null when it was there, else a promise that resolves when it is taken. An amount above the whole
   * budget is given once nothing else is held. Rejects with what `patience` says; nothing is taken then.
   */
  take(amount: number, patience: Patience): Promise<void> | null;
  /** Gives back what was taken. */
  give(amount: number): void;
  /** Ends every wait with an error. */
  refuseAll(error: ArrowportError): void;
}

interface Waiter {
  readonly amount: number;
  settle(error?: unknown): void;
}

/** Makes a budget of `limit`; `onChange` hears what is held after each change. */
export function createBudget(limit: number, onChange: (held: number) => void = () => undefined): Budget {
  let held = 0;
  const queue = new Set<Waiter>();

  const fits = (amount: number) => held === 0 || held + amount <= limit;
  const change = (amount: number) => {
    held += amount;
    onChange(held);
  };
  // Strictly in order: a large amount that waits is not overtaken by small ones without end.
  const serve = () => {
    for (const waiter of queue) {
      if (!fits(waiter.amount)) return;
      change(waiter.amount);
      waiter.settle();
    }
  };
  const wait = (amount: number, { signal, waitMs, refuse }: Patience): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => waiter.settle(signal.reason);
    const waiter: Waiter = {
      amount,
      settle(error) {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        queue.delete(waiter);
        if (error === undefined) resolve();
        else {
          reject(error);
          serve();
        }
      },
    };
    const timer = setTimeout(() => waiter.settle(refuse()), waitMs);
    signal.addEventListener('abort', onAbort, { once: true });
    queue.add(waiter);
    return promise;
  };

  return {
    get held() {
      return held;
    },
    get isContended() {
      return queue.size > 0;
    },
    take(amount, patience) {
      if (patience.signal.aborted) return Promise.reject(patience.signal.reason);
      if (queue.size > 0 || !fits(amount)) return wait(amount, patience);
      change(amount);
      return null;
    },
    give(amount) {
      change(-amount);
      serve();
    },
    refuseAll(error) {
      for (const waiter of [...queue]) waiter.settle(error);
    },
  };
}
