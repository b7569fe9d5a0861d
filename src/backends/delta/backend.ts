import type { Backend, Load, LoadRequest, TableDescription } from '../../core/backend.ts';
import type { DeltaSource } from '../../core/delta-source.ts';
import type { IpcLimits } from '../../core/ipc-message.ts';
import type { ParquetWriter } from '../../core/parquet-writer.ts';
import type { TableName } from '../../core/route.ts';
import { ArrowportError } from '../../errors.ts';
import { describeDeltaType } from './delta-schema.ts';
import type { LoadSettings } from './load-plan.ts';
import type { WriterAccess } from './load-ways.ts';
import { beginLoad, type DeltaCommit } from './loader.ts';
import { createTableRoot, type TableRoot } from './locations.ts';
import { createDeltaSource } from './source.ts';
import { createTableParts, type TableParts } from './table-parts.ts';
import { createDeltaTables, type WorkerTables } from './tables.ts';
import { createWorkerClient, type WorkerClient } from './worker-client.ts';
import { createWorkerProcess, type WorkerLogLevel, type WorkerProcess } from './worker-process.ts';

/** What the Delta backend is made of. */
export interface DeltaBackendOptions {
  /** `delta_config` of the configuration. */
  readonly tablePath: string;
  readonly storageOptions: Readonly<Record<string, string>>;
  readonly checkpointInterval: number;
  readonly versionRetentionHours: number;
  readonly enableCdc: boolean;
  readonly autoCompact: boolean;
  readonly compactMinFiles: number;
  /** `idempotency.retention_hours`. */
  readonly keyRetentionHours: number;
  /** `limits.max_streams`: loads that may run at once. */
  readonly maxLoads: number;
  /** Bounds of IPC messages, which may change with a reload; left out: the ones the configuration has by default. */
  limits?(): IpcLimits;
  /** Where the worker's Python environment is kept. */
  readonly cacheFolder: string;
  /** A Python that has the worker's packages; null to make an environment when it is first needed. */
  readonly python: string | null;
  /** Folder for loads that have to be kept whole before they are written; null for the system's. */
  readonly spoolFolder: string | null;
  /** The server's environment variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly shutdownGraceMs: number;
  log(level: WorkerLogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
  onWorkerRestart?(restarts: number): void;
  onCommit?(commit: DeltaCommit): void;
  /** Makes the writer of data files that loads may use beside delta-rs; left out: delta-rs writes all. */
  openParquetWriter?(): Promise<ParquetWriter>;
  /** Closes that writer, when the loads have ended. */
  closeParquetWriter?(): Promise<void>;
}

const DEFAULT_LIMITS: IpcLimits = { maxMessageBytes: 2 ** 28, maxDecompressedRatio: 200 };

/** The Delta backend: loads, and everything else that is done to Delta tables. */
export interface DeltaBackend extends Backend {
  readonly tables: WorkerTables;
  /** Versions of tables in parts, for whoever copies them. */
  readonly parts: TableParts;
  /** The tables for an engine that reads their files itself. */
  readonly source: DeltaSource;
  /** The worker's process id while it runs. */
  readonly workerPid: number | undefined;
}

/** Makes the backend; the worker is started by the first call that needs it. */
export function createDeltaBackend(options: DeltaBackendOptions): DeltaBackend {
  const worker = createWorkerProcess({
    cacheFolder: options.cacheFolder,
    environment: options.environment,
    python: options.python,
    spoolFolder: options.spoolFolder,
    maxLoads: options.maxLoads,
    log: options.log,
    ...(options.onWorkerRestart === undefined ? {} : { onRestart: options.onWorkerRestart }),
  });
  return new WorkerBackend(options, worker);
}

class WorkerBackend implements DeltaBackend {
  readonly kind = 'delta';
  readonly tables: WorkerTables;
  readonly parts: TableParts;
  readonly source: DeltaSource;
  readonly #options: DeltaBackendOptions;
  readonly #worker: WorkerProcess;
  readonly #client: WorkerClient;
  readonly #root: TableRoot;
  readonly #settings: LoadSettings;
  readonly #writer: WriterAccess;

  constructor(options: DeltaBackendOptions, worker: WorkerProcess) {
    this.#options = options;
    this.#writer = {
      open: options.openParquetWriter?.bind(options) ?? null,
      onFallback: (error) =>
        options.log('warn', 'delta-rs writes a load, since DuckDB could not begin', { err: error }),
    };
    this.#worker = worker;
    this.#client = createWorkerClient(worker);
    this.#root = createTableRoot(options.tablePath, options.storageOptions);
    this.#settings = {
      limits: () => options.limits?.() ?? DEFAULT_LIMITS,
      checkpointInterval: options.checkpointInterval,
      enableCdc: options.enableCdc,
      versionRetentionHours: options.versionRetentionHours,
      keyRetentionHours: options.keyRetentionHours,
      autoCompact: options.autoCompact,
      compactMinFiles: options.compactMinFiles,
    };
    this.tables = createDeltaTables(this.#client, this.#root, this.#settings);
    this.parts = createTableParts(this.#client, this.#root);
    this.source = createDeltaSource(this.#client, this.#root, this.tables);
  }

  get workerPid(): number | undefined {
    return this.#worker.pid;
  }

  begin(request: LoadRequest): Promise<Load> {
    const location = this.#root.table(request.route.table.name);
    const report = (commit: DeltaCommit) => this.#options.onCommit?.(commit);
    return beginLoad(this.#client, location, request, this.#settings, this.#writer, report);
  }

  async findTable(table: TableName): Promise<TableDescription | undefined> {
    try {
      const info = await this.tables.info(table.name, { requestId: 'describe' });
      return {
        rowCount: info.row_count,
        columns: info.schema.fields.map((field) => ({
          name: field.name,
          type: describeDeltaType(field.type),
          nullable: field.nullable,
        })),
      };
    } catch (error) {
      if (error instanceof ArrowportError && error.code === 'TABLE_NOT_FOUND') return undefined;
      throw error;
    }
  }

  async problems(): Promise<readonly string[]> {
    const { problem, isInstalling } = this.#worker;
    if (isInstalling) return ['the environment of the Delta worker is being made'];
    return problem === undefined ? [] : [`the Delta worker cannot be started: ${problem}`];
  }

  async memoryBytes(): Promise<number> {
    if (this.#worker.pid === undefined) return 0;
    return this.tables.workerMemoryBytes();
  }

  async close(): Promise<void> {
    await this.#worker.close(this.#options.shutdownGraceMs);
    await this.#options.closeParquetWriter?.();
  }
}
