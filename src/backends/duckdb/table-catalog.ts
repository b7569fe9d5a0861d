import type { DuckDBConnection } from '@duckdb/node-api';
import { describeTable, type TableName } from '../../core/route.ts';
import { settlesWithin } from '../../core/settles-within.ts';
import { ArrowportError } from '../../errors.ts';
import { storableType } from './column-types.ts';
import type { Database } from './database.ts';
import { isMissing } from './errors.ts';
import { foldCase, qualifiedName, quoteIdentifier, quoteText } from './identifier.ts';
import { type Column, type ColumnChanges, matchColumns } from './match-columns.ts';
import { TableLock } from './table-lock.ts';

/** The schema for what this server itself keeps in the database file. */
export const internalSchema = '_arrowport';

/** How long a load waits for the first loads of a table, whose columns are not its own, to end. */
const pendingPatienceMs = 60_000;

/** Tables whose columns are remembered between loads. */
const recentEntries = 1024;

/** A table that its first loads are still being written to: it goes again when none of them commits. */
interface PendingTable {
  loads: number;
  committed: boolean;
  readonly resolved: Promise<void>;
  resolve(): void;
}

/** What this process knows of one table. */
export interface TableEntry {
  readonly table: TableName;
  /** The full name, quoted for SQL. */
  readonly sql: string;
  readonly lock: TableLock;
  columns: readonly Column[] | null;
  pending: PendingTable | null;
}

/** A load's hold on its table. */
export interface TableHold {
  readonly changes: ColumnChanges;
  /** Whether this load keeps a table alive that did not exist before. */
  readonly pending: boolean;
}

/** Knows the tables of the database file, makes missing ones, and takes them away again when their first loads fail. */
export class TableCatalog {
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  /** One entry a table for as long as any load uses it: its lock must be the same for all of them. */
  readonly #entries = new Map<string, WeakRef<TableEntry>>();
  /** Kept beyond that, the one used last at the end. */
  readonly #recent = new Map<string, TableEntry>();
  readonly #forgotten = new FinalizationRegistry<string>((key) => {
    if (this.#entries.get(key)?.deref() === undefined) this.#entries.delete(key);
  });
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(database: Database, connection: DuckDBConnection) {
    this.#database = database;
    this.#connection = connection;
  }

  /** Opens the catalog and removes what first loads of an earlier process left unfinished. */
  static async open(database: Database): Promise<TableCatalog> {
    const catalog = new TableCatalog(database, await database.connect());
    await catalog.#createInternalTables();
    await catalog.#removeAbandoned();
    return catalog;
  }

  entry(table: TableName): TableEntry {
    const sql = qualifiedName(this.#database.catalog, table);
    const key = foldCase(sql);
    let entry = this.#entries.get(key)?.deref();
    if (entry === undefined) {
      entry = { table, sql, lock: new TableLock(), columns: null, pending: null };
      this.#entries.set(key, new WeakRef(entry));
      this.#forgotten.register(entry, key);
    }
    this.#recent.delete(key);
    this.#recent.set(key, entry);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > recentEntries && oldest !== undefined) this.#recent.delete(oldest);
    return entry;
  }

  /** The statement that makes a table's schema where it is missing; null for the default schema. */
  createSchemaSql({ schema }: TableName): string | null {
    if (schema === null) return null;
    return `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(this.#database.catalog)}.${quoteIdentifier(schema)}`;
  }

  /** Tables that first loads have made, and none of them has committed yet. */
  pendingTables(): readonly TableName[] {
    return this.#known()
      .filter(({ pending }) => pending !== null && !pending.committed)
      .map(({ table }) => table);
  }

  /** Tables may have been changed by SQL: the next load of each looks at it anew. */
  forgetColumns(): void {
    for (const entry of this.#known()) entry.columns = null;
  }

  /** Whether the table is one that nobody has committed rows to yet. */
  isPending(table: TableName): boolean {
    const key = foldCase(qualifiedName(this.#database.catalog, table));
    const pending = this.#entries.get(key)?.deref()?.pending ?? null;
    return pending !== null && !pending.committed;
  }

  #known(): readonly TableEntry[] {
    return [...this.#entries.values()].flatMap((entry) => entry.deref() ?? []);
  }

  async #describe(entry: TableEntry): Promise<readonly Column[] | undefined> {
    try {
      const result = await this.#connection.run(`SELECT * FROM ${entry.sql} LIMIT 0`);
      const types = result.columnTypes();
      const required = await this.#requiredColumns(entry);
      entry.columns = result.columnNames().map((name, index) => {
        const type = types[index];
        if (type === undefined) throw new Error('DuckDB names more columns than it has types.');
        return { name, type, required: required.has(name) };
      });
      return entry.columns;
    } catch (thrown) {
      entry.columns = null;
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
  }

  /** Early refusal of a stream that does not fit a table that is there for good. Throws SCHEMA_MISMATCH. */
  async precheck(entry: TableEntry, incoming: readonly Column[], mode: 'strict' | 'merge'): Promise<void> {
    if (entry.pending !== null) return;
    const columns = entry.columns ?? (await this.#inTurn(() => this.#describe(entry)));
    if (columns !== undefined) matchColumns({ name: describeTable(entry.table), columns }, incoming, mode);
  }

  /**
   * Makes the table when it is missing, or compares. Every hold must be ended. Throws SCHEMA_MISMATCH, COMMIT_CONFLICT
   * when first loads with other columns do not end in time, and the reason of `signal`.
   */
  async hold(
    entry: TableEntry,
    incoming: readonly Column[],
    mode: 'strict' | 'merge',
    signal?: AbortSignal,
  ): Promise<TableHold> {
    for (;;) {
      signal?.throwIfAborted();
      const held = await this.#inTurn(() => this.#tryHold(entry, incoming, mode));
      if ('changes' in held) return held;
      await settlesWithin(held.resolved, { withinMs: pendingPatienceMs, signal, late });
    }
  }

  /** What the table, looked at anew, needs to take the columns. Throws SCHEMA_MISMATCH. */
  async compare(
    entry: TableEntry,
    incoming: readonly Column[],
    mode: 'strict' | 'merge',
  ): Promise<ColumnChanges> {
    const columns = (await this.#inTurn(() => this.#describe(entry))) ?? [];
    return matchColumns({ name: describeTable(entry.table), columns }, incoming, mode);
  }

  /** Ends a hold; a pending table whose loads have all ended without a commit is dropped. */
  async endHold(entry: TableEntry, hold: TableHold, committed: boolean): Promise<void> {
    if (!hold.pending) return;
    await this.#inTurn(async () => {
      const { pending } = entry;
      if (pending === null) return;
      pending.loads -= 1;
      pending.committed ||= committed;
      if (!pending.committed && pending.loads > 0) return;
      try {
        await (pending.committed ? this.#forget(entry) : this.#drop(entry));
      } finally {
        entry.pending = null;
        pending.resolve();
      }
    });
  }

  /** Notes when the database was opened again: a change, which a checkpoint needs to write anything. */
  async noteReopening(): Promise<void> {
    const table = qualifiedName(this.#database.catalog, { schema: internalSchema, name: 'last_reopening' });
    await this.#inTurn(() => this.#connection.run(`CREATE OR REPLACE TABLE ${table} AS SELECT now() AS at`));
  }

  close(): void {
    this.#connection.closeSync();
  }

  async #tryHold(
    entry: TableEntry,
    incoming: readonly Column[],
    mode: 'strict' | 'merge',
  ): Promise<TableHold | PendingTable> {
    const columns = entry.columns ?? (await this.#describe(entry));
    if (columns === undefined) {
      await this.#create(entry, incoming);
      return { changes: { added: [], widened: [] }, pending: true };
    }
    try {
      const changes = matchColumns({ name: describeTable(entry.table), columns }, incoming, mode);
      if (entry.pending !== null) entry.pending.loads += 1;
      return { changes, pending: entry.pending !== null };
    } catch (thrown) {
      // A table that may yet vanish refuses nobody.
      if (entry.pending !== null) return entry.pending;
      throw thrown;
    }
  }

  async #create(entry: TableEntry, incoming: readonly Column[]): Promise<void> {
    const { schema, name } = entry.table;
    const columns = incoming.map((column) => `${quoteIdentifier(column.name)} ${storableType(column.type)}`);
    // Before it is there: nobody is to see it until a load has committed to it.
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.pending = { loads: 1, committed: false, resolved: promise, resolve };
    try {
      await this.#transaction(async () => {
        const createSchema = this.createSchemaSql(entry.table);
        if (createSchema !== null) await this.#connection.run(createSchema);
        await this.#connection.run(`CREATE TABLE ${entry.sql} (${columns.join(', ')})`);
        await this.#connection.run(
          `INSERT INTO ${this.#pendingTables()} VALUES (${quoteText(schema ?? 'main')}, ${quoteText(name)})`,
        );
      });
    } catch (thrown) {
      entry.pending = null;
      resolve();
      throw thrown;
    }
    await this.#describe(entry);
  }

  async #forget(entry: TableEntry): Promise<void> {
    const { schema, name } = entry.table;
    const sql = `DELETE FROM ${this.#pendingTables()} WHERE schema_name = ${quoteText(schema ?? 'main')} AND table_name = ${quoteText(name)}`;
    await this.#database.write(() => this.#connection.run(sql));
  }

  /** A table with rows is never dropped: a commit that failed to the eye may have happened. */
  async #drop(entry: TableEntry): Promise<void> {
    entry.columns = null;
    if (!(await this.#isEmpty(entry))) {
      await this.#forget(entry);
      return;
    }
    await this.#transaction(async () => {
      await this.#connection.run(`DROP TABLE IF EXISTS ${entry.sql}`);
      await this.#forget(entry);
    });
  }

  async #requiredColumns(entry: TableEntry): Promise<ReadonlySet<string>> {
    const result = await this.#connection.runAndReadAll(
      `SELECT column_name FROM (DESCRIBE ${entry.sql}) WHERE "null" = 'NO' AND "default" IS NULL`,
    );
    return new Set(result.getRows().map(([name]) => String(name)));
  }

  async #createInternalTables(): Promise<void> {
    const schema = `${quoteIdentifier(this.#database.catalog)}.${quoteIdentifier(internalSchema)}`;
    await this.#connection.run(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await this.#connection.run(
      `CREATE TABLE IF NOT EXISTS ${this.#pendingTables()} (schema_name VARCHAR, table_name VARCHAR)`,
    );
  }

  async #removeAbandoned(): Promise<void> {
    const rows = (await this.#connection.runAndReadAll(`SELECT * FROM ${this.#pendingTables()}`)).getRows();
    for (const [schema, name] of rows) {
      const entry = this.entry({ schema: schema === 'main' ? null : String(schema), name: String(name) });
      await this.#drop(entry);
    }
  }

  /** Also false where there is no such table. */
  async #isEmpty(entry: TableEntry): Promise<boolean> {
    try {
      const found = await this.#connection.runAndReadAll(`SELECT 1 FROM ${entry.sql} LIMIT 1`);
      return found.currentRowCount === 0;
    } catch (thrown) {
      if (isMissing(thrown)) return false;
      throw thrown;
    }
  }

  #pendingTables(): string {
    return qualifiedName(this.#database.catalog, { schema: internalSchema, name: 'pending_tables' });
  }

  async #transaction(run: () => Promise<void>): Promise<void> {
    await this.#connection.run('BEGIN');
    try {
      await run();
      await this.#connection.run('COMMIT');
    } catch (thrown) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw thrown;
    }
  }

  /** The catalog has one connection: what it does there happens one after another. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(run);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

function late(): ArrowportError {
  return new ArrowportError(
    'COMMIT_CONFLICT',
    'The table is being made by loads with other columns, which did not end in time.',
  );
}
