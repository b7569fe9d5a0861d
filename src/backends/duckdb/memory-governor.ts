import { totalmem } from 'node:os';
import { CommitLane, commitReserveBytes } from './commit-lane.ts';
import { rowGroupRows } from './row-group.ts';

/** What DuckDB may keep in memory when nothing is loaded: it would otherwise fill the machine with what it has written. */
export const restingBytes = 192 * 1024 * 1024;
/** A row group's memory in multiples of its Arrow bytes: while it is built, analysed and written. */
const workingFactor = 2;
/** What DuckDB 1.5.5 keeps for a row group in which a load ended within a vector, see `MemoryReturn`. */
const retainedPerRowGroup = 256 * 1024;
const shareOfMachine = 0.8;
const raiseFactor = 2;
const restAfterMs = 2_000;
const retryRestMs = 5_000;
/** Loads that run out of memory within this time are one squeeze, and raise the floor once. */
const squeezeMs = 5_000;
/** How long a raised floor is held: for ever, DuckDB would in time fill it with what it has written. */
const holdFloorMs = 30_000;

/** Raises and lowers DuckDB's memory limit with the loads that run, so that wide tables load and idle servers are small. */
export class MemoryGovernor {
  /** The limit that the configuration fixes; null where it fixes none. */
  readonly fixedBytes: number | null;
  readonly #lane: CommitLane;
  readonly #threads: number;
  readonly #ceiling: number;
  readonly #rest: number;
  readonly #reserve: number;
  readonly #needs = new Map<object, number>();
  #floor: number;
  #limit: number;
  #turn: Promise<void> = Promise.resolve();
  #resting: NodeJS.Timeout | undefined;
  #lowering: NodeJS.Timeout | undefined;
  #raisedAt = Number.NEGATIVE_INFINITY;
  #retained = 0;

  /** With `fixedBytes` the limit is that, of which commits alone get the last part. */
  constructor(options: { threads: number; fixedBytes?: number; setLimit(bytes: number): Promise<void> }) {
    const { fixedBytes } = options;
    this.fixedBytes = fixedBytes ?? null;
    this.#threads = options.threads;
    this.#reserve = Math.min(commitReserveBytes, Math.floor((fixedBytes ?? Infinity) / 4));
    this.#rest = fixedBytes === undefined ? restingBytes : fixedBytes - this.#reserve;
    this.#ceiling = fixedBytes === undefined ? Math.max(restingBytes, shareOfMemory()) : this.#rest;
    this.#floor = this.#rest;
    this.#limit = fixedBytes ?? restingBytes;
    this.#lane = new CommitLane(this.#limit, fixedBytes ?? this.#ceiling, options.setLimit);
  }

  /** Sets the limit that holds while nothing is loaded. */
  start(): Promise<void> {
    return this.#adjust();
  }

  /** Makes room for a load whose rows have `bytesPerRow`; to be called again when its rows turn out wider. */
  async makeRoom(load: object, bytesPerRow: number): Promise<void> {
    const need = Math.ceil(this.#threads * rowGroupRows * bytesPerRow * workingFactor);
    if (need <= (this.#needs.get(load) ?? 0)) return;
    this.#needs.set(load, need);
    clearTimeout(this.#resting);
    await this.#adjust();
  }

  /** What DuckDB keeps for the rows committed so far and cannot put away, in bytes, by estimate. */
  get retainedBytes(): number {
    return this.#retained;
  }

  /** Runs the COMMIT of a load of `rows`, behind those before it and with memory that no other load's INSERT can take. */
  async commit<T>(load: object, rows: number, run: () => Promise<T>): Promise<T> {
    const result = await this.#lane.run(Math.max(this.#reserve, this.#needs.get(load) ?? 0), run);
    // Small loads fill row groups together, one that fills its own leaves a last one.
    this.#retained += retainedPerRowGroup * Math.min(1, rows / rowGroupRows);
    return result;
  }

  /** Runs a checkpoint behind the COMMITs before it, with the memory that is kept for them. */
  runBetweenCommits<T>(run: () => Promise<T>): Promise<T> {
    return this.#lane.run(this.#reserve, run);
  }

  /** The load is over. */
  release(load: object): void {
    this.#needs.delete(load);
    if (this.#needs.size > 0 || this.#limit === this.#floor) return;
    this.#restLater(restAfterMs);
  }

  /**
   * A load ran out of memory, by an index for example: the next one, its retry perhaps, finds more. Once no load has for
   * a while, the floor goes down again, as far as what DuckDB cannot put away lets it.
   */
  async raiseFloor(): Promise<void> {
    this.#lane.noteShortage();
    const now = performance.now();
    if (now - this.#raisedAt < squeezeMs) return;
    this.#raisedAt = now;
    this.#floor = Math.min(this.#floor * raiseFactor, this.#ceiling);
    this.#lowerLater();
    await this.#adjust();
  }

  /** Whether what ran out of memory may find more the next time: the limit is not fixed, and not as high as it gets. */
  get mayRise(): boolean {
    return this.fixedBytes === null && this.#floor < this.#ceiling;
  }

  close(): void {
    this.#lane.close();
    clearTimeout(this.#resting);
    clearTimeout(this.#lowering);
  }

  #restLater(afterMs: number): void {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => void this.#adjust().catch(() => undefined), afterMs);
    this.#resting.unref();
  }

  #lowerLater(afterMs = holdFloorMs): void {
    clearTimeout(this.#lowering);
    this.#lowering = setTimeout(() => {
      this.#lowering = undefined;
      this.#floor = Math.max(Math.floor(this.#floor / raiseFactor), this.#rest);
      if (this.#floor > this.#rest) this.#lowerLater(retryRestMs);
      void this.#adjust(true).catch(() => undefined);
    }, afterMs);
    this.#lowering.unref();
  }

  #adjust(shrink = false): Promise<void> {
    const next = this.#turn.then(async () => {
      let wanted = this.#floor;
      for (const need of this.#needs.values()) wanted += need;
      wanted = Math.min(wanted, this.#ceiling);
      const mayShrink = shrink || this.#needs.size === 0;
      if (wanted > this.#limit || (mayShrink && wanted < this.#limit)) {
        try {
          await this.#lane.setBase(wanted);
          this.#limit = wanted;
        } catch (thrown) {
          // DuckDB lowers its limit only to what it can put away now; that grows with its next checkpoint.
          if (wanted < this.#limit && this.#lowering === undefined) this.#lowerLater(retryRestMs);
          throw thrown;
        }
      }
    });
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

/** The most that DuckDB may take of this machine, in bytes. */
export function shareOfMemory(): number {
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.floor(machine * shareOfMachine);
}
