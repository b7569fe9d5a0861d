import type { DeltaBackend } from '../backends/delta/backend.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import type { Config } from '../config/schema.ts';
import type { Migrator } from '../core/migration.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { AuditSide } from './audit.ts';
import { absoluteTablePath, createMigrator } from './migrate.ts';

/** What a server's migrator takes of it. */
export interface ServerMigratorOptions {
  config(): Config;
  routes(): RouteTable;
  openDuckDb(): Promise<DuckDbBackend>;
  openDelta(): Promise<DeltaBackend>;
  readonly audit: Pick<AuditSide, 'auditMigrator'>;
}

/** Makes the migrator of a running server: it works on what the server has open. */
export function createServerMigrator(options: ServerMigratorOptions): Migrator {
  const migrator = createMigrator({
    duckdb: options.openDuckDb,
    delta: options.openDelta,
    routes: options.routes,
    tablePath: absoluteTablePath(options.config().delta_config.table_path),
    retentionHours: () => options.config().idempotency.retention_hours,
  });
  return options.audit.auditMigrator(migrator);
}
