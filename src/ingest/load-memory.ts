import type { BodyAllocator, BodyLease } from '../core/ipc-message.ts';
import type { ArrowportError } from '../errors.ts';
import type { BodyPool, PooledLease } from './body-pool.ts';
import type { MemoryBudget, MemoryOwner, MemoryUse } from './memory-budget.ts';

/** What one load holds of the memory of all. */
export interface LoadMemory {
  readonly allocator: BodyAllocator;
  /** Bytes that count as held by this load. */
  readonly held: number;
  /** When the load last got on with a body, by `performance.now()`. */
  readonly receivedAt: number;
  /** Whether the load waits for memory itself. */
  readonly isWaiting: boolean;
  /** The body that was being received is here. */
  arrived(): void;
  /** Counts what a message unfolds to; resolves with what ends that. Throws OVERLOADED. */
  unfold(bytes: number): Promise<() => void> | (() => void);
  /** Counts what is held in any case; returns what ends that. */
  hold(bytes: number): () => void;
}

/** What the loads of a server share. */
export interface SharedMemory {
  readonly budget: MemoryBudget;
  readonly pool: BodyPool;
  /** Bytes of leases that are in memory in full, being used again, but are counted in part only. */
  uncountedBytes: number;
  /** How long a load waits for its first body, and for a later one. */
  readonly beginWaitMs: number;
  readonly memoryWaitMs: number;
  /** Makes the error of a wait that took too long. */
  refuse(): ArrowportError;
  /** Called when a load begins to wait. */
  onWait(): void;
}

/** Bodies up to this size are counted whole before they are received; of larger ones so much, then as much again as has come. */
const FIRST_STEP_BYTES = 1024 * 1024;

/** Opens the memory of one load, whose waits end with `signal`. */
export function openLoadMemory(shared: SharedMemory, signal: AbortSignal): LoadMemory {
  return new HeldMemory(shared, signal);
}

class HeldMemory implements LoadMemory, MemoryOwner {
  held = 0;
  arriving = 0;
  receivedAt = performance.now();
  isWaiting = false;
  readonly allocator: BodyAllocator = { allocate: (length) => this.#allocate(length) };
  readonly #shared: SharedMemory;
  readonly #signal: AbortSignal;
  #waitMs: number;

  constructor(shared: SharedMemory, signal: AbortSignal) {
    this.#shared = shared;
    this.#signal = signal;
    this.#waitMs = shared.beginWaitMs;
  }

  arrived(): void {
    if (this.arriving > 0) this.#shared.budget.setArriving(0, this);
  }

  unfold(bytes: number): Promise<() => void> | (() => void) {
    const wait = this.take(bytes, 'unfold');
    return wait === null ? this.#end(bytes) : wait.then(() => this.#end(bytes));
  }

  hold(bytes: number): () => void {
    this.#shared.budget.add(bytes, this);
    return this.#end(bytes);
  }

  take(amount: number, use: MemoryUse): Promise<void> | null {
    const { budget, refuse, memoryWaitMs } = this.#shared;
    const patience = { signal: this.#signal, waitMs: this.#waitMs, refuse };
    this.#waitMs = memoryWaitMs;
    const wait = budget.take(amount, this, use, patience);
    if (wait === null) return null;
    this.isWaiting = true;
    this.#shared.onWait();
    return wait.finally(() => {
      this.isWaiting = false;
      this.receivedAt = performance.now();
    });
  }

  #allocate(length: number): Promise<BodyLease> | BodyLease {
    this.receivedAt = performance.now();
    const first = Math.min(length, FIRST_STEP_BYTES);
    const wait = this.take(first, 'receive');
    return wait === null ? this.#lease(length, first) : wait.then(() => this.#lease(length, first));
  }

  #lease(length: number, counted: number): BodyLease {
    let memory: PooledLease;
    try {
      memory = this.#shared.pool.take(length);
    } catch {
      this.#shared.budget.give(counted, this);
      throw this.#shared.refuse();
    }
    return new CountedLease(this.#shared, this, memory, counted);
  }

  #end(bytes: number): () => void {
    let held = true;
    return () => {
      if (held) this.#shared.budget.give(bytes, this);
      held = false;
    };
  }
}

/** Memory of the pool of which the first `counted` bytes are taken from the budget. */
class CountedLease implements BodyLease {
  readonly bytes: Uint8Array;
  readonly #shared: SharedMemory;
  readonly #owner: HeldMemory;
  readonly #memory: PooledLease;
  #counted: number;
  #held = true;

  constructor(shared: SharedMemory, owner: HeldMemory, memory: PooledLease, counted: number) {
    this.#shared = shared;
    this.#owner = owner;
    this.#memory = memory;
    this.#counted = counted;
    this.bytes = memory.bytes;
    shared.uncountedBytes += this.#uncounted;
    shared.budget.setArriving(counted, owner);
  }

  get #uncounted(): number {
    return this.#memory.isUsed ? this.bytes.byteLength - this.#counted : 0;
  }

  admit(length: number): Promise<void> | null {
    this.#owner.receivedAt = performance.now();
    if (length <= this.#counted) return null;
    const amount = Math.min(this.bytes.byteLength, Math.max(length, 2 * this.#counted)) - this.#counted;
    const wait = this.#owner.take(amount, 'receive');
    if (wait !== null) return wait.then(() => this.#count(amount));
    this.#count(amount);
    return null;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#shared.uncountedBytes -= this.#uncounted;
    if (this.#owner.arriving === this.#counted) this.#owner.arrived();
    // The budget first: what becomes idle is held against what it has left.
    this.#shared.budget.give(this.#counted, this.#owner);
    this.#memory.release();
  }

  #count(amount: number): void {
    if (!this.#held) {
      this.#shared.budget.give(amount, this.#owner);
      return;
    }
    this.#shared.uncountedBytes -= this.#memory.isUsed ? amount : 0;
    this.#counted += amount;
    this.#shared.budget.setArriving(this.#counted, this.#owner);
  }
}
