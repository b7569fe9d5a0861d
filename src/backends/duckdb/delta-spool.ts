import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { DeltaCallContext } from '../../core/delta.ts';
import type { DeltaSource } from '../../core/delta-source.ts';

/** Which rows of a version: all, none (its columns alone), or those of some of its files. */
export type DeltaRows = 'all' | 'none' | readonly string[];

const idleMs = 15 * 60_000;

/** A file that a statement reads. */
export interface SpooledFile {
  /** Throws what reading the version throws. */
  readonly path: Promise<string>;
  /** To be called once, when the statement has ended: until then the file stays. */
  readonly letGo: () => void;
}

interface KeptFile {
  readonly path: Promise<string>;
  readers: number;
  usedAt: number;
}

/** Parquet files of versions of Delta tables, written by the worker into the folder that SQL can read from. */
export class DeltaSpool {
  readonly #files = new Map<string, KeptFile>();

  /** The file of a version's rows; written with the first call. */
  find(
    source: Pick<DeltaSource, 'writeParquet'>,
    wanted: {
      readonly table: string;
      readonly id: string;
      readonly version: number;
      readonly rows: DeltaRows;
    },
    folder: string,
    context: DeltaCallContext,
  ): SpooledFile {
    const { table, id, version, rows } = wanted;
    const key = JSON.stringify([folder, table, id, version, rows]);
    this.#dropIdle();
    const kept = this.#files.get(key);
    if (kept !== undefined) return read(kept);
    const path = join(folder, `delta-${ulid()}.parquet`);
    const written = source
      .writeParquet(table, { version, rows }, path, context)
      .then(() => path)
      .catch(async (thrown: unknown) => {
        this.#files.delete(key);
        await rm(path, { force: true });
        throw thrown;
      });
    const file: KeptFile = { path: written, readers: 0, usedAt: Date.now() };
    this.#files.set(key, file);
    return read(file);
  }

  /** Files go when nobody has read them for long: the next statement about the version may come soon. */
  #dropIdle(): void {
    const before = Date.now() - idleMs;
    for (const [key, file] of this.#files) {
      if (file.readers > 0 || file.usedAt >= before) continue;
      this.#files.delete(key);
      void file.path.then((path) => rm(path, { force: true })).catch(() => undefined);
    }
  }
}

function read(file: KeptFile): SpooledFile {
  file.readers += 1;
  file.usedAt = Date.now();
  return {
    path: file.path,
    letGo: () => {
      file.readers -= 1;
      file.usedAt = Date.now();
    },
  };
}
