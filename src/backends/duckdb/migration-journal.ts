import { createHash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import { monotonicFactory } from 'ulid';
import type { Database } from './database.ts';
import { qualifiedName } from './identifier.ts';
import { internalSchema } from './table-catalog.ts';

/** What a migration goes by from its start to its end, however often it is broken off. */
export interface MigrationPlan {
  /** Part of the idempotency key of every part. */
  readonly runId: string;
  /** The mode of the first part: whether rows of the target were to be replaced, or kept. */
  readonly existing: 'refuse' | 'append' | 'overwrite';
  readonly partRows: number;
  /** Of a DuckDB source: what it held. */
  readonly digest: string | null;
  readonly lastRow: number | null;
  /** Of a Delta source: the version. */
  readonly version: number | null;
}

/** A migration that was begun. */
export interface JournalEntry {
  readonly plan: MigrationPlan;
  readonly isDone: boolean;
  /** When a run last began or went on with it. */
  readonly startedAt: Date;
}

const createRunId = monotonicFactory();

/**
 * The migrations from and to this database, by their two tables. It is what a run that follows another one goes on by;
 * that no part is written twice is for the keys of the loads.
 */
export class MigrationJournal {
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #table: string;

  private constructor(database: Database, connection: DuckDBConnection, table: string) {
    this.#database = database;
    this.#connection = connection;
    this.#table = table;
  }

  static async open(database: Database): Promise<MigrationJournal> {
    const connection = await database.connect();
    const table = qualifiedName(database.catalog, { schema: internalSchema, name: 'migrations' });
    await connection.run(
      `CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR, plan VARCHAR, is_done BOOLEAN, started_at TIMESTAMPTZ)`,
    );
    return new MigrationJournal(database, connection, table);
  }

  async find(source: string, target: string): Promise<JournalEntry | undefined> {
    const result = await this.#connection.runAndReadAll(
      `SELECT plan, is_done, epoch_ms(started_at) FROM ${this.#table} WHERE id = $1`,
      [identify(source, target)],
    );
    const [row] = result.getRows();
    if (row === undefined) return undefined;
    const [plan, isDone, startedAt] = row;
    return { plan: readPlan(String(plan)), isDone: isDone === true, startedAt: new Date(Number(startedAt)) };
  }

  /** Writes down that a run begins, or goes on. Durable when it resolves. */
  begin(source: string, target: string, plan: MigrationPlan): Promise<void> {
    return this.#database.write(() => this.#begin(source, target, plan));
  }

  async #begin(source: string, target: string, plan: MigrationPlan): Promise<void> {
    const id = identify(source, target);
    await this.#connection.run('BEGIN');
    try {
      await this.#connection.run(`DELETE FROM ${this.#table} WHERE id = $1`, [id]);
      await this.#connection.run(`INSERT INTO ${this.#table} VALUES ($1, $2, false, now())`, [
        id,
        JSON.stringify(plan),
      ]);
      await this.#connection.run('COMMIT');
    } catch (thrown) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw thrown;
    }
  }

  /** Writes down that everything is copied, in the transaction that is open on `connection` where one is given. */
  async finish(
    source: string,
    target: string,
    connection: DuckDBConnection = this.#connection,
  ): Promise<void> {
    await connection.run(`UPDATE ${this.#table} SET is_done = true WHERE id = $1`, [
      identify(source, target),
    ]);
  }

  close(): void {
    this.#connection.closeSync();
  }
}

/** A name for a new run. */
export function newRunId(): string {
  return createRunId();
}

function identify(source: string, target: string): string {
  return createHash('sha256')
    .update(JSON.stringify([source, target]))
    .digest('hex');
}

function readPlan(text: string): MigrationPlan {
  return JSON.parse(text) as MigrationPlan;
}
