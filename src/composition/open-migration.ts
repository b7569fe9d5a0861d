import type { DeltaBackend } from '../backends/delta/backend.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import type { JournalEntry } from '../backends/duckdb/migration-journal.ts';
import type { CommitResult, Load } from '../core/backend.ts';
import type { MigrationContext, MigrationReport, MigrationRequest } from '../core/migration.ts';
import type { Route, TableName } from '../core/route.ts';
import { ArrowportError } from '../errors.ts';

/** A migration with its names read and its backends open. */
export interface OpenMigration {
  readonly request: MigrationRequest;
  readonly context: MigrationContext;
  readonly duckdb: DuckDbBackend;
  readonly delta: DeltaBackend;
  readonly deltaTable: string;
  readonly duckdbTable: TableName;
  /** How the Delta table is written. */
  readonly route: Route;
  /** The two tables as the journal names them. */
  readonly names: readonly [source: string, target: string];
  readonly retentionHours: number;
}

/** What the two directions tell of their work. */
export type MigrationOutcome = Pick<
  MigrationReport,
  'rows' | 'rows_resumed' | 'already_done' | 'parts' | 'version'
>;

/** The refusal of a target that has rows of its own. */
export function targetHasRows(target: string, why: string): ArrowportError {
  return new ArrowportError(
    'TABLE_EXISTS',
    `${target} has rows${why}: append to them with --append, or replace them with --overwrite.`,
  );
}

/** The refusal of a migration that broke off and cannot go on, while some of its rows are in the target. */
export function cannotGoOn(target: string, why: string): ArrowportError {
  return new ArrowportError(
    'TABLE_EXISTS',
    `${target} has rows of a migration that broke off and ${why}: begin again with --overwrite.`,
  );
}

/** The refusal of a migration that was done, of which the target has not all rows any more. */
export function hasFewer(target: string): ArrowportError {
  return new ArrowportError(
    'TABLE_EXISTS',
    `${target} had these rows, and has fewer now: copy them again with --overwrite.`,
  );
}

/** The refusal of a run that is asked for another thing than the one that it would go on with. */
export function otherMode(target: string, existing: 'refuse' | 'append' | 'overwrite'): ArrowportError {
  const begun = existing === 'refuse' ? 'without --append' : `with --${existing}`;
  return new ArrowportError(
    'TABLE_EXISTS',
    `${target} has rows of a migration that broke off and was begun ${begun}: give the same command again, or begin again with --overwrite.`,
  );
}

const hourMs = 3_600_000;

/** Whether the keys of the run are still remembered, so that it can go on. */
export function isRemembered(entry: JournalEntry, retentionHours: number): boolean {
  return Date.now() - entry.startedAt.getTime() < retentionHours * hourMs;
}

/** Commits a load, which is aborted when that fails. */
export async function commitLoad(load: Load): Promise<CommitResult> {
  try {
    return await load.commit();
  } catch (thrown) {
    await load.abort();
    throw thrown;
  }
}
