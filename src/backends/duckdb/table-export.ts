import type { DuckDBConnection, DuckDBType } from '@duckdb/node-api';
import { DUCKDB_TYPE_KEY } from '../../core/migration.ts';
import type { TableName } from '../../core/route.ts';
import { describeTable } from '../../core/route.ts';
import type { ArrowField, ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import { type ArrowResult, type BatchSize, readArrowResult } from './arrow-result.ts';
import type { Database } from './database.ts';
import { type DeltaForm, findDeltaForm } from './delta-types.ts';
import { isMissing } from './errors.ts';
import { foldCase, qualifiedName, quoteIdentifier } from './identifier.ts';
import { typeText } from './type-text.ts';

/** What a table held at one moment; equal content has an equal digest. */
export interface TableSnapshot {
  readonly rows: number;
  /** The last row id; -1 of an empty table. */
  readonly lastRow: number;
  readonly digest: string;
}

/** A table's rows on their way to Delta, as one snapshot of the table, with the types that Delta has. */
export interface TableExport {
  /** Columns whose type was another one in DuckDB say so under {@link DUCKDB_TYPE_KEY}. */
  readonly schema: ArrowSchema;
  /** Whether rows can be told apart by their ids, so that parts can be read. */
  readonly hasRowIds: boolean;
  /**
   * Looks at every value of the rows up to a row id (null: all of them). Throws TYPE_UNSUPPORTED naming the column
   * where a value has no exact place in Delta.
   */
  check(lastRow: number | null): Promise<TableSnapshot>;
  /** Reads the rows with ids of `from` up to, not including, `to`; all of them where there are no ids. */
  read(from: number, to: number, size: BatchSize): Promise<ArrowResult>;
  /** Interrupts what is running. */
  interrupt(): void;
  close(): void;
}

interface ExportColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly form: DeltaForm;
}

/** Opens a table for export, in a transaction that only reads. Throws TABLE_NOT_FOUND, TYPE_UNSUPPORTED. */
export async function openTableExport(database: Database, table: TableName): Promise<TableExport> {
  const connection = await database.connect();
  try {
    const name = qualifiedName(database.catalog, table);
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run('BEGIN TRANSACTION READ ONLY');
    const columns = await readColumns(connection, name);
    await refuseView(connection, database.catalog, table);
    const select = `SELECT ${columns.map(toDelta).join(', ')} FROM ${name}`;
    const { schema, close } = readArrowResult(await connection.stream(`${select} LIMIT 0`), oneRow);
    close();
    return new DatabaseExport(connection, name, columns, withTypes(schema, columns));
  } catch (thrown) {
    connection.closeSync();
    if (!isMissing(thrown)) throw thrown;
    throw new ArrowportError(
      'TABLE_NOT_FOUND',
      `There is no table ${JSON.stringify(describeTable(table))} in the database.`,
      { cause: thrown },
    );
  }
}

const oneRow: BatchSize = { rows: 1, bytes: 1 };

class DatabaseExport implements TableExport {
  readonly schema: ArrowSchema;
  readonly hasRowIds: boolean;
  readonly #connection: DuckDBConnection;
  readonly #name: string;
  readonly #columns: readonly ExportColumn[];

  constructor(
    connection: DuckDBConnection,
    name: string,
    columns: readonly ExportColumn[],
    schema: ArrowSchema,
  ) {
    this.#connection = connection;
    this.#name = name;
    this.#columns = columns;
    this.schema = schema;
    // A column of that name hides the ids.
    this.hasRowIds = !columns.some((column) => foldCase(column.name) === 'rowid');
  }

  async check(lastRow: number | null): Promise<TableSnapshot> {
    const faults = this.#columns.map((column) => ({
      column,
      fault: column.form.findFault(quoteIdentifier(column.name)),
    }));
    const checked = faults.filter(({ fault }) => fault !== null);
    const values = this.#columns.map((column) => quoteIdentifier(column.name));
    const hash = `hash(${[...(this.hasRowIds ? ['rowid'] : []), ...values].join(', ')})`;
    const counts = checked.map(({ fault }) => `count(*) FILTER (WHERE ${fault})`);
    const rowIds = this.hasRowIds ? 'coalesce(max(rowid), -1)' : 'count(*) - 1';
    const result = await this.#connection.runAndReadAll(
      `SELECT count(*), ${rowIds}, coalesce(bit_xor(${hash}), 0) || '/' || coalesce(sum(${hash}::HUGEINT), 0)
       ${counts.map((count) => `, ${count}`).join('')} FROM ${this.#name}
       ${lastRow !== null && this.hasRowIds ? `WHERE rowid <= ${lastRow}` : ''}`,
    );
    const [rows, last, digest, ...found] = result.getRows()[0] ?? [];
    for (const [index, count] of found.entries()) {
      const column = checked[index]?.column;
      if (column !== undefined && count !== 0n) throw inexact(column, Number(count));
    }
    return { rows: Number(rows), lastRow: Number(last), digest: String(digest) };
  }

  async read(from: number, to: number, size: BatchSize): Promise<ArrowResult> {
    const select = `SELECT ${this.#columns.map(toDelta).join(', ')} FROM ${this.#name}`;
    const where = this.hasRowIds ? ` WHERE rowid >= ${from} AND rowid < ${to}` : '';
    const result = readArrowResult(await this.#connection.stream(`${select}${where}`), size);
    return { ...result, schema: this.schema };
  }

  interrupt(): void {
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.closeSync();
  }
}

async function readColumns(connection: DuckDBConnection, name: string): Promise<ExportColumn[]> {
  const result = await connection.run(`SELECT * FROM ${name} LIMIT 0`);
  const types = result.columnTypes();
  return result.columnNames().map((column, index): ExportColumn => {
    const type = types[index];
    if (type === undefined) throw new Error('DuckDB names more columns than it has types.');
    const form = findDeltaForm(type);
    if (form === undefined) throw unsupported(column, type);
    return { name: column, type, form };
  });
}

/** A view has no row ids, and its rows may come otherwise every time. */
async function refuseView(connection: DuckDBConnection, catalog: string, table: TableName): Promise<void> {
  const views = await connection.runAndReadAll(
    `SELECT 1 FROM duckdb_views() WHERE database_name = $1 AND lower(schema_name) = lower($2) AND lower(view_name) = lower($3)`,
    [catalog, table.schema ?? 'main', table.name],
  );
  if (views.currentRowCount === 0) return;
  throw new ArrowportError(
    'OPTION_INVALID',
    `${JSON.stringify(describeTable(table))} is a view: name a table, or make one of it with CREATE TABLE … AS.`,
  );
}

function toDelta({ name, form }: ExportColumn): string {
  const quoted = quoteIdentifier(name);
  return form.isOther ? `CAST(${quoted} AS ${form.type}) AS ${quoted}` : quoted;
}

function withTypes(schema: ArrowSchema, columns: readonly ExportColumn[]): ArrowSchema {
  const fields = schema.fields.map((field, index): ArrowField => {
    const column = columns[index];
    if (column === undefined || !column.form.isOther) return { ...field, metadata: new Map() };
    return { ...field, metadata: new Map([[DUCKDB_TYPE_KEY, typeText(column.type)]]) };
  });
  return { fields, metadata: schema.metadata };
}

function unsupported(column: string, type: DuckDBType): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Delta has no place for column ${JSON.stringify(column)} of type ${typeText(type)}: cast it, or leave it out, in a table of its own.`,
    { details: { column } },
  );
}

function inexact({ name, type, form }: ExportColumn, count: number): ArrowportError {
  const values = count === 1 ? 'a value' : `${count} values`;
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Column ${JSON.stringify(name)} of type ${typeText(type)} has ${values} that ${form.type}, its form in Delta, cannot hold exactly: cast the column to another type first. Nothing was written.`,
    { details: { column: name } },
  );
}
