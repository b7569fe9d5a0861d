import { availableParallelism } from 'node:os';
import type { PreparedForm } from './prepared-form.ts';
import type { RunGuard } from './run-guard.ts';
import { Slots } from './slots.ts';

/** How long a statement runs at first beside as many long ones as there may be, before it waits for a place among them. */
const briefMs = 250;
/** How long it waits for one, in multiples of how long it has run, before it tries once more for twice as long. */
const waitFactor = 2;
const fewestLong = 6;
const placesPerCore = 2;

/** The statement that runs. */
export interface LongRun {
  readonly guard: RunGuard;
  readonly caller: string;
  /** Let go when it is broken off, with what it has gathered. */
  readonly form: PreparedForm;
}

/**
 * Keeps long statements from holding short ones up: as many as there are places run at a time, and one that finds none runs
 * for a moment; where that is not enough it is broken off, and run anew when a place is free, or else for twice as long.
 */
export class LongRuns {
  readonly #places = new Slots(() => Math.max(fewestLong, placesPerCore * availableParallelism()));

  /**
   * Runs what may run several times, as long as its first answer is not there; without `run` it is not broken off. Throws
   * the reason why the guard stopped it.
   */
  async run<T>(work: () => Promise<T>, run: LongRun | null): Promise<T> {
    if (run === null) return work();
    const { guard, caller, form } = run;
    let place = this.#places.tryAcquire(caller);
    for (let ms = briefMs; place === null; ms *= 2) {
      const brief = await guard.runBriefly(work, ms);
      if (brief !== null) return brief.value;
      form.letGo();
      place = await this.#places.acquireWithin(ms * waitFactor, caller, guard.signal);
    }
    try {
      return await work();
    } finally {
      place();
    }
  }
}
