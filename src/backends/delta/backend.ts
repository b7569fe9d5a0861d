import type { Backend, Load, LoadRequest, TableDescription } from '../../core/backend.ts';
import type { TableName } from '../../core/route.ts';
import { ArrowportError } from '../../errors.ts';
import { describeDeltaType } from './delta-schema.ts';
import type { LoadSettings } from './load-plan.ts';
import { beginLoad, type DeltaCommit } from './loader.ts';
import { createTableRoot, type TableRoot } from './locations.ts';
import { createDeltaTables, type WorkerTables } from './tables.ts';
import { createWorkerClient, type WorkerClient } from './worker-client.ts';
import { createWorkerProcess, type WorkerLogLevel, type WorkerProcess } from './worker-process.ts';
import { createTableParts, type TableParts } from './table-parts.ts';

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
}

/** The Delta backend: loads, and everything else that is done to Delta tables. */
export interface DeltaBackend extends Backend {
  readonly tables: WorkerTables;
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
  /** Versions of tables in parts, for whoever copies them. */
  readonly parts: TableParts;
    maxLoads: options.maxLoads,
    log: options.log,
    ...(options.onWorkerRestart === undefined ? {} : { onRestart: options.onWorkerRestart }),
  });
  return new WorkerBackend(options, worker);
}

class WorkerBackend implements DeltaBackend {
  readonly kind = 'delta';
  readonly tables: WorkerTables;
  readonly #options: DeltaBackendOptions;
  readonly #worker: WorkerProcess;
  readonly #client: WorkerClient;
  readonly #root: TableRoot;
  readonly #settings: LoadSettings;

  constructor(options: DeltaBackendOptions, worker: WorkerProcess) {
    this.#options = options;
    this.#worker = worker;
    this.#client = createWorkerClient(worker);
    this.#root = createTableRoot(options.tablePath, options.storageOptions);
  readonly parts: TableParts;
    this.#settings = {
      checkpointInterval: options.checkpointInterval,
      enableCdc: options.enableCdc,
      versionRetentionHours: options.versionRetentionHours,
      keyRetentionHours: options.keyRetentionHours,
      autoCompact: options.autoCompact,
      compactMinFiles: options.compactMinFiles,
    };
    this.tables = createDeltaTables(this.#client, this.#root, this.#settings);
  }

  get workerPid(): number | undefined {
    return this.#worker.pid;
  }

  begin(request: LoadRequest): Promise<Load> {
    const location = this.#root.table(request.route.table.name);
    const report = (commit: DeltaCommit) => this.#options.onCommit?.(commit);
    return beginLoad(this.#client, location, request, this.#settings, report);
  }

  async findTable(table: TableName): Promise<TableDescription | undefined> {
    try {
      const info = await this.tables.info(table.name, { requestId: 'describe' });
      return {
        rowCount: info.row_count,
        columns: info.schema.fields.map((field) => ({
    this.parts = createTableParts(this.#client, this.#root);
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
  }
}
