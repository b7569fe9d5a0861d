import type { BodyAllocator } from '../core/ipc-message.ts';
import type { IngestObserver } from '../core/observer.ts';
import { ArrowportError } from '../errors.ts';
import { type BodyMemory, createBodyMemory } from './body-memory.ts';
import { createBudget } from './budget.ts';

/** The bounds of a server's loads, and how long one waits for its share. */
export interface AdmissionOptions {
  /** `limits.max_streams`. */
  readonly maxStreams: number;
  /** `limits.max_inflight_bytes`. */
  readonly maxInflightBytes: number;
  readonly observer: Pick<IngestObserver, 'admissionRejected' | 'inflightBytes'>;
  /** How long a load waits before it begins: for its place, and for memory for its first body. 10 s by default. */
  readonly beginWaitMs?: number;
  /** How long a running load waits for memory; 60 s by default. */
  readonly memoryWaitMs?: number;
}

/** A load's place among those that run. */
export interface Place {
  /** Memory for this load's bodies. Throws OVERLOADED, and the reason of the load's signal. */
  readonly allocator: BodyAllocator;
  /** Whether a load waits for memory: whoever gathers should hand on instead. */
  isPressed(): boolean;
  /** Calls `handler` whenever a load begins to wait for memory, until the place is left. */
  watchPressure(handler: () => void): void;
  /** Gives the place back, once; leases end with their own release. */
  leave(): void;
}

/** Who may load, and with how much memory. */
export interface Admission {
  /** Resolves with a place when one is free. Throws OVERLOADED after a bounded wait, SHUTTING_DOWN, and the signal's reason. */
  admit(signal: AbortSignal): Promise<Place>;
  /** From now on nobody is admitted; loads that have their place go on. */
  setDraining(): void;
  /** Lets go of the idle memory. */
  close(): void;
}

const BEGIN_WAIT_MS = 10_000;
const MEMORY_WAIT_MS = 60_000;
const RETRY_AFTER_MS = 1000;
const RETRY_ELSEWHERE_MS = 5000;

/** Makes the admission of one server. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { observer, maxStreams, maxInflightBytes, beginWaitMs = BEGIN_WAIT_MS } = options;
  const refuse = (text: string, limit: string) => {
    observer.admissionRejected();
    return new ArrowportError('OVERLOADED', text, { details: { limit, retryAfterMs: RETRY_AFTER_MS } });
  };
  const places = createBudget(maxStreams);
  const refusePlace = () =>
    refuse(`${maxStreams} loads are running (limits.max_streams); send it again.`, 'limits.max_streams');
  const memory = createBodyMemory({
    limitBytes: maxInflightBytes,
    beginWaitMs,
    memoryWaitMs: options.memoryWaitMs ?? MEMORY_WAIT_MS,
    refuse: () =>
      refuse(
        `All ${maxInflightBytes} bytes for Arrow bodies (limits.max_inflight_bytes) are in use; send it again.`,
        'limits.max_inflight_bytes',
      ),
    onChange: (held) => observer.inflightBytes(held),
  });
  let draining = false;

  return {
    async admit(signal) {
      if (draining) throw shuttingDown();
      await places.take(1, { signal, waitMs: beginWaitMs, refuse: refusePlace });
      return createPlace(memory, signal, () => places.give(1));
    },
    setDraining() {
      draining = true;
      places.refuseAll(shuttingDown());
    },
    close: () => memory.close(),
  };
}

function createPlace(memory: BodyMemory, signal: AbortSignal, giveBack: () => void): Place {
  let unwatch: (() => void) | null = null;
  let left = false;
  return {
    allocator: memory.createAllocator(signal),
    isPressed: () => memory.isPressed,
    watchPressure(handler) {
      unwatch?.();
      unwatch = memory.watchPressure(handler);
    },
    leave() {
      if (left) return;
      left = true;
      unwatch?.();
      giveBack();
    },
  };
}

function shuttingDown(): ArrowportError {
  return new ArrowportError('SHUTTING_DOWN', 'The server is shutting down and takes no new loads.', {
    details: { retryAfterMs: RETRY_ELSEWHERE_MS },
  });
}
