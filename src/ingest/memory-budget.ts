import type { Patience } from './budget.ts';

/** A load as a holder of memory; the budget keeps its figures. */
export interface MemoryOwner {
  held: number;
  /** What of it belongs to a body that is being received, and only comes free after more is taken. */
  arriving: number;
}

/**
 * What memory is wanted for: `receive` for bytes from a client, served in the order of asking; `unfold` for what a
 * message that is here already unfolds to, served before, since only then can its memory come free.
 */
export type MemoryUse = 'receive' | 'unfold';

/** The bytes that all loads share. */
export interface MemoryBudget {
  readonly held: number;
  /** Since when someone waits, by `performance.now()`; null while nobody does. */
  readonly waitingSince: number | null;
  /** Whether someone waits, or more is held than is given out. */
  readonly isPressed: boolean;
  /**
   * Takes an amount: null when it was there, else a promise that resolves when it is taken. Rejects with what
   * `patience` says; nothing is taken then.
   */
  take(amount: number, owner: MemoryOwner, use: MemoryUse, patience: Patience): Promise<void> | null;
  /** Counts what is held in any case, without a wait. */
  add(amount: number, owner: MemoryOwner): void;
  /** Says how much of what a load holds belongs to a body that is being received. */
  setArriving(amount: number, owner: MemoryOwner): void;
  /** Gives back what was taken or added. */
  give(amount: number, owner: MemoryOwner): void;
  /** Ends the timer; nobody may be waiting. */
  close(): void;
}

/** Nothing moved for so long while someone waited: what is held waits for more itself. */
const STUCK_MS = 250;
/** After so long one of those who wait is told to come again later, so that what it holds serves the others. */
const GIVE_UP_MS = 2000;
/** The part of the limit that is given out; the rest is for a load that must go on, and for what is read ahead. */
export const ORDINARY_SHARE = 0.75;

interface Waiter {
  readonly amount: number;
  readonly owner: MemoryOwner;
  readonly since: number;
  refuse(): void;
  settle(error?: unknown): void;
}

/**
 * Makes a budget of `limit` bytes; `onChange` hears what is held after each change.
 *
 * Loads that hold parts of what they need could wait for each other for ever. So one load at a time, the privileged
 * one, may use the rest of the limit when nothing moves any more: it completes its message, which DuckDB or the worker then
 * takes, and what it gives back serves the others. An amount above the whole budget is given once nobody else holds any.
 */
export function createMemoryBudget(limit: number, onChange: (held: number) => void): MemoryBudget {
  return new SharedMemoryBudget(limit, onChange);
}

class SharedMemoryBudget implements MemoryBudget {
  held = 0;
  #arriving = 0;
  /** What is given out, and what a privileged load may bring it to. */
  readonly #limit: number;
  readonly #most: number;
  readonly #onChange: (held: number) => void;
  readonly #queues: Readonly<Record<MemoryUse, Set<Waiter>>> = { unfold: new Set(), receive: new Set() };
  #privileged: MemoryOwner | null = null;
  #movedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: number, onChange: (held: number) => void) {
    this.#limit = limit * ORDINARY_SHARE;
    this.#most = limit;
    this.#onChange = onChange;
  }

  get waitingSince(): number | null {
    let earliest: number | null = null;
    for (const queue of [this.#queues.unfold, this.#queues.receive]) {
      for (const { since } of queue) {
        if (earliest === null || since < earliest) earliest = since;
        break;
      }
    }
    return earliest;
  }

  get isPressed(): boolean {
    return this.#isContended() || this.held > this.#limit;
  }

  take(amount: number, owner: MemoryOwner, use: MemoryUse, patience: Patience): Promise<void> | null {
    if (patience.signal.aborted) return Promise.reject(patience.signal.reason);
    const isFirst = use === 'unfold' ? this.#queues.unfold.size === 0 : !this.#isContended();
    if (isFirst ? this.#admits(amount, owner, use) : this.#isExcepted(amount, owner)) {
      this.#change(amount, owner);
      return null;
    }
    return this.#wait({ amount, owner }, use, patience);
  }

  add(amount: number, owner: MemoryOwner): void {
    this.#change(amount, owner);
  }

  setArriving(amount: number, owner: MemoryOwner): void {
    this.#arriving += amount - owner.arriving;
    owner.arriving = amount;
    // Its message is here: what is held beyond the limit need not grow by the next one.
    if (amount === 0 && owner === this.#privileged) this.#privileged = null;
    this.#unblockIfAllArrive();
  }

  give(amount: number, owner: MemoryOwner): void {
    this.#change(-amount, owner);
    if (this.held <= this.#limit || (owner === this.#privileged && owner.held === 0)) this.#privileged = null;
    this.#serve();
    this.#unblockIfAllArrive();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #isContended(): boolean {
    return this.#queues.unfold.size > 0 || this.#queues.receive.size > 0;
  }

  #change(amount: number, owner: MemoryOwner): void {
    this.held += amount;
    owner.held += amount;
    this.#movedAt = performance.now();
    this.#onChange(this.held);
  }

  /** Whether the first one in its queue gets its amount; what is unfolded may make its load the privileged one. */
  #admits(amount: number, owner: MemoryOwner, use: MemoryUse): boolean {
    if (this.held === 0 || this.held + amount <= this.#limit) return true;
    if (this.#isExcepted(amount, owner)) return true;
    if (use !== 'unfold' || this.#privileged !== null || !this.#isWithinOverdraft(amount, owner))
      return false;
    this.#privileged = owner;
    return true;
  }

  /** Whether an amount is given out of turn. */
  #isExcepted(amount: number, owner: MemoryOwner): boolean {
    return owner === this.#privileged && this.#isWithinOverdraft(amount, owner);
  }

  #isWithinOverdraft(amount: number, owner: MemoryOwner): boolean {
    return this.held + amount <= this.#most || this.held === owner.held;
  }

  #serve(): void {
    for (const use of ['unfold', 'receive'] as const) {
      for (const waiter of this.#queues[use]) {
        // Strictly in order: a large amount that waits is not overtaken by small ones without end.
        if (!this.#admits(waiter.amount, waiter.owner, use)) return;
        this.#grant(waiter);
      }
    }
  }

  #grant(waiter: Waiter): void {
    this.#change(waiter.amount, waiter.owner);
    waiter.settle();
  }

  #lookAgain(): void {
    this.#timer = undefined;
    if (!this.#isContended()) return;
    const stillMs = performance.now() - this.#movedAt;
    if (stillMs >= STUCK_MS - 1 && !this.#unblock() && stillMs >= GIVE_UP_MS) this.#sacrifice();
    this.#watch();
  }

  /** Nothing comes free by itself when all that is held are parts of bodies: no need to wait and see. */
  #unblockIfAllArrive(): void {
    // The privileged one waits for its client, not for memory: it has its time.
    if (this.#privileged !== null || this.held === 0 || this.held !== this.#arriving) return;
    if (this.#isContended()) this.#unblock();
  }

  /** The first one in line that holds something and can go on beyond the limit does, and its load from then on. */
  #unblock(): boolean {
    for (const waiter of [...this.#queues.unfold, ...this.#queues.receive]) {
      if (waiter.owner.held === 0 || !this.#isWithinOverdraft(waiter.amount, waiter.owner)) continue;
      this.#privileged = waiter.owner;
      this.#grant(waiter);
      this.#serve();
      return true;
    }
    return false;
  }

  /** The last one that came and holds something gives way. */
  #sacrifice(): void {
    const holders = [...this.#queues.receive].filter(
      ({ owner }) => owner.held > 0 && owner !== this.#privileged,
    );
    holders.at(-1)?.refuse();
  }

  #watch(): void {
    if (this.#timer !== undefined || !this.#isContended()) return;
    this.#timer = setTimeout(() => this.#lookAgain(), STUCK_MS);
    this.#timer.unref();
  }

  #wait(
    wanted: Pick<Waiter, 'amount' | 'owner'>,
    use: MemoryUse,
    { signal, waitMs, refuse }: Patience,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queue = this.#queues[use];
    const onAbort = () => waiter.settle(signal.reason);
    const waiter: Waiter = {
      ...wanted,
      since: performance.now(),
      refuse: () => waiter.settle(refuse()),
      settle: (error) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        queue.delete(waiter);
        if (error === undefined) resolve();
        else {
          reject(error);
          this.#serve();
        }
      },
    };
    const timer = setTimeout(() => waiter.refuse(), waitMs);
    signal.addEventListener('abort', onAbort, { once: true });
    queue.add(waiter);
    this.#watch();
    this.#unblockIfAllArrive();
    return promise;
  }
}
