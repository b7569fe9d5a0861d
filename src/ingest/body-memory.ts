import type { ArrowportError } from '../errors.ts';
import { createBodyPool } from './body-pool.ts';
import { type LoadMemory, openLoadMemory, type SharedMemory } from './load-memory.ts';
import { createMemoryBudget, ORDINARY_SHARE } from './memory-budget.ts';

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

/** The memory that message bodies are received in, and that what they unfold to is counted against. */
export interface BodyMemory {
  /** Whether loads should hand on what they have gathered. */
  readonly isPressed: boolean;
  /** Since when a load waits for memory, by `performance.now()`; null while none does. */
  readonly waitingSince: number | null;
  /** The memory of one load, whose waits end with `signal`. */
  open(signal: AbortSignal): LoadMemory;
  /** Calls `handler` whenever a load begins to wait; returns what ends that. */
  watchPressure(handler: () => void): () => void;
  /** Lets go of the idle memory. */
  close(): void;
}

const MAX_RETAINED_BYTES = 256 * 1024 * 1024;

/** Makes the memory of one server. */
export function createBodyMemory(options: BodyMemoryOptions): BodyMemory {
  const { limitBytes } = options;
  const ordinaryBytes = limitBytes * ORDINARY_SHARE;
  const budget = createMemoryBudget(limitBytes, (held) => options.onChange(held));
  const watchers = new Set<() => void>();
  const shared: SharedMemory = {
    budget,
    pool: createBodyPool({
      retainBytes: Math.min(MAX_RETAINED_BYTES, limitBytes / 2),
      spareBytes: () =>
        Math.max(0, Math.min(limitBytes / 2, ordinaryBytes - budget.held) - shared.uncountedBytes),
    }),
    uncountedBytes: 0,
    beginWaitMs: options.beginWaitMs,
    memoryWaitMs: options.memoryWaitMs,
    refuse: () => options.refuse(),
    onWait() {
      for (const notify of watchers) notify();
    },
  };

  return {
    get isPressed() {
      return budget.isPressed;
    },
    get waitingSince() {
      return budget.waitingSince;
    },
    open: (signal) => openLoadMemory(shared, signal),
    watchPressure(handler) {
      // Wrapped, so that a handler that watches twice is told twice.
      const watcher = () => handler();
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    close() {
      budget.close();
      shared.pool.close();
    },
  };
}
