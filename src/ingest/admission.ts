import type { BodyAllocator } from '../core/ipc-message.ts';
import type { IngestObserver } from '../core/observer.ts';
import { ArrowportError } from '../errors.ts';
import { type BodyMemory, createBodyMemory } from './body-memory.ts';
import { createBudget } from './budget.ts';
import type { LoadMemory } from './load-memory.ts';
import { createSlowLoads, type SlowLoads } from './slow-loads.ts';

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
  /** How long a load that others wait for may send nothing; 8 s by default. */
  readonly slowMemoryMs?: number;
  /** How long it may where it only takes a place; 60 s by default. */
  readonly slowPlaceMs?: number;
}

/** A load's place among those that run. */
export interface Place {
  /** Memory for this load's bodies. Throws OVERLOADED, and the reason of the load's signal. */
  readonly allocator: BodyAllocator;
  /** What the load holds. */
  readonly memory: LoadMemory;
  /** Says whether the load waits for its client at the moment. */
  setReceiving(isReceiving: boolean): void;
  /** Whether a load waits for memory: whoever gathers should hand on instead. */
  isPressed(): boolean;
  /** Calls `handler` whenever a load begins to wait for memory, until the place is left. */
  watchPressure(handler: () => void): void;
  /** Gives the place back, once; leases end with their own release. */
  leave(): void;
}

/** Who may load, and with how much memory. */
export interface Admission {
  /**
   * Resolves with a place when one is free. `end` is called with OVERLOADED when others wait for what the load holds
   * and its client sends too little. Throws OVERLOADED after a bounded wait, SHUTTING_DOWN, and the signal's reason.
   */
  admit(signal: AbortSignal, end?: (error: ArrowportError) => void): Promise<Place>;
  /** From now on nobody is admitted; loads that have their place go on. */
  setDraining(): void;
  /** Lets go of the idle memory. */
  close(): void;
}

const BEGIN_WAIT_MS = 10_000;
const MEMORY_WAIT_MS = 60_000;
const SLOW_MEMORY_MS = 8000;
const SLOW_PLACE_MS = 60_000;
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
  const slow = createSlowLoads({
    memoryWaitedSince: () => memory.waitingSince,
    arePlacesShort: () => places.isContended,
    memoryMs: options.slowMemoryMs ?? SLOW_MEMORY_MS,
    placeMs: options.slowPlaceMs ?? SLOW_PLACE_MS,
    refuse,
  });
  const unwatch = memory.watchPressure(slow.watch);
  let draining = false;

  return {
    async admit(signal, end) {
      if (draining) throw shuttingDown();
      const wait = places.take(1, { signal, waitMs: beginWaitMs, refuse: refusePlace });
      if (wait !== null) slow.watch();
      await wait;
      return new LoadPlace(memory, slow, { signal, end, giveBack: () => places.give(1) });
    },
    setDraining() {
      draining = true;
      places.refuseAll(shuttingDown());
    },
    close() {
      unwatch();
      slow.close();
      memory.close();
    },
  };
}

interface LoadPlaceOptions {
  readonly signal: AbortSignal;
  readonly end: ((error: ArrowportError) => void) | undefined;
  giveBack(): void;
}

class LoadPlace implements Place {
  readonly memory: LoadMemory;
  readonly #shared: BodyMemory;
  readonly #slow: SlowLoads;
  readonly #options: LoadPlaceOptions;
  #receivingSince: number | null = null;
  #unwatch: (() => void) | null = null;
  #left = false;

  constructor(shared: BodyMemory, slow: SlowLoads, options: LoadPlaceOptions) {
    this.#shared = shared;
    this.#slow = slow;
    this.#options = options;
    this.memory = shared.open(options.signal);
    if (options.end !== undefined) slow.add(this);
  }

  get allocator(): BodyAllocator {
    return this.memory.allocator;
  }

  get held(): number {
    return this.memory.held;
  }

  /** Since when the client has sent nothing that counts; null while the load does not wait for it. */
  get slowSince(): number | null {
    if (this.#receivingSince === null || this.memory.isWaiting) return null;
    return Math.max(this.#receivingSince, this.memory.receivedAt);
  }

  end(error: ArrowportError): void {
    this.#options.end?.(error);
  }

  setReceiving(isReceiving: boolean): void {
    this.#receivingSince = isReceiving ? performance.now() : null;
    if (!isReceiving) this.memory.arrived();
  }

  isPressed(): boolean {
    return this.#shared.isPressed;
  }

  watchPressure(handler: () => void): void {
    this.#unwatch?.();
    this.#unwatch = this.#shared.watchPressure(handler);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#unwatch?.();
    this.#slow.remove(this);
    this.#options.giveBack();
  }
}

function shuttingDown(): ArrowportError {
  return new ArrowportError('SHUTTING_DOWN', 'The server is shutting down and takes no new loads.', {
    details: { retryAfterMs: RETRY_ELSEWHERE_MS },
  });
}
