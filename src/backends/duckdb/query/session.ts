import type { Load } from '../../../core/backend.ts';
import type {
  CatalogColumn,
  CatalogName,
  CatalogSchema,
  CatalogTable,
  PreparedQuery,
  QueryContext,
  QueryParameters,
  QueryResult,
  QuerySession,
  SessionLoadRequest,
  TableKey,
} from '../../../core/query.ts';
import type { ArrowSchema } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { foldCase, quoteIdentifier, quoteText } from '../identifier.ts';
import { internalSchema } from '../table-catalog.ts';
import type { EngineParts, Lease } from './engine-parts.ts';
import type { QueryConnection, QueryConnections } from './query-connection.ts';
import { plainMessage, toQueryError } from './query-error.ts';
import { StatementRunner } from './query-runner.ts';
import type { RunGuard } from './run-guard.ts';
import { beginSessionLoad } from './session-load.ts';

/** How long a statement waits for the result of an earlier one to be read, before it takes its place. */
const patienceMs = 5_000;

export interface SessionOptions {
  readonly parts: EngineParts;
  readonly connections: QueryConnections;
  /** A connection for a statement that needs nothing of the session. */
  lease(): Promise<Lease>;
  closed(): void;
}

/**
 * A session on a connection of its own, which it takes when it first has something to keep: a transaction, temporary
 * objects, settings. Until then its statements run beside each other like those outside of sessions.
 */
export class DuckDbSession implements QuerySession {
  readonly #options: SessionOptions;
  readonly #runner: StatementRunner;
  readonly #values = new Map<string, string>();
  #own: QueryConnection | null = null;
  #opening: Promise<QueryConnection> | null = null;
  #schema = 'main';
  #inTransaction = false;
  #mayHoldTemporaries = false;
  /** Whether the open transaction may have changed something, and whether its snapshot is to be a new one. */
  #hasChanged = false;
  #wantsSnapshot = false;
  #closed = false;
  /** The statement that has the connection, and when it gives it back. */
  #current: { readonly guard: Pick<RunGuard, 'stop'>; readonly ended: Promise<void> } | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#runner = new StatementRunner(options.parts, (_, guard, sql) => this.#lease(guard, sql));
  }

  get isInTransaction(): boolean {
    return this.#inTransaction;
  }

  get mayHoldTemporaries(): boolean {
    return this.#mayHoldTemporaries;
  }

  /** Whether it has a connection, with what it keeps there. */
  get holdsDatabase(): boolean {
    return this.#opening !== null;
  }

  prepare(sql: string, context: QueryContext): Promise<PreparedQuery> {
    return this.#runner.prepare(sql, this.#bounded(context));
  }

  run(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryResult> {
    return this.#runner.run(sql, parameters, this.#bounded(context));
  }

  runUpdate(sql: string, parameters: QueryParameters, context: QueryContext): Promise<number> {
    return this.#runner.runUpdate(sql, parameters, this.#bounded(context));
  }

  listTables(context: QueryContext): Promise<readonly CatalogTable[]> {
    return this.#runner.listTables(context);
  }

  listSchemas(context: QueryContext): Promise<readonly CatalogSchema[]> {
    return this.#runner.listSchemas(context);
  }

  listKeys(context: QueryContext): Promise<readonly TableKey[]> {
    return this.#runner.listKeys(context);
  }

  listColumns(table: Required<CatalogName>, context: QueryContext): Promise<readonly CatalogColumn[]> {
    return this.#runner.listColumns(table, context);
  }

  describeTable(table: CatalogName, context: QueryContext): Promise<ArrowSchema> {
    return this.#runner.describeTable(table, context);
  }

  async begin(): Promise<void> {
    if (this.#inTransaction) throw new ArrowportError('QUERY_INVALID', 'A transaction is open already.');
    await this.#command('BEGIN TRANSACTION');
    this.#inTransaction = true;
    this.#hasChanged = false;
    this.#wantsSnapshot = false;
  }

  get hasChanged(): boolean {
    return this.#inTransaction && this.#hasChanged;
  }

  renewSnapshot(): void {
    this.#wantsSnapshot = this.#inTransaction && !this.#hasChanged;
  }

  async commit(): Promise<void> {
    this.#refuseWithoutTransaction();
    try {
      // DuckDB answers the COMMIT of a transaction that a failed statement has aborted with a silent ROLLBACK.
      await this.#command('SELECT 1', 'COMMIT');
    } catch (thrown) {
      await this.#command('ROLLBACK').catch(() => undefined);
      this.#inTransaction = false;
      if (thrown instanceof ArrowportError && /^(INTERNAL|BACKEND_UNAVAILABLE)$/.test(thrown.code)) {
        throw new ArrowportError('COMMIT_UNKNOWN', 'The database failed while it committed.', {
          cause: thrown,
        });
      }
      throw thrown;
    }
    this.#inTransaction = false;
    this.#own?.database.tablesChanged();
  }

  async rollback(): Promise<void> {
    this.#refuseWithoutTransaction();
    this.#current?.guard.stop(new ArrowportError('CANCELLED', 'The transaction was rolled back.'));
    try {
      await this.#command('ROLLBACK');
    } finally {
      this.#inTransaction = false;
      this.#own?.database.tablesChanged();
    }
  }

  async setOption(name: string, value: string | null): Promise<'set' | 'unknown-name' | 'invalid-value'> {
    switch (name) {
      case 'catalog': {
        const catalog = (await this.#takeOwn()).rules.catalog;
        return value === null || foldCase(value) === foldCase(catalog) ? 'set' : 'invalid-value';
      }
      case 'schema':
        return this.#setSchema(value ?? 'main');
      case 'time_zone':
        return this.#setTimeZone(value);
      case 'timeout_ms':
        if (value !== null && !/^[1-9]\d{0,9}$/.test(value)) return 'invalid-value';
        if (value === null) this.#values.delete(name);
        else this.#values.set(name, value);
        return 'set';
      default:
        return 'unknown-name';
    }
  }

  async options(): Promise<ReadonlyMap<string, string>> {
    const own = await this.#takeOwn();
    return new Map([['catalog', own.rules.catalog], ['schema', this.#schema], ...this.#values]);
  }

  async beginLoad(request: SessionLoadRequest): Promise<Load> {
    const own = await this.#takeOwn();
    const context = own.database.loaderContext();
    this.#mayHoldTemporaries ||= request.isTemporary;
    this.#hasChanged = true;
    try {
      return await beginSessionLoad(request, context, {
        catalog: own.rules.catalog,
        use: async (work) => {
          const end = await this.#takeTurn({ stop: () => undefined });
          try {
            return await work(own.connection, this.#inTransaction);
          } finally {
            end();
            own.database.tablesChanged();
          }
        },
      });
    } catch (thrown) {
      context.closed(thrown);
      throw thrown;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#current?.guard.stop(new ArrowportError('CANCELLED', 'The session was closed.'));
    await this.#current?.ended;
    const own = this.#own;
    this.#own = null;
    if (own !== null) {
      if (this.#inTransaction) await own.connection.run('ROLLBACK').catch(() => undefined);
      this.#options.connections.close(own);
    }
    this.#options.closed();
  }

  #bounded(context: QueryContext): QueryContext {
    const own = Number(this.#values.get('timeout_ms') ?? Number.POSITIVE_INFINITY);
    const timeoutMs = Math.min(own, context.timeoutMs ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(timeoutMs) ? { ...context, timeoutMs } : context;
  }

  async #setSchema(schema: string): Promise<'set' | 'invalid-value'> {
    if (foldCase(schema) === internalSchema) return 'invalid-value';
    const { rules } = await this.#takeOwn();
    const found = await this.#command(
      `SELECT schema_name FROM duckdb_schemas() WHERE database_name = ${quoteText(rules.catalog)} AND lower(schema_name) = lower(${quoteText(schema)})`,
    );
    const [[name] = []] = found;
    if (name === undefined) return 'invalid-value';
    await this.#command(`USE ${quoteIdentifier(rules.catalog)}.${quoteIdentifier(String(name))}`);
    this.#schema = String(name);
    return 'set';
  }

  async #setTimeZone(value: string | null): Promise<'set' | 'invalid-value'> {
    await this.#takeOwn();
    try {
      await this.#command(value === null ? 'RESET TimeZone' : `SET SESSION TimeZone = ${quoteText(value)}`);
    } catch {
      return 'invalid-value';
    }
    if (value === null) this.#values.delete('time_zone');
    else this.#values.set('time_zone', value);
    return 'set';
  }

  #refuseWithoutTransaction(): void {
    if (!this.#inTransaction) throw new ArrowportError('HANDLE_NOT_FOUND', 'No transaction is open.');
  }

  async #lease(guard: RunGuard, sql: string): Promise<Lease> {
    this.#refuseClosed();
    const namesTemporary = /\btemp(?:orary)?\b/i.test(sql);
    if (this.#own === null && !namesTemporary) {
      return { ...(await this.#options.lease()), inSession: true };
    }
    this.#mayHoldTemporaries ||= namesTemporary;
    const own = await this.#takeOwn();
    const end = await this.#takeTurn(guard);
    try {
      await this.#takeSnapshot(own);
    } catch (thrown) {
      end();
      throw thrown;
    }
    return {
      ...own,
      schema: this.#schema,
      inSession: true,
      inTransaction: this.#inTransaction,
      noteChange: () => {
        this.#hasChanged = true;
      },
      end: async (broken) => {
        if (broken && !this.#closed) await own.connection.run('SELECT 1').catch(() => undefined);
        end();
      },
    };
  }

  /** Whoever has the turn begins anew what has only read. */
  async #takeSnapshot({ connection }: QueryConnection): Promise<void> {
    if (!this.#wantsSnapshot) return;
    this.#wantsSnapshot = false;
    if (!this.#inTransaction || this.#hasChanged) return;
    await connection.run('ROLLBACK');
    await connection.run('BEGIN TRANSACTION');
  }

  async #takeOwn(): Promise<QueryConnection> {
    this.#refuseClosed();
    this.#opening ??= this.#openOwn();
    return this.#opening;
  }

  async #openOwn(): Promise<QueryConnection> {
    try {
      const own = await this.#options.connections.open();
      this.#own = own;
      if (!this.#closed) return own;
      this.#own = null;
      this.#options.connections.close(own);
    } catch (thrown) {
      this.#opening = null;
      throw thrown;
    }
    throw closedSession();
  }

  /** Resolves when the connection is free; a result that nobody reads is broken off for it. */
  async #takeTurn(guard: Pick<RunGuard, 'stop'>): Promise<() => void> {
    while (this.#current !== null) {
      const { guard: holder, ended } = this.#current;
      const timer = setTimeout(
        () =>
          holder.stop(
            new ArrowportError(
              'CANCELLED',
              'A later statement of the session took the place of this result.',
            ),
          ),
        patienceMs,
      );
      await ended;
      clearTimeout(timer);
      this.#refuseClosed();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#current = { guard, ended: promise };
    return () => {
      this.#current = null;
      resolve();
    };
  }

  /** Runs statements of the session's own, nothing of the client's between them; answers the rows of the last. */
  async #command(...statements: readonly string[]): Promise<unknown[][]> {
    const own = await this.#takeOwn();
    const end = await this.#takeTurn({ stop: () => undefined });
    try {
      let rows: unknown[][] = [];
      for (const sql of statements) {
        const run = () => own.connection.runAndReadAll(sql);
        rows = (await (sql === 'COMMIT' ? own.database.database.write(run) : run())).getRows();
      }
      return rows;
    } catch (thrown) {
      this.#options.parts.host.noteFailure(plainMessage(thrown));
      throw toQueryError(thrown, { sql: '' });
    } finally {
      end();
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw closedSession();
  }
}

function closedSession(): ArrowportError {
  return new ArrowportError('HANDLE_NOT_FOUND', 'The session is closed.');
}
