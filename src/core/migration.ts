import { ArrowportError } from '../errors.ts';
import type { Caller } from './auth.ts';
import type { BackendKind } from './receipt.ts';
import { isStreamName } from './stream-name.ts';

/** A table that rows are migrated from or to. */
export interface MigrationEnd {
  readonly backend: BackendKind;
  /** As it was named: in DuckDB `schema.table` or `table`, in Delta a table name. */
  readonly table: string;
}

/** What becomes of rows that the target has already. */
export type ExistingRows = 'refuse' | 'append' | 'overwrite';

/** A migration as it is asked for. */
export interface MigrationRequest {
  readonly source: MigrationEnd;
  readonly target: MigrationEnd;
  readonly existing: ExistingRows;
  /** Columns that a new Delta table is partitioned by; null as the table's route says. */
  readonly partitionBy: readonly string[] | null;
  /** The version of a Delta source; null for the latest. */
  readonly version: number | null;
  /** Rows that are committed together, about. */
  readonly partRows: number;
}

/** How far a migration is. */
export interface MigrationProgress {
  /** `checking`: whether every value has a place in the target; `copying`; `finishing`: the last commit. */
  readonly phase: 'checking' | 'copying' | 'finishing';
  /** Rows that are copied, those of an earlier run included. */
  readonly rows: number;
  /** All rows; null while nobody knows. */
  readonly total: number | null;
}

/** What a migration did; the field names are the JSON's. */
export interface MigrationReport {
  readonly source: string;
  readonly target: string;
  /** Rows of the source, all of them in the target. */
  readonly rows: number;
  /** Of these, rows that an earlier run had copied. */
  readonly rows_resumed: number;
  /** Whether an earlier run had copied everything, so that there was nothing to do. */
  readonly already_done: boolean;
  readonly parts: number;
  /** The Delta version that was read, or that the last commit made. */
  readonly version: number | null;
  readonly duration_ms: number;
}

/** Who asks, how to break it off, and whom to tell how far it is. */
export interface MigrationContext {
  readonly requestId: string;
  /** Left out by the command that works on files. */
  readonly caller?: Caller;
  readonly signal: AbortSignal;
  /** Called often; never throws. */
  onProgress(progress: MigrationProgress): void;
}

/** Copies whole tables between DuckDB and Delta. */
export interface Migrator {
  /**
   * Copies every row exactly, in parts that are committed once however often it is called. Throws TABLE_NOT_FOUND,
   * TABLE_EXISTS (the target has rows), TYPE_UNSUPPORTED before anything is written, and the codes of loads. What it
   * had copied when it ended early stays, and the same call goes on from there.
   */
  migrate(request: MigrationRequest, context: MigrationContext): Promise<MigrationReport>;
}

/** The metadata key of an Arrow field, and of a Delta column, that says which type it had in DuckDB. */
export const DUCKDB_TYPE_KEY = 'arrowport.duckdb_type';

/** Rows of a part where nobody says. */
export const DEFAULT_PART_ROWS = 5_000_000;
/** The largest part that may be asked for. */
export const MOST_PART_ROWS = 1_000_000_000;

/** Parses `duckdb:TABLE` or `delta:TABLE`. Throws OPTION_INVALID. */
export function readMigrationEnd(text: string): MigrationEnd {
  const colon = text.indexOf(':');
  const backend = text.slice(0, Math.max(colon, 0));
  const table = text.slice(colon + 1);
  if ((backend === 'duckdb' || backend === 'delta') && table !== '') {
    if (backend === 'duckdb' || isStreamName(table)) return { backend, table };
    throw new ArrowportError(
      'OPTION_INVALID',
      `${JSON.stringify(table)} is no Delta table name: use 1 to 128 characters of A-Z a-z 0-9 _ - . that start with a letter, a digit or _.`,
    );
  }
  throw new ArrowportError(
    'OPTION_INVALID',
    `${JSON.stringify(text)} names no table to migrate: write duckdb:TABLE or delta:TABLE.`,
  );
}

/** Throws OPTION_INVALID unless one end is in DuckDB and the other in Delta. */
export function checkMigrationEnds(source: MigrationEnd, target: MigrationEnd): void {
  if (source.backend !== target.backend) return;
  throw new ArrowportError(
    'OPTION_INVALID',
    'A table is migrated from DuckDB to Delta or back: name one table of each.',
  );
}

/** The end as it is written: `delta:events`. */
export function describeEnd({ backend, table }: MigrationEnd): string {
  return `${backend}:${table}`;
}
