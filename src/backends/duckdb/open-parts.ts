import type { DuckDBConnection } from '@duckdb/node-api';
import { Database, type DatabaseOptions } from './database.ts';
import { KeyLedger } from './key-ledger.ts';
import { MemoryGovernor } from './memory-governor.ts';
import { checkNativeInterface } from './native/self-check.ts';
import { SessionPool } from './session-pool.ts';
import { TableCatalog } from './table-catalog.ts';

/** What an open database consists of. */
export interface OpenParts {
  readonly database: Database;
  readonly catalog: TableCatalog;
  readonly ledger: KeyLedger;
  readonly sessions: SessionPool;
  readonly memory: MemoryGovernor | null;
  /** The connection for questions about tables. */
  readonly questions: DuckDBConnection;
}

/**
 * Opens the database file and proves the native interface. Throws BACKEND_UNAVAILABLE or OPTION_INVALID, saying what to
 * do, and leaves nothing open. `onFailure` is told of checkpoints that failed.
 */
export async function openParts(
  config: DatabaseOptions,
  retentionHours: () => number,
  onFailure: (thrown: unknown) => void,
): Promise<OpenParts> {
  const database = await Database.open(config);
  try {
    await checkNativeInterface(database);
    return {
      database,
      catalog: await TableCatalog.open(database),
      ledger: await KeyLedger.open(database, retentionHours),
      sessions: new SessionPool(database),
      memory: await governMemory(database, config, onFailure),
      questions: await database.connect(),
    };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}

/** Folds the write-ahead log into the file and closes it. */
export async function closeParts(parts: OpenParts): Promise<void> {
  parts.questions.closeSync();
  parts.catalog.close();
  parts.ledger.close();
  parts.memory?.close();
  await parts.sessions.close();
  await parts.database.close();
}

async function governMemory(
  database: Database,
  config: DatabaseOptions,
  onFailure: (thrown: unknown) => void,
): Promise<MemoryGovernor | null> {
  if (config.db_path === ':memory:') return null;
  const { threads, memoryLimit } = await database.resources();
  const governor = new MemoryGovernor({
    threads,
    ...(fixesMemory(config) ? { fixedBytes: memoryLimit } : {}),
    setLimit: (bytes) => database.setMemoryLimit(bytes),
  });
  await governor.start();
  database.checkpoints?.join((work) => governor.runBetweenCommits(work), onFailure);
  return governor;
}

function fixesMemory({ duckdb }: DatabaseOptions): boolean {
  return duckdb.memory_limit !== null || 'memory_limit' in duckdb.settings || 'max_memory' in duckdb.settings;
}
