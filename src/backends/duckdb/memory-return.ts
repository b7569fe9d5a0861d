import { setTimeout as sleep } from 'node:timers/promises';

/** At rest, this much is worth opening the database again. */
const restThresholdBytes = 48 * 1024 * 1024;
/** Beyond this share of the limit new loads wait for the moment in which it can be done. */
const pressingShare = 0.25;
const pressingBytes = 512 * 1024 * 1024;
const restAfterMs = 2_000;
/** How long new loads and queries wait, at most, for those that run. */
const patienceMs = 1_000;
/** How long nobody is made to wait again when that was in vain. */
const pauseMs = 60_000;
const pollMs = 5;

/** What `MemoryReturn` needs of the backend. */
export interface MemoryReturnOptions {
  /** What DuckDB keeps for committed rows and cannot put away, in bytes, by estimate. */
  retainedBytes(): number;
  /** The memory limit that the configuration fixes, in bytes; null where it fixes none. */
  fixedLimit(): number | null;
  /** Whether nobody uses the database. */
  isIdle(): boolean;
  /** Closes the database and opens it again. */
  reopen(): Promise<void>;
}

/**
 * Decides when the database is opened again to give memory back. DuckDB 1.5.5 keeps 256 KiB pinned for each row group in
 * which a load ended within a vector, until the database is closed (its `RowVersionManager`, mended in 1.5.6): for 100
 * million rows in loads of some thousand that is 200 MB, which no memory limit makes it put away.
 */
export class MemoryReturn {
  readonly #options: MemoryReturnOptions;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> | null = null;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: MemoryReturnOptions) {
    this.#options = options;
  }

  /** To be awaited by whoever is about to use the database: resolves at once, but for the moment in which it is opened again. */
  async admit(): Promise<void> {
    if (this.#isPressing()) this.#takeTurn(() => this.#returnBetweenLoads());
    while (this.#turn !== null) await this.#turn;
  }

  /** To be told whenever a load or a statement has let go of the database. */
  noteRelease(): void {
    if (!this.#closed && this.#isWorthwhile()) this.#returnLater();
  }

  /** Resolves when the database is not being opened again, and will not be any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  #isWorthwhile(): boolean {
    return this.#options.retainedBytes() >= Math.min(restThresholdBytes, this.#pressingBytes());
  }

  #isPressing(): boolean {
    if (this.#closed || this.#turn !== null || performance.now() < this.#pausedUntil) return false;
    return this.#options.retainedBytes() >= this.#pressingBytes();
  }

  #pressingBytes(): number {
    return Math.min(pressingBytes, (this.#options.fixedLimit() ?? Infinity) * pressingShare);
  }

  #returnLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#closed || this.#turn !== null || !this.#isWorthwhile()) return;
      if (this.#options.isIdle()) this.#takeTurn(() => this.#options.reopen());
      else this.#returnLater();
    }, restAfterMs);
    this.#timer.unref();
  }

  async #returnBetweenLoads(): Promise<void> {
    const until = performance.now() + patienceMs;
    while (!this.#closed && !this.#options.isIdle() && performance.now() < until) await sleep(pollMs);
    if (this.#closed) return;
    if (this.#options.isIdle()) await this.#options.reopen();
    else this.#pausedUntil = performance.now() + pauseMs;
  }

  /** A failure is the next user's to meet, who opens the database as after any other fault. */
  #takeTurn(run: () => Promise<void>): void {
    this.#turn = run()
      .catch(() => undefined)
      .finally(() => {
        this.#turn = null;
      });
  }
}
