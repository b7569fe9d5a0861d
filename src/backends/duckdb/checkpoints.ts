import { statSync } from 'node:fs';

/** How long writers are held up, at most, until those that write already have let go. */
const patienceMs = 5_000;
/** How long nobody is held up again when that was in vain. */
const pauseMs = 20_000;

/** How long it is left alone behind a transaction that DuckDB makes no checkpoint beside. */
const refusedPauseMs = 1_000;

/** Someone who writes into the file, and how to ask for an early end. */
interface Writer {
  readonly hurry: (() => void) | undefined;
}

export interface CheckpointOptions {
  /** The write-ahead log. */
  readonly logPath: string;
  /** Bytes of log that are worth a checkpoint. */
  readonly threshold: number;
  /** Has DuckDB write one. */
  checkpoint(): Promise<void>;
}

/**
 * Checkpoints that nothing else writes beside. DuckDB 1.5 hands out the blocks that a checkpoint frees before the header
 * that frees them is on the disk (duckdb#25106): who writes into the file meanwhile overwrites rows that a crash would
 * go back to. It also loses its way among commits that were made during a checkpoint which then did not end
 * (duckdb#24260, #25970). So DuckDB makes no checkpoints of its own; they are made here, once the log is long enough.
 */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  readonly #writers = new Set<Writer>();
  #opening: Promise<void> | null = null;
  #onLeft: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;
  #queue: <T>(work: () => Promise<T>) => Promise<T> = (work) => work();
  #onFailure: (thrown: unknown) => void = () => undefined;

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  /** Says where the COMMITs of loads queue up, which checkpoints then do as well, and who is told of one that failed. */
  join(queue: <T>(work: () => Promise<T>) => Promise<T>, onFailure: (thrown: unknown) => void): void {
    this.#queue = queue;
    this.#onFailure = onFailure;
  }

  /**
   * Runs work that writes into the file, beside other such work and never beside a checkpoint. `hurry` is called when
   * one is due: what can end early is to do so. Neither COMMITs of the queue nor other calls of this may be awaited in it.
   */
  async write<T>(work: () => Promise<T>, hurry?: () => void): Promise<T> {
    while (this.#opening !== null) await this.#opening;
    const writer = { hurry };
    this.#writers.add(writer);
    try {
      return await work();
    } finally {
      this.#writers.delete(writer);
      if (this.#writers.size === 0) this.#onLeft?.();
      this.noteCommit();
    }
  }

  /** To be told after each COMMIT: begins a checkpoint where the log has grown long enough. */
  noteCommit(): void {
    if (this.#running !== null || this.#closed || performance.now() < this.#pausedUntil) return;
    if (this.#logBytes() < this.#options.threshold) return;
    void this.run().catch(this.#onFailure);
  }

  /** Makes a checkpoint now; leaves it out where writers do not let go in time, or DuckDB will not make one beside a transaction. */
  run(): Promise<void> {
    this.#running ??= this.#runAlone().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Folds all that is committed by now into the file, where that can be done. Never throws: what fails is told as ever. */
  async fold(): Promise<void> {
    await this.#running?.catch(() => undefined);
    await this.run().catch(this.#onFailure);
  }

  /** No further ones begin; resolves when the last has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => undefined);
  }

  async #runAlone(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#opening = promise;
    try {
      for (const { hurry } of this.#writers) hurry?.();
      if (await this.#isLeft()) await this.#queue(() => this.#options.checkpoint());
      else this.#pausedUntil = performance.now() + pauseMs;
    } catch (thrown) {
      if (!(thrown instanceof Error && /Cannot CHECKPOINT/.test(thrown.message))) throw thrown;
      this.#pausedUntil = performance.now() + refusedPauseMs;
    } finally {
      this.#opening = null;
      resolve();
    }
  }

  /** Resolves when nobody writes, with false when that takes too long. */
  async #isLeft(): Promise<boolean> {
    if (this.#writers.size === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    this.#onLeft = resolve;
    await promise;
    clearTimeout(timer);
    this.#onLeft = null;
    return this.#writers.size === 0;
  }

  #logBytes(): number {
    return statSync(this.#options.logPath, { throwIfNoEntry: false })?.size ?? 0;
  }
}
