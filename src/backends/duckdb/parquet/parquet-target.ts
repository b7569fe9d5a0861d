import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ParquetFile, ParquetJob } from '../../../core/parquet-writer.ts';
import type { BatchQueue } from '../batch-queue.ts';
import { rowGroupRows } from '../row-group.ts';
import type { CopySession } from './copy-session.ts';
import { RollingFiles } from './rolling-files.ts';

/** DuckDB's vectors have so many rows: smaller row groups would not be of one size. */
const fewestRowGroupRows = 2_048;
/** Arrow bytes that a row group is built of at the most, since each thread holds one in memory. */
const rowGroupBytes = 64 * 1024 * 1024;
/** Arrow bytes that become one byte of a file, before it is known of these rows. */
const likelyRatio = 2.5;
/** How much of its target a statement's file is aimed at, so that it seldom has to be cut. */
const aimShare = 0.9;

/** Where a load's rows go: into files of a folder, in their order, each statement's file joined to the one before. */
export class ParquetTarget {
  /** The files, once the load is committed. */
  files: readonly ParquetFile[] = [];
  readonly #job: ParquetJob;
  readonly #session: CopySession;
  readonly #rolling: RollingFiles;
  #statements = 0;
  #rows = 0;
  #ratio = likelyRatio;
  #joining: Promise<void> = Promise.resolve();

  constructor(job: ParquetJob, session: CopySession) {
    this.#job = job;
    this.#session = session;
    this.#rolling = new RollingFiles(job.folder, job.targetFileBytes, job.compression);
  }

  /** Throws the codes of the ingest path; the load must be aborted then. */
  async insert(queue: BatchQueue): Promise<void> {
    const { folder, compression, targetFileBytes } = this.#job;
    if (this.#statements === 0) await mkdir(folder, { recursive: true });
    const name = `statement-${this.#statements}.parquet`;
    this.#statements += 1;
    const written = await this.#session.view.copy(queue, {
      path: join(folder, name),
      compression,
      rowGroupRows: rowGroupRowsFor(this.#job, queue),
      mostBytes: targetFileBytes * aimShare * this.#ratio,
    });
    this.#rows += written.rows;
    await this.#joining;
    this.#joining = this.#join(name, written.bytes);
    // It is awaited with the next statement or the commit, and may fail before.
    this.#joining.catch(() => undefined);
  }

  /** Ends the files; resolves with their rows. */
  async commit(): Promise<number> {
    await this.#joining;
    this.files = await this.#rolling.finish();
    return this.#rows;
  }

  /** Ends the statement that is running, if there is one. */
  interrupt(): void {
    this.#session.interrupt();
  }

  /** Leaves the files as they are. Never throws. */
  async close(): Promise<void> {
    await this.#joining.catch(() => undefined);
    await this.#rolling.abandon();
    await this.#session.close();
  }

  async #join(name: string, arrowBytes: number): Promise<void> {
    const bytes = await this.#rolling.take(name);
    if (bytes > 0) this.#ratio = arrowBytes / bytes;
  }
}

/** Rows of a row group, so that none is too large to be in memory or for a file. */
export function rowGroupRowsFor({ targetFileBytes }: ParquetJob, queue: BatchQueue): number {
  const rows = Math.min(rowGroupBytes, targetFileBytes) / Math.max(queue.bytesPerRow(), 1);
  return Math.min(Math.max(roundDown(rows), fewestRowGroupRows), rowGroupRows);
}

function roundDown(rows: number): number {
  return Math.floor(rows / fewestRowGroupRows) * fewestRowGroupRows;
}
