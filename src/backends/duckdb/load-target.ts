import type { LoadRequest, ReplayedCommit } from '../../core/backend.ts';
import type { BatchQueue } from './batch-queue.ts';
import { storableType } from './column-types.ts';
import { fromDuckDbError, hasCommitted } from './errors.ts';
import { quoteIdentifier } from './identifier.ts';
import type { LoaderContext } from './loader-context.ts';
import { rowGroupRows } from './row-group.ts';
import type { LoadSession } from './session-pool.ts';
import type { TableEntry, TableHold } from './table-catalog.ts';

/** How long a load that changes a table's columns waits for other loads of the table to end. */
const changePatienceMs = 60_000;
const stage = 'temp.main.arrow_stage';

/**
 * Where a load's rows go, in one transaction. They go straight into the table, beside other loads; or, where the load
 * has to change or empty the table, into a temporary table first, so that the table is locked for its commit only.
 */
export class LoadTarget {
  readonly #request: LoadRequest;
  readonly #context: LoaderContext;
  readonly #session: LoadSession;
  readonly #entry: TableEntry;
  #hold: TableHold | null = null;
  #staged = false;
  #unlock: (() => void) | null = null;
  #inTransaction = false;
  #committed = false;
  #rows = 0;

  constructor(request: LoadRequest, context: LoaderContext, session: LoadSession) {
    this.#request = request;
    this.#context = context;
    this.#session = session;
    this.#entry = context.catalog.entry(request.route.table);
  }

  get #mode(): 'strict' | 'merge' {
    return this.#request.options.schemaMode === 'merge' ? 'merge' : 'strict';
  }

  /** Refuses a stream that does not fit, before any of it is read. Throws SCHEMA_MISMATCH. */
  async precheck(): Promise<void> {
    if (this.#takesPlace) return;
    await this.#context.catalog.precheck(this.#entry, this.#session.view.columns, this.#mode);
  }

  /** Inserts what the queue holds, and what joins it meanwhile. Throws the codes of the ingest path; the load must be aborted then. */
  async insert(queue: BatchQueue): Promise<void> {
    await this.#open();
    await this.#context.memory?.makeRoom(this, queue.bytesPerRow());
    const { view } = this.#session;
    const { activity } = this.#context;
    const insert = () => activity.write(() => view.insert(this.#staged ? stage : this.#entry.sql, queue));
    this.#rows += await (this.#staged ? insert() : this.#write(insert, queue));
  }

  /** Makes everything inserted durable, and the key with it where there is one; resolves with the number of rows. */
  commit(facts: ReplayedCommit | null): Promise<number> {
    return this.#context.activity.write(() => this.#commitRows(facts));
  }

  async #commitRows(facts: ReplayedCommit | null): Promise<number> {
    await this.#open();
    if (this.#staged) {
      this.#unlock = await this.#entry.lock.exclude(changePatienceMs, this.#request.signal);
      await this.#write(() => this.#insertStage());
    }
    if (facts !== null) await this.#recordKey(facts);
    const { memory } = this.#context;
    await (memory === null ? this.#commit() : memory.commit(this, this.#rows, () => this.#commit()));
    this.#inTransaction = false;
    this.#committed = true;
    if (this.#staged) this.#entry.columns = null;
    const { checkpoints } = this.#context;
    // DuckDB 1.5.5 reads such a commit back from its log without the keys of its rows (duckdb#24744).
    if (this.#replaces && this.#rows >= rowGroupRows) await checkpoints?.fold();
    else checkpoints?.noteCommit();
    return this.#rows;
  }

  /** Runs what writes into the file beside no checkpoint; whoever is gone when one has ended writes nothing. */
  #write<T>(work: () => Promise<T>, queue?: BatchQueue): Promise<T> {
    const { checkpoints } = this.#context;
    if (checkpoints === null) return work();
    const begin = () => {
      this.#request.signal?.throwIfAborted();
      return work();
    };
    return checkpoints.write(begin, queue === undefined ? undefined : () => queue.endStatement());
  }

  async #commit(): Promise<void> {
    // The locks may have kept the load waiting; whoever is gone by now will send it again.
    this.#request.signal?.throwIfAborted();
    try {
      await this.#session.connection.run('COMMIT');
    } catch (thrown) {
      if (!hasCommitted(thrown)) throw fromDuckDbError(thrown, 'commit');
    }
  }

  /** Ends the statement that is running, if there is one. */
  interrupt(): void {
    this.#session.connection.interrupt();
  }

  /** Rolls back what is not committed and lets go of the table. Never throws. */
  async close(): Promise<void> {
    const { sessions, catalog } = this.#context;
    const { connection } = this.#session;
    if (this.#inTransaction) await connection.run('ROLLBACK').catch(() => undefined);
    if (this.#staged) await connection.run(`DROP TABLE IF EXISTS ${stage}`).catch(() => undefined);
    await sessions.release(this.#session, this.#committed);
    this.#unlock?.();
    this.#context.memory?.release(this);
    if (this.#hold !== null)
      await catalog.endHold(this.#entry, this.#hold, this.#committed).catch(() => undefined);
    this.#hold = null;
  }

  /** Opens the transaction with the first rows: a stream that stalls before them locks nothing. */
  async #open(): Promise<void> {
    if (this.#hold !== null) return;
    const { catalog } = this.#context;
    const { signal } = this.#request;
    this.#hold = this.#takesPlace
      ? { changes: { added: [], widened: [] }, pending: false }
      : await catalog.hold(this.#entry, this.#session.view.columns, this.#mode, signal);
    const { added, widened } = this.#hold.changes;
    this.#staged = added.length > 0 || widened.length > 0 || this.#replaces;
    if (this.#staged) {
      await this.#run(`CREATE OR REPLACE TEMP TABLE arrow_stage (${this.#session.view.columnList()})`);
      return;
    }
    this.#unlock = await this.#entry.lock.share(signal);
    await this.#run('BEGIN');
    this.#inTransaction = true;
  }

  get #replaces(): boolean {
    return this.#request.options.mode === 'overwrite';
  }

  /** Whether the load makes the table anew, with the stream's columns. */
  get #takesPlace(): boolean {
    return this.#request.options.ifExists === 'replace';
  }

  async #recordKey(facts: ReplayedCommit): Promise<void> {
    const { route, options } = this.#request;
    if (options.idempotencyKey === null) return;
    const kept = { ...facts, stream: route.stream, mode: options.mode, rows: this.#rows };
    try {
      await this.#context.ledger.record(this.#session.connection, route.table, options.idempotencyKey, kept);
    } catch (thrown) {
      throw fromDuckDbError(thrown, 'load');
    }
  }

  async #insertStage(): Promise<void> {
    const { catalog } = this.#context;
    if (this.#takesPlace) return await this.#takePlace();
    // The table may have changed while this load was on its way.
    const { added, widened } = await catalog.compare(this.#entry, this.#session.view.columns, this.#mode);
    const names = this.#session.view.columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    await this.#run('BEGIN');
    this.#inTransaction = true;
    for (const { name, type } of added) {
      await this.#run(`ALTER TABLE ${this.#entry.sql} ADD COLUMN ${quoteIdentifier(name)} ${type}`);
    }
    for (const { name, type } of widened) {
      await this.#run(
        `ALTER TABLE ${this.#entry.sql} ALTER COLUMN ${quoteIdentifier(name)} SET DATA TYPE ${type}`,
      );
    }
    if (this.#replaces) await this.#run(`DELETE FROM ${this.#entry.sql}`);
    await this.#run(`INSERT INTO ${this.#entry.sql} (${names}) SELECT ${names} FROM ${stage}`);
  }

  async #takePlace(): Promise<void> {
    const createSchema = this.#context.catalog.createSchemaSql(this.#entry.table);
    await this.#run('BEGIN');
    this.#inTransaction = true;
    if (createSchema !== null) await this.#run(createSchema);
    // What came as nothing but nulls is staged as text.
    const columns = this.#session.view.columns.map(
      ({ name, type }) =>
        `CAST(${quoteIdentifier(name)} AS ${storableType(type)}) AS ${quoteIdentifier(name)}`,
    );
    await this.#run(
      `CREATE OR REPLACE TABLE ${this.#entry.sql} AS SELECT ${columns.join(', ')} FROM ${stage}`,
    );
  }

  async #run(sql: string): Promise<void> {
    try {
      await this.#session.connection.run(sql);
    } catch (thrown) {
      throw fromDuckDbError(thrown, 'load');
    }
  }
}
