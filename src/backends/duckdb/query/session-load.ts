import type { DuckDBConnection } from '@duckdb/node-api';
import type { ReplayedCommit } from '../../../core/backend.ts';
import type { SessionLoadRequest } from '../../../core/query.ts';
import { describeTable } from '../../../core/route.ts';
import { ArrowportError } from '../../../errors.ts';
import type { BatchQueue } from '../batch-queue.ts';
import { storableType } from '../column-types.ts';
import { fromDuckDbError } from '../errors.ts';
import { quoteIdentifier, quoteText } from '../identifier.ts';
import { planColumn } from '../load-column.ts';
import { DuckDbLoad, type RowTarget } from '../loader.ts';
import type { LoaderContext } from '../loader-context.ts';
import { type Column, matchColumns, refuseAmbiguousColumns } from '../match-columns.ts';
import type { LoadSession } from '../session-pool.ts';
import { internalSchema } from '../table-catalog.ts';
import { toQueryError } from './query-error.ts';

/** What a session lends to its loads. */
export interface SessionHold {
  /** The catalog of the database file. */
  readonly catalog: string;
  /** The session's connection, for the statements that `work` runs one after another; nobody else's come between. */
  use<T>(work: (connection: DuckDBConnection, inTransaction: boolean) => Promise<T>): Promise<T>;
}

let lastStage = 0;

/**
 * Starts a load into a session. Its rows gather in a database of their own, beside whatever the session's transaction
 * does, and go into the table in one step when the load commits. Throws SCHEMA_MISMATCH, TYPE_UNSUPPORTED.
 */
export async function beginSessionLoad(
  request: SessionLoadRequest,
  context: LoaderContext,
  hold: SessionHold,
): Promise<DuckDbLoad> {
  refuseAmbiguousColumns(request.schema.fields.map((field) => field.name));
  const columns = request.schema.fields.map(planColumn);
  const session = await context.sessions.acquire(request.schemaMetadata, columns);
  return new DuckDbLoad(request, context, columns, new SessionTarget(request, context, session, hold));
}

class SessionTarget implements RowTarget {
  readonly #request: SessionLoadRequest;
  readonly #context: LoaderContext;
  readonly #session: LoadSession;
  readonly #hold: SessionHold;
  readonly #stage: string;
  #isOpen = false;
  #committed = false;
  #rows = 0;

  constructor(request: SessionLoadRequest, context: LoaderContext, session: LoadSession, hold: SessionHold) {
    lastStage += 1;
    this.#request = request;
    this.#context = context;
    this.#session = session;
    this.#hold = hold;
    this.#stage = quoteIdentifier(`${internalSchema}_stage_${lastStage}`);
  }

  async insert(queue: BatchQueue): Promise<void> {
    await this.#open();
    await this.#context.memory?.makeRoom(this, queue.bytesPerRow());
    this.#rows += await this.#session.view.insert(`${this.#stage}.main.rows`, queue);
  }

  async commit(facts: ReplayedCommit | null): Promise<number> {
    await this.#open();
    await this.#hold.use(async (connection, inTransaction) => {
      this.#request.signal?.throwIfAborted();
      const moveRows = () => this.#moveRows(connection, facts);
      const move = () => this.#context.checkpoints?.write(moveRows) ?? moveRows();
      if (inTransaction) return move();
      await connection.run('BEGIN');
      try {
        await move();
        const { memory } = this.#context;
        const commit = () => connection.run('COMMIT');
        await (memory === null ? commit() : memory.commit(this, this.#rows, commit));
      } catch (thrown) {
        await connection.run('ROLLBACK').catch(() => undefined);
        throw toQueryError(thrown, { sql: '' });
      }
      this.#context.checkpoints?.noteCommit();
    });
    this.#committed = true;
    return this.#rows;
  }

  interrupt(): void {
    this.#session.connection.interrupt();
  }

  async close(): Promise<void> {
    const { sessions, memory } = this.#context;
    if (this.#isOpen) {
      await this.#session.connection.run(`DETACH ${this.#stage}`).catch(() => undefined);
    }
    await sessions.release(this.#session, this.#committed);
    memory?.release(this);
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const { connection, view } = this.#session;
    try {
      await connection.run(`ATTACH ':memory:' AS ${this.#stage}`);
      this.#isOpen = true;
      await connection.run(`CREATE TABLE ${this.#stage}.main.rows (${view.columnList()})`);
    } catch (thrown) {
      throw fromDuckDbError(thrown, 'load');
    }
  }

  /** Makes or checks the table and inserts the rows, on the session's connection. */
  async #moveRows(connection: DuckDBConnection, facts: ReplayedCommit | null): Promise<void> {
    const { route, options, ifAbsent, ifExists, isTemporary } = this.#request;
    const { columns } = this.#session.view;
    const name = describeTable(route.table);
    try {
      const existing = await this.#describe(connection);
      if (existing === null && ifAbsent === 'fail') {
        throw new ArrowportError('TABLE_NOT_FOUND', `There is no table ${JSON.stringify(name)}.`);
      }
      if (existing !== null && ifExists === 'fail') {
        throw new ArrowportError('TABLE_EXISTS', `There is a table ${JSON.stringify(name)} already.`);
      }
      if (existing !== null && ifExists === 'append') {
        matchColumns({ name, columns: existing }, columns, 'strict');
      } else await this.#create(connection, columns);
      const list = columns.map((column) => quoteIdentifier(column.name)).join(', ');
      await connection.run(
        `INSERT INTO ${this.#table} (${list}) SELECT ${list} FROM ${this.#stage}.main.rows`,
      );
      if (facts === null || options.idempotencyKey === null || isTemporary) return;
      const kept = { ...facts, stream: route.stream, mode: options.mode, rows: this.#rows };
      await this.#context.ledger.record(connection, route.table, options.idempotencyKey, kept);
    } catch (thrown) {
      throw toQueryError(thrown, { sql: '' });
    }
  }

  /** The table's columns; null where there is none. */
  async #describe(connection: DuckDBConnection): Promise<readonly Column[] | null> {
    const { table } = this.#request.route;
    const [database, schema] = this.#place;
    const found = await connection.runAndReadAll(
      `SELECT column_name, NOT is_nullable AND column_default IS NULL FROM duckdb_columns()
       WHERE database_name = ${quoteText(database)} AND schema_name = ${quoteText(schema)} AND lower(table_name) = lower(${quoteText(table.name)})`,
    );
    if (found.currentRowCount === 0) return null;
    const required = new Set(
      found
        .getRows()
        .filter(([, isRequired]) => isRequired === true)
        .map(([name]) => String(name)),
    );
    const result = await connection.run(`SELECT * FROM ${this.#table} LIMIT 0`);
    const types = result.columnTypes();
    return result.columnNames().flatMap((name, index) => {
      const type = types[index];
      return type === undefined ? [] : [{ name, type, required: required.has(name) }];
    });
  }

  async #create(connection: DuckDBConnection, columns: readonly Column[]): Promise<void> {
    const { schema } = this.#request.route.table;
    const list = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${storableType(type)}`);
    if (schema !== null && !this.#request.isTemporary) {
      await connection.run(
        `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(this.#hold.catalog)}.${quoteIdentifier(schema)}`,
      );
    }
    const kind = this.#request.isTemporary ? 'TEMP TABLE' : 'TABLE';
    await connection.run(`CREATE OR REPLACE ${kind} ${this.#table} (${list.join(', ')})`);
  }

  get #place(): readonly [database: string, schema: string] {
    const { schema } = this.#request.route.table;
    return this.#request.isTemporary ? ['temp', 'main'] : [this.#hold.catalog, schema ?? 'main'];
  }

  get #table(): string {
    const { name } = this.#request.route.table;
    return [...this.#place, name].map(quoteIdentifier).join('.');
  }
}
