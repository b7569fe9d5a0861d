import { ArrowportError } from '../../../errors.ts';

const acquirePatienceMs = 10_000;
/** How many may wait for each that may run. */
const waitersPerSlot = 16;

/** Bounds how many of something run at once; who comes later waits in line. */
export class Slots {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Resolves with the function that gives the slot back. Throws OVERLOADED, and the reason of `signal`. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#taken >= this.#limit()) {
      if (this.#waiting.length >= this.#limit() * waitersPerSlot) throw overloaded();
      await this.#wait(signal, acquirePatienceMs);
    } else this.#taken += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#giveBack();
    };
  }

  /** Runs in a slot, waiting for it without bound. Throws the reason of `signal` where it fires before. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#taken >= this.#limit()) await this.#wait(signal, null);
    else this.#taken += 1;
    try {
      return await work();
    } finally {
      this.#giveBack();
    }
  }

  /** Whoever waits takes the slot over. */
  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }

  async #wait(signal: AbortSignal | undefined, patienceMs: number | null): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const leave = (reason: unknown) => {
      const index = this.#waiting.indexOf(resolve);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      reject(reason);
    };
    const timer = patienceMs === null ? undefined : setTimeout(() => leave(overloaded()), patienceMs);
    const onAbort = () => leave(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
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
