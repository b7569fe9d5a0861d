import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { DeltaCallContext } from '../../core/delta.ts';
import type { DeltaSource } from '../../core/delta-source.ts';

/** Which rows of a version: all, none (its columns alone), or those of some of its files. */
export type DeltaRows = 'all' | 'none' | readonly string[];

const idleMs = 15 * 60_000;

interface SpooledFile {
  readonly path: Promise<string>;
  usedAt: number;
}

/** Parquet files of versions of Delta tables, written by the worker into the folder that SQL can read from. */
export class DeltaSpool {
  readonly #files = new Map<string, SpooledFile>();

  /** The file of a version's rows; written with the first call. */
  find(
    source: DeltaSource,
    wanted: {
      readonly table: string;
      readonly id: string;
      readonly version: number;
      readonly rows: DeltaRows;
    },
    folder: string,
    context: DeltaCallContext,
  ): Promise<string> {
    const { table, id, version, rows } = wanted;
    const key = JSON.stringify([folder, table, id, version, rows]);
    this.#dropIdle();
    const kept = this.#files.get(key);
    if (kept !== undefined) {
      kept.usedAt = Date.now();
      return kept.path;
    }
    const path = join(folder, `delta-${ulid()}.parquet`);
    const written = source
      .writeParquet(table, { version, rows }, path, context)
      .then(() => path)
      .catch(async (thrown: unknown) => {
        this.#files.delete(key);
        await rm(path, { force: true });
        throw thrown;
      });
    this.#files.set(key, { path: written, usedAt: Date.now() });
    return written;
  }

  /** A statement that is prepared and runs late may still name a file: files go when nobody has asked for long. */
  #dropIdle(): void {
    const before = Date.now() - idleMs;
    for (const [key, file] of this.#files) {
      if (file.usedAt >= before) continue;
      this.#files.delete(key);
      void file.path.then((path) => rm(path, { force: true })).catch(() => undefined);
    }
  }
}
