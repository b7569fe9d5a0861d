import type { TableName } from '../../core/route.ts';
import type { Database } from './database.ts';
import { MigrationJournal } from './migration-journal.ts';
import type { TableCatalog } from './table-catalog.ts';
import { openTableExport, type TableExport } from './table-export.ts';
import { countRows, dropOtherStages, openTableImport, stageOf, type TableImport } from './table-import.ts';

/** What migrations need of the database. */
export interface DuckDbMigrations {
  readonly journal: MigrationJournal;
  /** Throws TABLE_NOT_FOUND, TYPE_UNSUPPORTED. */
  openExport(table: TableName): Promise<TableExport>;
  /** Drops what other runs gathered for the table and did not finish. */
  openImport(target: TableName, runId: string): Promise<TableImport>;
  /** Whether a run has gathered rows for the table. */
  hasStage(target: TableName, runId: string): Promise<boolean>;
  /** Undefined where there is no such table. */
  countRows(table: TableName): Promise<number | undefined>;
  /** Writes out what changed, so that row ids stay as they are; left out where other work is under way. */
  settle(): Promise<void>;
  close(): void;
}

/** Opens what migrations need of an open database. */
export async function openMigrations(database: Database, catalog: TableCatalog): Promise<DuckDbMigrations> {
  const journal = await MigrationJournal.open(database);
  return {
    journal,
    openExport: (table) => openTableExport(database, table),
    async openImport(target, runId) {
      await dropOtherStages(database, target, runId);
      return openTableImport(database, catalog, target, runId);
    },
    hasStage: async (target, runId) => (await countRows(database, stageOf(target, runId))) !== undefined,
    countRows: (table) => countRows(database, table),
    settle: () => database.checkpoint().catch(() => undefined),
    close: () => journal.close(),
  };
}
