import { open, rm } from 'node:fs/promises';
import { ArrowportError } from '../../errors.ts';
import { fromDuckDbError, isDiskFull, isInvalidated } from './errors.ts';

/** A load of this size must fit on the disk before the database counts as well again. */
const roomBytes = 1024 * 1024;

/** What has gone wrong with the database as a whole, and whether it still is so. */
export class DatabaseFaults {
  readonly #path: string;
  #invalidated = false;
  #keepsRoom = false;
  #full = false;
  #openFailure: string | null = null;

  /** `path` is the database file, or `:memory:`. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Whether DuckDB refuses everything until the database is opened again. */
  get refusesAll(): boolean {
    return this.#invalidated;
  }

  /** Whether opening the database again gives disk space back: DuckDB forgets what a load wrote before the disk was full. */
  get keepsRoom(): boolean {
    return this.#keepsRoom;
  }

  /** Takes a failure of a load or a question into account; true when it is the one that gave the database up. */
  note(failure: unknown): boolean {
    const cause = failure instanceof ArrowportError ? failure.cause : failure;
    if (isDiskFull(cause)) {
      this.#full = true;
      this.#keepsRoom = this.#path !== ':memory:';
    }
    if (this.#invalidated || !isInvalidated(cause)) return false;
    this.#invalidated = true;
    return true;
  }

  /** The database was opened again. */
  reopened(): void {
    this.#invalidated = false;
    this.#keepsRoom = false;
    this.#openFailure = null;
  }

  /** Opening the database again failed: it is closed until that succeeds. True when it is for another reason than before. */
  reopenFailed(failure: unknown): boolean {
    const before = this.#openFailure;
    this.#invalidated = true;
    this.#openFailure = fromDuckDbError(failure, 'load').message;
    if (isDiskFull(failure instanceof ArrowportError ? failure.cause : failure)) this.#full = true;
    return this.#openFailure !== before;
  }

  /** What a person should know, looked at anew; empty when all is well. */
  async problems(): Promise<readonly string[]> {
    if (this.#full && (await this.#hasRoom())) this.#full = false;
    return [
      ...(this.#full ? ['duckdb: the disk of the database is full; free some of it'] : []),
      ...(this.#openFailure === null ? [] : [`duckdb: ${this.#openFailure}`]),
    ];
  }

  /** Tried by writing, since what the system says of a disk leaves out quotas. */
  async #hasRoom(): Promise<boolean> {
    if (this.#path === ':memory:') return true;
    const probe = `${this.#path}.room`;
    try {
      const file = await open(probe, 'w');
      try {
        await file.writeFile(Buffer.alloc(roomBytes));
        await file.sync();
      } finally {
        await file.close();
      }
      return true;
    } catch {
      return false;
    } finally {
      await rm(probe, { force: true }).catch(() => undefined);
    }
  }
}
