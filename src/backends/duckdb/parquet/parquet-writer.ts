import { rm } from 'node:fs/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import type { LoadRequest } from '../../../core/backend.ts';
import type { IpcLimits, IpcMessage } from '../../../core/ipc-message.ts';
import type { ParquetFile, ParquetJob, ParquetLoad, ParquetWriter } from '../../../core/parquet-writer.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { fromDuckDbError, isInvalidated } from '../errors.ts';
import { planColumn } from '../load-column.ts';
import { DuckDbLoad } from '../loader.ts';
import { checkNativeInterface } from '../native/self-check.ts';
import { CopySession } from './copy-session.ts';
import { coversColumns } from './coverage.ts';
import { ParquetTarget } from './parquet-target.ts';
import { ParquetView } from './parquet-view.ts';
import { coversPartition } from './partition-values.ts';
import { PartitionedTarget } from './partitioned-target.ts';

/** What a writer runs with. */
export interface ParquetWriterOptions {
  /** `duckdb.threads` of the configuration. */
  readonly threads: number | null;
  /** Read at the start of each load. */
  limits(): IpcLimits;
}

/** Makes a writer on an in-memory DuckDB of its own, which is started by the first load. */
export function createParquetWriter(options: ParquetWriterOptions): ParquetWriter {
  return new DuckDbParquetWriter(options);
}

class DuckDbParquetWriter implements ParquetWriter {
  readonly #options: ParquetWriterOptions;
  #instance: Promise<DuckDBInstance> | null = null;

  constructor(options: ParquetWriterOptions) {
    this.#options = options;
  }

  covers(request: LoadRequest, columns: readonly ArrowField[], partition: readonly ArrowField[]): boolean {
    return (
      columns.length > 0 &&
      coversColumns(request.schema, [...columns, ...partition]) &&
      partition.every(coversPartition)
    );
  }

  async open(job: ParquetJob): Promise<ParquetLoad> {
    const { request, partition } = job;
    const columns = request.schema.fields.map(planColumn);
    const instance = await this.#open();
    const connection = await instance.connect();
    try {
      const session = new CopySession(connection, new ParquetView(connection, columns, job.columns));
      const target =
        partition === null ? new ParquetTarget(job, session) : new PartitionedTarget(job, partition, session);
      const closed = (failure: unknown) => this.#noteFailure(failure);
      const context = { limits: this.#options.limits(), closed };
      return new FileLoad(job, new DuckDbLoad(request, context, columns, target), target);
    } catch (thrown) {
      connection.closeSync();
      throw fromDuckDbError(thrown, 'load');
    }
  }

  async close(): Promise<void> {
    const instance = await this.#instance?.catch(() => null);
    this.#instance = null;
    instance?.closeSync();
  }

  #open(): Promise<DuckDBInstance> {
    this.#instance ??= startInstance(this.#options.threads).catch((thrown: unknown) => {
      this.#instance = null;
      throw thrown;
    });
    return this.#instance;
  }

  /** An instance that failed internally refuses everything: the next load gets another one. */
  #noteFailure(failure: unknown): void {
    const cause = failure instanceof ArrowportError ? failure.cause : failure;
    if (failure !== null && isInvalidated(cause)) this.#instance = null;
  }
}

class FileLoad implements ParquetLoad {
  readonly #job: ParquetJob;
  readonly #load: DuckDbLoad;
  readonly #target: { readonly files: readonly ParquetFile[] };

  constructor(job: ParquetJob, load: DuckDbLoad, target: { readonly files: readonly ParquetFile[] }) {
    this.#job = job;
    this.#load = load;
    this.#target = target;
  }

  write(message: IpcMessage): Promise<void> {
    return this.#load.write(message);
  }

  flush(): void {
    this.#load.flush();
  }

  async finish(): Promise<readonly ParquetFile[]> {
    await this.#load.commit();
    return this.#target.files;
  }

  async abort(): Promise<void> {
    await this.#load.abort();
    await rm(this.#job.folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Rows stay in their order: DuckDB writes the row groups of a stream in parallel, and puts them in line. */
async function startInstance(threads: number | null): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(':memory:', {
    temp_directory: '',
    preserve_insertion_order: 'true',
    ...(threads === null ? {} : { threads: String(threads) }),
  });
  try {
    await checkNativeInterface(instance);
    return instance;
  } catch (thrown) {
    instance.closeSync();
    throw thrown;
  }
}
