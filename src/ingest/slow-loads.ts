import type { ArrowportError } from '../errors.ts';

/** A load whose client may be too slow for what it holds. */
export interface SlowLoad {
  /** Bytes that it holds. */
  readonly held: number;
  /** Since when it waits for its client, by `performance.now()`; null while it does not. */
  readonly slowSince: number | null;
  /** Ends it with an error. */
  end(error: ArrowportError): void;
}

/** What others wait for, and how long a slow load may keep it from them. */
export interface SlowLoadsOptions {
  /** Since when a load waits for memory, by `performance.now()`; null while none does. */
  memoryWaitedSince(): number | null;
  /** Whether a load waits for a place. */
  arePlacesShort(): boolean;
  readonly memoryMs: number;
  readonly placeMs: number;
  refuse(text: string, limit: string): ArrowportError;
}

/** The loads that run, of which the slow ones are ended while others wait for what they hold. */
export interface SlowLoads {
  add(load: SlowLoad): void;
  remove(load: SlowLoad): void;
  /** Somebody begins to wait. */
  readonly watch: () => void;
  close(): void;
}

const LOOK_MS = 1000;

/**
 * Makes an empty set. A client that sends a byte a second is never idle, and may take its time while there is enough
 * for all; only while others wait does it have to bring a message or a MiB in each `memoryMs`.
 */
export function createSlowLoads(options: SlowLoadsOptions): SlowLoads {
  const loads = new Set<SlowLoad>();
  let timer: NodeJS.Timeout | undefined;

  const endThose = (isSlow: (load: SlowLoad, slowMs: number) => boolean, error: () => ArrowportError) => {
    const now = performance.now();
    for (const load of loads) {
      const { slowSince } = load;
      if (slowSince !== null && isSlow(load, now - slowSince)) load.end(error());
    }
  };
  const look = () => {
    timer = undefined;
    const { memoryMs, placeMs, refuse } = options;
    const waitedSince = options.memoryWaitedSince();
    const placesShort = options.arePlacesShort();
    if (waitedSince !== null && performance.now() - waitedSince >= LOOK_MS / 2) {
      const text = `Other loads wait for the memory that this one holds, and it brought too little for ${memoryMs / 1000} s (limits.max_inflight_bytes); send it again.`;
      endThose(
        ({ held }, slowMs) => held > 0 && slowMs >= memoryMs,
        () => refuse(text, 'limits.max_inflight_bytes'),
      );
    }
    if (placesShort) {
      const text = `Other loads wait for the place of this one, and it brought too little for ${placeMs / 1000} s (limits.max_streams); send it again.`;
      endThose(
        (_load, slowMs) => slowMs >= placeMs,
        () => refuse(text, 'limits.max_streams'),
      );
    }
    if (waitedSince !== null || placesShort) watch();
  };
  const watch = () => {
    if (timer !== undefined) return;
    timer = setTimeout(look, LOOK_MS);
    timer.unref();
  };

  return {
    add: (load) => void loads.add(load),
    remove: (load) => void loads.delete(load),
    watch,
    close() {
      clearTimeout(timer);
    },
  };
}
