import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ParquetFile,
  ParquetJob,
  ParquetPartition,
  PartitionValues,
} from '../../../core/parquet-writer.ts';
import type { BatchQueue } from '../batch-queue.ts';
import { quoteIdentifier, quoteText } from '../identifier.ts';
import type { CopySession } from './copy-session.ts';
import { rowGroupRowsFor } from './parquet-target.ts';
import { checkEvery, fromCopyError } from './parquet-view.ts';
import { checkPartitionValues, partitionText } from './partition-values.ts';
import { RollingFiles } from './rolling-files.ts';

/** Arrow bytes of a statement at the most: they are in memory as a table, and while that is sorted twice. */
const mostStatementBytes = 128 * 1024 * 1024;
/** From so many partitions on rows are sorted: reading all of them once for each would take longer. */
const fewPartitions = 4;
/** Files that are kept open to be added to. */
const mostOpenFiles = 128;

let lastTable = 0;

/**
 * Where a load's rows go that are parted by values: into files of a folder for each, in their order. DuckDB's own COPY by
 * partitions mixes rows; so each statement's rows are gathered in a table, and each partition is copied from there.
 */
export class PartitionedTarget {
  /** The files, once the load is committed. */
  files: readonly ParquetFile[] = [];
  readonly #job: ParquetJob;
  readonly #partition: ParquetPartition;
  readonly #session: CopySession;
  /** By the values' JSON. */
  readonly #partitions = new Map<string, PartitionFiles>();
  /** Those whose file is open, the one that was used last at the end. */
  readonly #open = new Set<PartitionFiles>();
  /** Names of the texts of the values, which no column of the files has. */
  readonly #keys: readonly string[];
  readonly #table: string;
  #statements = 0;
  #rows = 0;

  constructor(job: ParquetJob, partition: ParquetPartition, session: CopySession) {
    lastTable += 1;
    this.#table = `rows_${lastTable}`;
    this.#job = job;
    this.#partition = partition;
    this.#session = session;
    const prefix = freePrefix(job.columns.map(({ name }) => name));
    this.#keys = partition.columns.map((_, index) => quoteIdentifier(`${prefix}${index}`));
  }

  /** Throws the codes of the ingest path; the load must be aborted then. */
  async insert(queue: BatchQueue): Promise<void> {
    const rowGroupRows = rowGroupRowsFor(this.#job, queue);
    const texts = this.#partition.columns.map(
      (column, index) => `${partitionText(column)} AS ${this.#keys[index]}`,
    );
    const rows = await this.#session.view.gather(queue, {
      table: this.#table,
      expressions: texts,
      mostBytes: mostStatementBytes,
    });
    let written = 0;
    try {
      const partitions = await this.#findPartitions();
      if (partitions.length > fewPartitions) await this.#sort();
      for (const values of partitions) written += await this.#copy(values, rowGroupRows);
    } catch (thrown) {
      throw fromCopyError(thrown);
    } finally {
      await this.#session.connection.run(`DROP TABLE IF EXISTS ${this.#table}`);
    }
    checkEvery(rows, written);
    this.#rows += rows;
    this.#statements += 1;
  }

  /** Ends the files; resolves with their rows. */
  async commit(): Promise<number> {
    const files: ParquetFile[] = [];
    for (const { rolling, folder } of this.#partitions.values()) {
      for (const file of await rolling.finish()) files.push({ ...file, name: `${folder}/${file.name}` });
    }
    this.files = files;
    return this.#rows;
  }

  /** Ends the statement that is running, if there is one. */
  interrupt(): void {
    this.#session.interrupt();
  }

  /** Leaves the files as they are. Never throws. */
  async close(): Promise<void> {
    for (const { rolling } of this.#partitions.values()) await rolling.abandon();
    await this.#session.close();
  }

  async #findPartitions(): Promise<readonly PartitionValues[]> {
    const keys = this.#keys.join(', ');
    const reader = await this.#session.connection.runAndReadAll(
      `SELECT ${keys} FROM ${this.#table} GROUP BY ${keys} ORDER BY ${keys}`,
    );
    const found = reader.getRows().map((row) => row.map((value) => (value === null ? null : String(value))));
    for (const values of found) checkPartitionValues(this.#partition.columns, values);
    return found;
  }

  async #sort(): Promise<void> {
    const sorted = `${this.#table}_sorted`;
    await this.#session.connection.run(
      `CREATE TEMPORARY TABLE ${sorted} AS SELECT * FROM ${this.#table} ORDER BY ${this.#keys.join(', ')}, rowid`,
    );
    await this.#session.connection.run(`DROP TABLE ${this.#table}`);
    await this.#session.connection.run(`ALTER TABLE ${sorted} RENAME TO ${this.#table}`);
  }

  /** Writes the rows of one partition and adds them to its files; resolves with their number. */
  async #copy(values: PartitionValues, rowGroupRows: number): Promise<number> {
    const files = await this.#filesOf(values);
    const { rolling, path } = files;
    const name = `statement-${this.#statements}.parquet`;
    const condition = values.map((value, index) => {
      const key = this.#keys[index];
      return value === null ? `${key} IS NULL` : `${key} = ${quoteText(value)}`;
    });
    const select = `SELECT * EXCLUDE (${this.#keys.join(', ')}) FROM ${this.#table} WHERE ${condition.join(' AND ')}`;
    const { compression } = this.#job;
    const plan = { path: join(path, name), compression, rowGroupRows, mostBytes: 0 };
    const { rowsChanged } = await this.#session.connection.run(
      this.#session.view.copyStatement(select, plan),
    );
    await rolling.take(name);
    await this.#noteOpen(files);
    return rowsChanged;
  }

  async #noteOpen(files: PartitionFiles): Promise<void> {
    this.#open.delete(files);
    this.#open.add(files);
    const [oldest] = this.#open;
    if (this.#open.size <= mostOpenFiles || oldest === undefined) return;
    this.#open.delete(oldest);
    await oldest.rolling.rest();
  }

  async #filesOf(values: PartitionValues): Promise<PartitionFiles> {
    const key = JSON.stringify(values);
    const known = this.#partitions.get(key);
    if (known !== undefined) return known;
    const { folder: root, targetFileBytes, compression } = this.#job;
    const folder = this.#partition.folderOf(values);
    const path = join(root, folder);
    await mkdir(path, { recursive: true });
    const made = {
      folder,
      path,
      rolling: new RollingFiles(path, targetFileBytes, compression, values),
    };
    this.#partitions.set(key, made);
    return made;
  }
}

interface PartitionFiles {
  /** Below the job's folder, and as a whole path. */
  readonly folder: string;
  readonly path: string;
  readonly rolling: RollingFiles;
}

/** The beginning of names that are none of the columns'. */
function freePrefix(names: readonly string[]): string {
  let prefix = 'partition_';
  while (names.some((name) => name.toLowerCase().startsWith(prefix))) prefix += '_';
  return prefix;
}
