import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeltaBackend } from '../backends/delta/backend.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import {
  checkMigrationEnds,
  describeEnd,
  type MigrationContext,
  type MigrationEnd,
  type MigrationRequest,
  type Migrator,
  MOST_PART_ROWS,
} from '../core/migration.ts';
import type { TableName } from '../core/route.ts';
import { ArrowportError } from '../errors.ts';
import type { RouteTable } from '../router/route-table.ts';
import { findTableName } from '../router/table-name.ts';
import { migrateToDelta } from './migrate-to-delta.ts';
import { migrateToDuckDb } from './migrate-to-duckdb.ts';
import type { OpenMigration } from './open-migration.ts';

/** `delta_config.table_path` as one name for one place: URIs as they are, paths from the root (`cwd` or the process's own). */
export function absoluteTablePath(path: string, cwd = ''): string {
  if (path.startsWith('file://')) return fileURLToPath(path);
  return path.includes('://') ? path : resolve(cwd, path);
}

/** What migrations work on. */
export interface MigrationStores {
  duckdb(): Promise<DuckDbBackend>;
  delta(): Promise<DeltaBackend>;
  /** The routes in force: Delta tables are made as theirs say. */
  routes(): RouteTable;
  /** Where the Delta tables are; a path is absolute. */
  readonly tablePath: string;
  /** `idempotency.retention_hours`: how long a migration that broke off can go on. */
  retentionHours(): number;
}

/** Makes a migrator; the backends are opened by the first migration. */
export function createMigrator(stores: MigrationStores): Migrator {
  const running = new Set<string>();
  return {
    async migrate(request, context) {
      const startedAt = performance.now();
      const migration = await open(stores, request, context);
      const target = describeEnd(request.target);
      if (running.has(target)) {
        throw new ArrowportError(
          'COMMIT_CONFLICT',
          `Another migration into ${target} is running: wait for its end.`,
        );
      }
      running.add(target);
      try {
        const run = request.target.backend === 'delta' ? migrateToDelta : migrateToDuckDb;
        const outcome = await run(migration);
        return {
          source: describeEnd(request.source),
          target,
          ...outcome,
          duration_ms: Math.round((performance.now() - startedAt) * 10) / 10,
        };
      } finally {
        running.delete(target);
      }
    },
  };
}

async function open(
  stores: MigrationStores,
  request: MigrationRequest,
  context: MigrationContext,
): Promise<OpenMigration> {
  const { source, target, partRows } = request;
  checkMigrationEnds(source, target);
  if (!Number.isSafeInteger(partRows) || partRows < 1 || partRows > MOST_PART_ROWS)
    throw new ArrowportError(
      'OPTION_INVALID',
      `part_rows must be a whole number from 1 to ${MOST_PART_ROWS}.`,
    );
  if (request.version !== null && source.backend !== 'delta')
    throw new ArrowportError('OPTION_INVALID', 'version is for Delta sources.');
  if (request.partitionBy !== null && target.backend !== 'delta')
    throw new ArrowportError('OPTION_INVALID', 'partition_by is for Delta targets.');
  const [delta, duckdb] = source.backend === 'delta' ? [source, target] : [target, source];
  const duckdbTable = readDuckDbTable(duckdb);
  const route = stores.routes().resolveDeltaTable(delta.table);
  const duckdbName = JSON.stringify(['duckdb', duckdbTable.schema ?? 'main', duckdbTable.name]);
  const deltaName = JSON.stringify(['delta', stores.tablePath, delta.table]);
  return {
    request,
    context,
    duckdb: await stores.duckdb(),
    delta: await stores.delta(),
    deltaTable: delta.table,
    duckdbTable,
    route: {
      ...route,
      stream: 'migrate',
      backend: 'delta',
      table: { schema: null, name: delta.table },
      commit: null,
      delta: { ...route.delta, autoCreateTable: true },
    },
    names: source.backend === 'delta' ? [deltaName, duckdbName] : [duckdbName, deltaName],
    retentionHours: stores.retentionHours(),
  };
}

function readDuckDbTable({ table }: MigrationEnd): TableName {
  const name = findTableName(table);
  if (name !== undefined && name.schema?.toLowerCase() !== '_arrowport') return name;
  throw new ArrowportError(
    'OPTION_INVALID',
    `${JSON.stringify(table)} names no table: write table or schema.table, with double quotes around a name that has a dot.`,
  );
}
