import { type DuckDBConnection, type DuckDBType, VARCHAR } from '@duckdb/node-api';
import type { ExistingRows } from '../../core/migration.ts';
import { describeTable, type TableName } from '../../core/route.ts';
import { ArrowportError } from '../../errors.ts';
import { fitsInto } from './column-types.ts';
import type { Database } from './database.ts';
import { findDeltaForm } from './delta-types.ts';
import { fromDuckDbError, isMissing } from './errors.ts';
import { foldCase, qualifiedName, quoteIdentifier, quoteText } from './identifier.ts';
import type { TableCatalog } from './table-catalog.ts';
import { isTypeText, typeText } from './type-text.ts';

const lockPatienceMs = 60_000;

/** Where rows from Delta are gathered before they appear in their table, all at once. */
export interface TableImport {
  /** The table that loads go to meanwhile, beside the one that they are for. */
  readonly stage: TableName;
  /**
   * Compares the stage, which must be there, with the target. `types` are the types that columns had in DuckDB before
   * they went to Delta. Throws SCHEMA_MISMATCH.
   */
  check(types: ReadonlyMap<string, string>): Promise<void>;
  /**
   * Moves the rows into their table, in one transaction with what `also` does. Throws SCHEMA_MISMATCH,
   * COMMIT_CONFLICT, and TABLE_EXISTS where the table has got rows and they are to be refused.
   */
  finish(existing: ExistingRows, also: (connection: DuckDBConnection) => Promise<void>): Promise<void>;
  /** Drops what was gathered. */
  discard(): Promise<void>;
  interrupt(): void;
  close(): void;
}

interface StageColumn {
  readonly name: string;
  /** The type in the table: the stage's own, or the one that it had in DuckDB. */
  readonly type: DuckDBType;
  readonly isRestored: boolean;
}

/** Opens the import of a run; the same run has the same stage. */
export async function openTableImport(
  database: Database,
  catalog: TableCatalog,
  target: TableName,
  runId: string,
): Promise<TableImport> {
  const connection = await database.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return new DatabaseImport(database, connection, catalog, target, runId);
}

/** The table that a run gathers rows in. */
export function stageOf(target: TableName, runId: string): TableName {
  return { schema: target.schema, name: `${target.name}.migrating-${runId}` };
}

/** The rows of a table; undefined where there is none. */
export async function countRows(database: Database, table: TableName): Promise<number | undefined> {
  const connection = await database.connect();
  try {
    const result = await connection.runAndReadAll(
      `SELECT count(*) FROM ${qualifiedName(database.catalog, table)}`,
    );
    return Number(result.getRows()[0]?.[0]);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw fromDuckDbError(thrown, 'load');
  } finally {
    connection.closeSync();
  }
}

class DatabaseImport implements TableImport {
  readonly stage: TableName;
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #catalog: TableCatalog;
  readonly #target: TableName;
  readonly #targetSql: string;
  readonly #stageSql: string;
  #columns: readonly StageColumn[] = [];

  constructor(
    database: Database,
    connection: DuckDBConnection,
    catalog: TableCatalog,
    target: TableName,
    runId: string,
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#catalog = catalog;
    this.#target = target;
    this.stage = stageOf(target, runId);
    this.#targetSql = qualifiedName(database.catalog, target);
    this.#stageSql = qualifiedName(database.catalog, this.stage);
  }

  async check(types: ReadonlyMap<string, string>): Promise<void> {
    const columns = await this.#describe(this.#stageSql);
    const read: StageColumn[] = [];
    for (const { name, type } of columns ?? []) {
      const restored = await this.#restore(type, types.get(name));
      read.push({ name, type: restored ?? type, isRestored: restored !== undefined });
    }
    this.#columns = read;
    const target = await this.#describe(this.#targetSql);
    if (target !== undefined) this.#compare(target);
  }

  async finish(existing: ExistingRows, also: (connection: DuckDBConnection) => Promise<void>): Promise<void> {
    const entry = this.#catalog.entry(this.#target);
    const unlock = await entry.lock.exclude(lockPatienceMs);
    try {
      await this.#database.write(() => this.#finish(existing, also));
    } finally {
      entry.columns = null;
      this.#catalog.entry(this.stage).columns = null;
      unlock();
    }
  }

  async #finish(
    existing: ExistingRows,
    also: (connection: DuckDBConnection) => Promise<void>,
  ): Promise<void> {
    await this.#run('BEGIN');
    try {
      await this.#move(existing);
      await also(this.#connection);
    } catch (thrown) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw thrown;
    }
    await this.#run('COMMIT', 'commit');
  }

  async discard(): Promise<void> {
    this.#catalog.entry(this.stage).columns = null;
    await this.#run(`DROP TABLE IF EXISTS ${this.#stageSql}`);
  }

  interrupt(): void {
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.closeSync();
  }

  async #move(existing: ExistingRows): Promise<void> {
    const target = await this.#describe(this.#targetSql);
    if (target !== undefined && existing === 'refuse' && (await this.#count(this.#targetSql)) > 0) {
      throw new ArrowportError(
        'TABLE_EXISTS',
        `The table ${JSON.stringify(describeTable(this.#target))} has got rows meanwhile: give --append or --overwrite.`,
      );
    }
    if (target === undefined) {
      for (const { name, type, isRestored } of this.#columns) {
        if (!isRestored) continue;
        const column = quoteIdentifier(name);
        await this.#run(
          `ALTER TABLE ${this.#stageSql} ALTER COLUMN ${column} SET DATA TYPE ${typeText(type)} USING CAST(${column} AS ${typeText(type)})`,
        );
      }
      await this.#run(`ALTER TABLE ${this.#stageSql} RENAME TO ${quoteIdentifier(this.#target.name)}`);
      return;
    }
    this.#compare(target);
    if (existing === 'overwrite') await this.#run(`DELETE FROM ${this.#targetSql}`);
    const names = this.#columns.map(({ name }) => quoteIdentifier(name));
    const values = this.#columns.map(({ name, type, isRestored }) =>
      isRestored ? `CAST(${quoteIdentifier(name)} AS ${typeText(type)})` : quoteIdentifier(name),
    );
    await this.#run(
      `INSERT INTO ${this.#targetSql} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${this.#stageSql}`,
    );
    await this.#run(`DROP TABLE ${this.#stageSql}`);
  }

  async #count(table: string): Promise<number> {
    const result = await this.#connection.runAndReadAll(`SELECT count(*) FROM ${table}`);
    return Number(result.getRows()[0]?.[0]);
  }

  /** The type that a column had in DuckDB, where it still is what became of that type in Delta. */
  async #restore(stageType: DuckDBType, text: string | undefined): Promise<DuckDBType | undefined> {
    if (text === undefined || !isTypeText(text)) return undefined;
    const type = await this.#resolve(text);
    const form = type === undefined ? undefined : findDeltaForm(type);
    if (type === undefined || form === undefined) return undefined;
    const expected = await this.#resolve(form.type);
    return expected?.toString() === stageType.toString() ? type : undefined;
  }

  async #resolve(text: string): Promise<DuckDBType | undefined> {
    try {
      const result = await this.#connection.run(`SELECT CAST(NULL AS ${text}) LIMIT 0`);
      return result.columnTypes()[0];
    } catch {
      return undefined;
    }
  }

  #compare(target: readonly { readonly name: string; readonly type: DuckDBType }[]): void {
    const faults: string[] = [];
    for (const { name, type } of this.#columns) {
      const column = target.find((candidate) => foldCase(candidate.name) === foldCase(name));
      if (column === undefined) faults.push(`${JSON.stringify(name)} (the table has no such column)`);
      else if (!fitsInto(type, column.type) && type.toString() !== column.type.toString())
        faults.push(`${JSON.stringify(name)} (it is ${type}, the table has ${column.type})`);
    }
    if (faults.length === 0) return;
    throw new ArrowportError(
      'SCHEMA_MISMATCH',
      `The rows do not fit the table ${JSON.stringify(describeTable(this.#target))} in ${faults.join(', ')}. Nothing was written to it.`,
    );
  }

  async #describe(
    table: string,
  ): Promise<readonly { readonly name: string; readonly type: DuckDBType }[] | undefined> {
    try {
      const result = await this.#connection.run(`SELECT * FROM ${table} LIMIT 0`);
      const types = result.columnTypes();
      return result.columnNames().map((name, index) => ({ name, type: types[index] ?? VARCHAR }));
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw fromDuckDbError(thrown, 'load');
    }
  }

  async #run(sql: string, phase: 'load' | 'commit' = 'load'): Promise<void> {
    try {
      await this.#connection.run(sql);
    } catch (thrown) {
      throw fromDuckDbError(thrown, phase);
    }
  }
}

/** Drops stages that earlier runs left of a table, but the one of `runId`. */
export async function dropOtherStages(database: Database, target: TableName, runId: string): Promise<void> {
  const connection = await database.connect();
  try {
    const prefix = `${target.name}.migrating-`;
    const found = await connection.runAndReadAll(
      `SELECT table_name FROM duckdb_tables() WHERE database_name = ${quoteText(database.catalog)}
       AND schema_name = ${quoteText(target.schema ?? 'main')} AND starts_with(table_name, ${quoteText(prefix)})
       AND table_name <> ${quoteText(prefix + runId)}`,
    );
    for (const [name] of found.getRows()) {
      await connection.run(
        `DROP TABLE IF EXISTS ${qualifiedName(database.catalog, { schema: target.schema, name: String(name) })}`,
      );
    }
  } finally {
    connection.closeSync();
  }
}
