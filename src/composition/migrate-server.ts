import type { DeltaBackend } from '../backends/delta/backend.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import type { Config } from '../config/schema.ts';
import type { Migrator } from '../core/migration.ts';
import type { BackendKind } from '../core/receipt.ts';
import type { RouteTable } from '../router/route-table.ts';
import { absoluteTablePath, createMigrator } from './migrate.ts';

/** What a server's migrator takes of it. */
export interface ServerMigratorOptions {
  config(): Config;
  routes(): RouteTable;
  openBackend(kind: BackendKind): Promise<unknown>;
  /** The open DuckDB backend. */
  duckdb(): DuckDbBackend | null;
  /** The open Delta backend. */
  delta(): DeltaBackend | null;
}

/** Makes the migrator of a running server: it works on what the server has open. */
export function createServerMigrator(options: ServerMigratorOptions): Migrator {
  const opened = async <T>(kind: BackendKind, find: () => T | null): Promise<T> => {
    await options.openBackend(kind);
    const backend = find();
    if (backend === null) throw new Error(`The ${kind} backend was opened by someone else.`);
    return backend;
  };
  return createMigrator({
    duckdb: () => opened('duckdb', options.duckdb),
    delta: () => opened('delta', options.delta),
    routes: options.routes,
    tablePath: absoluteTablePath(options.config().delta_config.table_path),
    retentionHours: () => options.config().idempotency.retention_hours,
  });
}
