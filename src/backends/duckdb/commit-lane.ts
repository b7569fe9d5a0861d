import { setTimeout as sleep } from 'node:timers/promises';
import { ArrowportError } from '../../errors.ts';
import { isInvalidated } from './errors.ts';

/** What every COMMIT finds free, beyond what the INSERTs beside it may take. */
export const commitReserveBytes = 64 * 1024 * 1024;
/** How long INSERTs may reach into it too, so that a crowd of small loads does not set the limit twice for each. */
const raisedMs = 50;
/** How long after memory ran out they may not. */
const strictMs = 30_000;
/** How far above its base the limit is raised while it cannot be lowered, in multiples of what a COMMIT finds free. */
const mostReserves = 4;
const lowerAgainMs = 1000;

/**
 * Commits, one at a time, with memory of their own. A COMMIT that runs out of memory takes its rows out of the table
 * again, and DuckDB 1.5 may fail internally on the next one into that table ("Could not find node in column segment
 * tree") and give the whole database up; its log takes one COMMIT at a time anyway.
 */
export class CommitLane {
  readonly #setLimit: (bytes: number) => Promise<void>;
  readonly #ceiling: number;
  /** What DuckDB may take while nothing commits. */
  #base: number;
  #limit: number;
  #reserve = 0;
  #last: Promise<unknown> = Promise.resolve();
  #setting: Promise<unknown> = Promise.resolve();
  #isInvalidated = false;
  #lowerAt = 0;
  #lowersAgain = false;
  #closed = false;
  #strictUntil = Number.NEGATIVE_INFINITY;

  /** `limit` in bytes is the one that is set already, and none goes beyond `ceiling`. */
  constructor(limit: number, ceiling: number, setLimit: (bytes: number) => Promise<void>) {
    this.#base = limit;
    this.#limit = limit;
    this.#ceiling = ceiling;
    this.#setLimit = setLimit;
  }

  /** Sets the limit that holds while nothing commits, in bytes. Throws what DuckDB throws when it cannot be lowered so far. */
  async setBase(bytes: number): Promise<void> {
    const before = this.#base;
    this.#base = bytes;
    try {
      await this.#set(() => this.#base + this.#reserve);
    } catch (thrown) {
      this.#base = before;
      throw thrown;
    }
  }

  /** The limit is let be from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Says that some load ran out of memory: what is kept for COMMITs is kept from INSERTs at every moment now. */
  noteShortage(): void {
    this.#strictUntil = performance.now() + strictMs;
  }

  /**
   * Runs a COMMIT behind those before it, with `reserve` bytes that INSERTs had no use of. Throws what it throws, and
   * BACKEND_UNAVAILABLE instead of running it where an earlier one made DuckDB give the database up.
   */
  run<T>(reserve: number, commit: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      await this.#raise(reserve);
      try {
        return await this.#commit(commit);
      } finally {
        const now = performance.now();
        if (now >= this.#lowerAt || now < this.#strictUntil) await this.#endRaise();
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #commit<T>(commit: () => Promise<T>): Promise<T> {
    if (this.#isInvalidated)
      throw new ArrowportError('BACKEND_UNAVAILABLE', 'The database has to be opened again.');
    try {
      return await commit();
    } catch (thrown) {
      this.#isInvalidated = isInvalidated(thrown instanceof ArrowportError ? thrown.cause : thrown);
      throw thrown;
    }
  }

  async #raise(reserve: number): Promise<void> {
    if (this.#reserve >= reserve) return;
    if (this.#reserve === 0) this.#lowerAt = performance.now() + raisedMs;
    this.#reserve = reserve;
    // Where the limit could not be lowered the last time, INSERTs have filled it.
    const most = Math.min(this.#base + mostReserves * reserve, this.#ceiling);
    const wanted = Math.min(Math.max(this.#base, this.#limit) + reserve, most);
    await this.#set(() => Math.max(wanted, this.#limit)).catch(() => undefined);
    void sleep(raisedMs, undefined, { ref: false }).then(() => {
      this.#last = this.#last.then(() => this.#endRaise());
    });
  }

  async #endRaise(): Promise<void> {
    if (this.#reserve === 0) return;
    this.#reserve = 0;
    await this.#lower();
  }

  /** What cannot be put away yet is tried again. */
  async #lower(): Promise<void> {
    try {
      await this.#set(() => this.#base);
    } catch {
      if (this.#lowersAgain) return;
      this.#lowersAgain = true;
      void sleep(lowerAgainMs, undefined, { ref: false }).then(() => {
        this.#lowersAgain = false;
        if (!this.#closed)
          this.#last = this.#last.then(() => (this.#reserve === 0 ? this.#lower() : undefined));
      });
    }
  }

  #set(wanted: () => number): Promise<void> {
    const next = this.#setting.then(async () => {
      const bytes = wanted();
      if (bytes === this.#limit) return;
      await this.#setLimit(bytes);
      this.#limit = bytes;
    });
    this.#setting = next.catch(() => undefined);
    return next;
  }
}
