import { ArrowportError } from '../../errors.ts';

/** Sets of parameters up to here find room while others have taken all that there is. */
const SMALL_BYTES = 64 * 1024;
/** The room that is kept for them, as a part of the rest. */
const SMALL_SHARE = 0.25;

/** The memory of the parameters of all clients: those that are being received, are used, or stay bound to statements. */
export interface ParameterMemory {
  /** Memory for one set, which has one user at first: whoever reads it, until `leave`. */
  open(): ParameterLease;
  /** Bytes that are counted now. */
  readonly heldBytes: number;
}

/** The memory of one set of parameters. Given back when nobody uses it and it is bound no longer. */
export interface ParameterLease {
  /**
   * Counts further bytes, before they are taken; sets that are bound and not used are forgotten for them, the largest
   * first. Throws BODY_TOO_LARGE for a set that would have all there is, OVERLOADED.
   */
  take(bytes: number): void;
  /** The first user has done. */
  leave(): void;
  /** Counts a further user; call the answer when it has done, any number of times. */
  use(): () => void;
  /** The set stays bound. `forget` is called when others need its memory and nobody uses it. */
  keep(forget: () => void): void;
  /** It is bound no longer. */
  drop(): void;
}

/** Makes the memory of one server; `maxBytes` is asked each time. */
export function createParameterMemory(maxBytes: () => number): ParameterMemory {
  const bound = new Set<Lease>();
  let held = 0;

  class Lease implements ParameterLease {
    bytes = 0;
    #users = 1;
    #forget: (() => void) | null = null;

    get isIdle(): boolean {
      return this.#users === 0;
    }

    take(bytes: number): void {
      const most = maxBytes();
      if (this.bytes + bytes > most) throw tooLarge(most);
      const isSmall = this.bytes + bytes <= SMALL_BYTES;
      const room = isSmall ? most * (1 + SMALL_SHARE) : most;
      while (held + bytes > room && forgetLargest(this)) {
        // Its memory was counted as given back.
      }
      if (held + bytes > room) throw overloaded();
      this.bytes += bytes;
      held += bytes;
    }

    leave(): void {
      this.#users -= 1;
      this.#settle();
    }

    use(): () => void {
      this.#users += 1;
      let isDone = false;
      return () => {
        if (isDone) return;
        isDone = true;
        this.leave();
      };
    }

    keep(forget: () => void): void {
      this.#forget = forget;
      bound.add(this);
    }

    drop(): void {
      this.#forget = null;
      bound.delete(this);
      this.#settle();
    }

    forget(): void {
      const forget = this.#forget;
      this.drop();
      forget?.();
    }

    #settle(): void {
      if (this.#users > 0 || this.#forget !== null) return;
      held -= this.bytes;
      this.bytes = 0;
    }
  }

  function forgetLargest(except: Lease): boolean {
    let largest: Lease | null = null;
    for (const lease of bound) {
      if (lease !== except && lease.isIdle && lease.bytes > (largest?.bytes ?? 0)) largest = lease;
    }
    largest?.forget();
    return largest !== null;
  }

  return {
    open: () => new Lease(),
    get heldBytes() {
      return held;
    },
  };
}

function tooLarge(maxBytes: number): ArrowportError {
  const mebibytes = Math.floor(maxBytes / 1024 / 1024);
  return new ArrowportError(
    'BODY_TOO_LARGE',
    `The parameters have more than ${mebibytes} MiB, half of limits.max_inflight_bytes: bind them in several calls, or load them as a table.`,
    { details: { limit: 'limits.max_inflight_bytes' } },
  );
}

function overloaded(): ArrowportError {
  return new ArrowportError(
    'OVERLOADED',
    'The parameters of other calls take all the memory there is for them.',
    {
      details: { limit: 'limits.max_inflight_bytes', retryAfterMs: 1000 },
    },
  );
}
