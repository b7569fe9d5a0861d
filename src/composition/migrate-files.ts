import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createDeltaBackend, type DeltaBackend } from '../backends/delta/backend.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import { cacheFolder } from '../config/cache-folder.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Migrator } from '../core/migration.ts';
import { ArrowportError } from '../errors.ts';
import { createRouteTable } from '../router/route-table.ts';
import { absoluteTablePath, createMigrator } from './migrate.ts';

/** Where the files to migrate between are: the configuration says. */
export interface MigrateFilesOptions {
  readonly configPath?: string;
  /** Takes the place of `db_path`. */
  readonly db?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Called with a line for people when something that takes time begins. */
  onNotice?(line: string): void;
}

/** A migrator with the files open; no server can have them meanwhile. */
export interface FileMigrator extends Migrator {
  close(): Promise<void>;
}

/**
 * Makes a migrator that works on the database file and the Delta tables of a configuration, without a server. Throws
 * CONFIG_INVALID; migrating throws BACKEND_UNAVAILABLE, saying so, while a server has the database file.
 */
export async function openFileMigrator(options: MigrateFilesOptions): Promise<FileMigrator> {
  const { config: asWritten } = await loadConfig({
    path: options.configPath,
    cwd: options.cwd,
    env: options.env,
    overrides: options.db === undefined ? {} : { db_path: options.db },
  });
  const config = withAbsolutePaths(asWritten, options.cwd);
  if (config.db_path === ':memory:') {
    throw new ArrowportError(
      'OPTION_INVALID',
      'db_path is :memory:, which only a running server has: go through it with --url, or name a file with --db.',
    );
  }
  let duckdb: DuckDbBackend | null = null;
  let delta: DeltaBackend | null = null;
  const routes = createRouteTable(config);
  const migrator = createMigrator({
    duckdb: async () => {
      duckdb ??= await openDatabase(config);
      return duckdb;
    },
    delta: async () => {
      delta ??= openTables(config, options);
      return delta;
    },
    routes: () => routes,
    tablePath: config.delta_config.table_path,
    retentionHours: () => config.idempotency.retention_hours,
  });
  return {
    async migrate(request, context) {
      if (request.source.backend === 'duckdb') await requireFile(config.db_path);
      return migrator.migrate(request, context);
    },
    async close() {
      await duckdb?.close();
      await delta?.close();
    },
  };
}

/** Files are found from where the command runs, as the server finds them from where it runs. */
function withAbsolutePaths(config: Config, cwd: string): Config {
  const { table_path } = config.delta_config;
  return {
    ...config,
    db_path: config.db_path === ':memory:' ? config.db_path : resolve(cwd, config.db_path),
    delta_config: { ...config.delta_config, table_path: absoluteTablePath(table_path, cwd) },
  };
}

/** DuckDB would make a file that is not there, and then miss the table in it. */
async function requireFile(path: string): Promise<void> {
  await access(path).catch(() => {
    throw new ArrowportError(
      'TABLE_NOT_FOUND',
      `There is no database ${path}: name the file with --db or --config.`,
    );
  });
}

async function openDatabase(config: Config): Promise<DuckDbBackend> {
  const { createDuckDbBackend } = await import('../backends/duckdb/backend.ts');
  const { max_message_bytes, max_decompressed_ratio } = config.limits;
  try {
    return await createDuckDbBackend({
      config,
      limits: () => ({ maxMessageBytes: max_message_bytes, maxDecompressedRatio: max_decompressed_ratio }),
      retentionHours: () => config.idempotency.retention_hours,
    });
  } catch (thrown) {
    if (!(thrown instanceof ArrowportError) || !thrown.message.includes('another process')) throw thrown;
    throw new ArrowportError(
      'BACKEND_UNAVAILABLE',
      `${config.db_path} is open in another process: go through its server with --url, or stop it first.`,
      { cause: thrown },
    );
  }
}

function openTables(config: Config, options: MigrateFilesOptions): DeltaBackend {
  const { delta_config: delta } = config;
  return createDeltaBackend({
    tablePath: delta.table_path,
    storageOptions: delta.storage_options,
    checkpointInterval: delta.checkpoint_interval,
    versionRetentionHours: delta.version_retention_hours,
    enableCdc: delta.enable_cdc,
    autoCompact: false,
    compactMinFiles: delta.auto_compact_min_files,
    keyRetentionHours: config.idempotency.retention_hours,
    maxLoads: 4,
    cacheFolder: cacheFolder(options.env),
    python: options.env['ARROWPORT_DELTA_PYTHON'] || null,
    spoolFolder: null,
    environment: options.env,
    shutdownGraceMs: 10_000,
    log: (level, message) => {
      if (level === 'info' && message.startsWith('Installing')) options.onNotice?.(message);
    },
  });
}
