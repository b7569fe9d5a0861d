import type { DeltaBackend } from '../backends/delta/backend.ts';
import { cacheFolder } from '../config/cache-folder.ts';
import type { Config } from '../config/schema.ts';
import type { DeltaAccess } from '../core/delta.ts';
import type { IpcLimits } from '../core/ipc-message.ts';
import type { ParquetWriter } from '../core/parquet-writer.ts';
import type { DeltaMeter } from '../telemetry/delta-meter.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** What the Delta side of a server is made of. */
export interface DeltaSideOptions {
  config(): Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly meter: DeltaMeter;
}

/** The Delta side of a server: nothing of it is loaded before it is needed. */
export interface DeltaSide {
  /** Makes the backend; the worker starts with the first call. */
  open(): Promise<DeltaBackend>;
  /** The backend itself; `openBackend` as for `access`. */
  backend(openBackend: () => Promise<unknown>): Promise<DeltaBackend>;
  /** What the doors get; `openBackend` is the registry's, so that the backend is made once. */
  access(openBackend: () => Promise<unknown>): DeltaAccess;
  /** The names of the tables below the root; empty where they cannot be listed, which the log tells. */
  listNames(openBackend: () => Promise<unknown>): Promise<readonly string[]>;
  /**
   * Starts the worker, making its environment where there is none yet. Never throws: what hinders it is in the log, and
   * among the backend's problems.
   */
  prepare(openBackend: () => Promise<unknown>): Promise<void>;
}

/** Makes the Delta side of a server. */
export function createDeltaSide(options: DeltaSideOptions): DeltaSide {
  const { logger, metrics, meter } = options;
  let backend: DeltaBackend | null = null;
  const writer = createWriterAccess(options);

  const readBackend = async (openBackend: () => Promise<unknown>) => {
    await openBackend();
    if (backend === null) throw new Error('The Delta backend was opened by someone else.');
    return backend;
  };
  const readTables = async (openBackend: () => Promise<unknown>) => (await readBackend(openBackend)).tables;

  return {
    async open() {
      const { createDeltaBackend } = await import('../backends/delta/backend.ts');
      const config = options.config();
      const { delta_config: delta } = config;
      const restarts = metrics.counter('arrowport_worker_restarts_total');
      const made = createDeltaBackend({
        tablePath: delta.table_path,
        storageOptions: delta.storage_options,
        checkpointInterval: delta.checkpoint_interval,
        versionRetentionHours: delta.version_retention_hours,
        enableCdc: delta.enable_cdc,
        autoCompact: delta.auto_compact,
        compactMinFiles: delta.auto_compact_min_files,
        keyRetentionHours: config.idempotency.retention_hours,
        maxLoads: config.limits.max_streams,
        limits: () => readLimits(options),
        cacheFolder: cacheFolder(options.env),
        python: options.env['ARROWPORT_DELTA_PYTHON'] || null,
        spoolFolder: null,
        environment: options.env,
        shutdownGraceMs: config.shutdown_grace_seconds * 1000,
        log: (level, message, fields) => logger[level](fields, message),
        onWorkerRestart: () => restarts.inc(),
        onCommit: (commit) => meter.committed(commit),
        openParquetWriter: writer.open,
        closeParquetWriter: writer.close,
      });
      meter.watchTables((table) => made.tables.info(table, { requestId: 'metrics' }));
      backend = made;
      return made;
    },

    backend: readBackend,

    access: (openBackend) => ({
      tables: () => readTables(openBackend),
      changed: (table) => meter.touched(table),
    }),

    async listNames(openBackend) {
      try {
        const tables = await readTables(openBackend);
        return (await tables.list({ requestId: 'streams' })).map(({ name }) => name);
      } catch (error) {
        logger.warn({ err: error }, 'Delta tables cannot be listed');
        return [];
      }
    },

    async prepare(openBackend) {
      try {
        const tables = await readTables(openBackend);
        await tables.workerMemoryBytes();
      } catch (error) {
        if (error instanceof Error && error.name === 'AbortError') return;
        logger.warn({ err: error }, 'the Delta worker is not there yet');
      }
    },
  };
}

/** DuckDB writes data files beside the worker; it is loaded with the first load that is worth it. */
function createWriterAccess({ config }: DeltaSideOptions) {
  let made: Promise<ParquetWriter> | null = null;
  const make = async () => {
    const { createParquetWriter } = await import('../backends/duckdb/parquet/parquet-writer.ts');
    return createParquetWriter({
      threads: config().duckdb.threads,
      limits: () => readLimits({ config }),
    });
  };
  return {
    open() {
      made ??= make();
      return made;
    },
    async close() {
      await (await made)?.close();
    },
  };
}

function readLimits({ config }: Pick<DeltaSideOptions, 'config'>): IpcLimits {
  const { max_message_bytes, max_decompressed_ratio } = config().limits;
  return { maxMessageBytes: max_message_bytes, maxDecompressedRatio: max_decompressed_ratio };
}
