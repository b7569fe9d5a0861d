import { ArrowportError } from '../../errors.ts';

interface Waiter {
  readonly exclusive: boolean;
  grant(): void;
}

/**
 * Many appends at once, or one change of the table. Whoever waits for exclusive use holds newer appends back, but not
 * for longer than it waits itself.
 */
export class TableLock {
  #shared = 0;
  #exclusive = false;
  #waiting: Waiter[] = [];

  /** Resolves with the function that lets go. Throws the reason of `signal`. */
  async share(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (!this.#exclusive && this.#waiting.length === 0) this.#shared += 1;
    else await this.#wait(false, null, signal);
    return once(() => {
      this.#shared -= 1;
      this.#wake();
    });
  }

  /**
   * Resolves with the function that lets go. Throws COMMIT_CONFLICT when appends do not end within `patienceMs`, and the
   * reason of `signal`.
   */
  async exclude(patienceMs: number, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (!this.#exclusive && this.#shared === 0 && this.#waiting.length === 0) this.#exclusive = true;
    else await this.#wait(true, patienceMs, signal);
    return once(() => {
      this.#exclusive = false;
      this.#wake();
    });
  }

  async #wait(exclusive: boolean, patienceMs: number | null, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { exclusive, grant: resolve };
    const giveUp = (reason: unknown) => {
      if (!this.#waiting.includes(waiter)) return;
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      reject(reason);
      this.#wake();
    };
    const onAbort = () => giveUp(signal?.reason);
    const timer = patienceMs === null ? undefined : setTimeout(() => giveUp(lateError()), patienceMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#exclusive || (next.exclusive && this.#shared > 0)) return;
      this.#waiting.shift();
      if (next.exclusive) this.#exclusive = true;
      else this.#shared += 1;
      next.grant();
    }
  }
}

function lateError(): ArrowportError {
  return new ArrowportError(
    'COMMIT_CONFLICT',
    'Other loads of the table did not end in time for its columns to change.',
  );
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
