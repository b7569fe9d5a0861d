import type { BodyAllocator, BodyLease } from '../core/ipc-message.ts';
import type { ArrowportError } from '../errors.ts';
import { createBodyPool } from './body-pool.ts';
import { createBudget, type Patience } from './budget.ts';

/** The bounds of the memory that all loads share. */
export interface BodyMemoryOptions {
  readonly limitBytes: number;
  /** How long a load waits for its first body. */
  readonly beginWaitMs: number;
  /** How long it waits for a later one. */
  readonly memoryWaitMs: number;
  /** Makes the error of a wait that took too long. */
  refuse(): ArrowportError;
  onChange(heldBytes: number): void;
}

/** The memory that message bodies are received in. */
export interface BodyMemory {
  /** Whether a load waits for memory. */
  readonly isPressed: boolean;
  /** An allocator for one load, whose waits end with `signal`. */
  createAllocator(signal: AbortSignal): BodyAllocator;
  /** Calls `handler` whenever a load begins to wait; returns what ends that. */
  watchPressure(handler: () => void): () => void;
  /** Lets go of the idle memory. */
  close(): void;
}

const MAX_RETAINED_BYTES = 256 * 1024 * 1024;

/** Makes the memory of one server. */
export function createBodyMemory(options: BodyMemoryOptions): BodyMemory {
  const { limitBytes, refuse } = options;
  const budget = createBudget(limitBytes, (held) => options.onChange(held));
  const pool = createBodyPool({ retainBytes: Math.min(MAX_RETAINED_BYTES, limitBytes / 2) });
  const watchers = new Set<() => void>();

  /** A lease that is counted; the memory itself goes back to whoever it came from. */
  const count = (bytes: Uint8Array, giveBack: () => void): BodyLease => {
    let held = true;
    return {
      bytes,
      release() {
        if (!held) return;
        held = false;
        giveBack();
        budget.give(bytes.byteLength);
      },
    };
  };
  const lease = (length: number): BodyLease => {
    const { bytes, release } = pool.take(length);
    return count(bytes, release);
  };

  return {
    get isPressed() {
      return budget.isContended;
    },
    createAllocator(signal) {
      let patience: Patience = { signal, waitMs: options.beginWaitMs, refuse };
      const acquire = (length: number, make: () => BodyLease): Promise<BodyLease> | BodyLease => {
        const wait = budget.take(length, patience);
        patience = { signal, waitMs: options.memoryWaitMs, refuse };
        if (wait === null) return make();
        for (const notify of watchers) notify();
        return wait.then(make);
      };
      return {
        allocate: (length) => acquire(length, () => lease(length)),
        adopt: (bytes) => acquire(bytes.byteLength, () => count(bytes, () => undefined)),
      };
    },
    watchPressure(handler) {
      // Wrapped, so that a handler that watches twice is told twice.
      const watcher = () => handler();
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    close: () => pool.close(),
  };
}
