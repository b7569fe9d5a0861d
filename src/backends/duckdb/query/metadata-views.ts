import { quoteIdentifier, quoteText } from '../identifier.ts';
import { internalSchema } from '../table-catalog.ts';

/** Columns of a view of the catalog that tell where each of its rows belongs. */
interface OwnerColumns {
  readonly database: string;
  readonly schema: string | null;
  readonly table: string | null;
  /** Columns that are answered as NULL. */
  readonly withheld?: readonly string[];
}

const duckdb = (table: string | null): OwnerColumns => ({
  database: 'database_name',
  schema: 'schema_name',
  table,
});
const standard: OwnerColumns = { database: 'table_catalog', schema: 'table_schema', table: 'table_name' };

/** Functions (and views of the same name) that list what is in the database. */
const functions: Readonly<Record<string, OwnerColumns>> = {
  duckdb_columns: duckdb('table_name'),
  duckdb_constraints: duckdb('table_name'),
  duckdb_databases: { database: 'database_name', schema: null, table: null, withheld: ['path'] },
  duckdb_indexes: duckdb('table_name'),
  duckdb_schemas: duckdb(null),
  duckdb_sequences: duckdb(null),
  duckdb_tables: duckdb('table_name'),
  duckdb_types: duckdb(null),
  duckdb_views: duckdb('view_name'),
};

const informationSchema: Readonly<Record<string, OwnerColumns>> = {
  columns: standard,
  key_column_usage: standard,
  referential_constraints: { database: 'constraint_catalog', schema: 'constraint_schema', table: null },
  schemata: { database: 'catalog_name', schema: 'schema_name', table: null },
  table_constraints: standard,
  tables: standard,
  views: standard,
};

/** What listings must not show: the server's own objects, and tables by schema and name. */
export interface HiddenObjects {
  /** The catalog that holds the tables. */
  readonly catalog: string;
  readonly tables: readonly { readonly schema: string; readonly name: string }[];
}

/** The catalog whose objects belong to running loads. */
const loaderCatalog = 'memory';

/** A subquery that stands for `name(…)` or a view of that name, without what is hidden. Null where none is known. */
export function findListing(name: string, hidden: HiddenObjects): string | null {
  const columns = functions[name];
  return columns === undefined ? null : listing(`${name}()`, columns, hidden);
}

/** The same for a view of `information_schema`. */
export function findStandardListing(name: string, hidden: HiddenObjects): string | null {
  const columns = informationSchema[name];
  return columns === undefined ? null : listing(`information_schema.${name}`, columns, hidden);
}

/** The statement that answers `SHOW …` without what is hidden; `what` is the parser's name of it. Null where none is known. */
export function findShow(what: string, sql: string, hidden: HiddenObjects): string | null {
  if (what === '"tables"') {
    const names = hidden.tables.map(({ name }) => quoteText(name));
    return `SELECT * FROM (${sql}\n) WHERE ${names.length === 0 ? 'true' : `name NOT IN (${names.join(', ')})`}`;
  }
  if (what === '"databases"') {
    return `SELECT * FROM (${sql}\n) WHERE ${isOpenCatalog('database_name')}`;
  }
  if (what !== '__show_tables_expanded') return null;
  const columns = { database: 'database', schema: 'schema', table: 'name' };
  return listing(`(${sql}\n)`, columns, hidden).slice(1, -1);
}

/** Loads of sessions gather in catalogs named after the internal schema. */
function isOpenCatalog(column: string): string {
  const name = quoteIdentifier(column);
  return `${name} <> ${quoteText(loaderCatalog)} AND NOT starts_with(${name}, ${quoteText(internalSchema)})`;
}

function listing(source: string, columns: OwnerColumns, hidden: HiddenObjects): string {
  const { database, schema, table, withheld = [] } = columns;
  const conditions = [isOpenCatalog(database)];
  if (schema !== null) conditions.push(`${quoteIdentifier(schema)} <> ${quoteText(internalSchema)}`);
  if (schema !== null && table !== null) {
    for (const { schema: inSchema, name } of hidden.tables) {
      conditions.push(
        `NOT (${quoteIdentifier(database)} = ${quoteText(hidden.catalog)} AND ${quoteIdentifier(schema)} = ${quoteText(inSchema)} AND ${quoteIdentifier(table)} = ${quoteText(name)})`,
      );
    }
  }
  const replaced = withheld.map((column) => `NULL::VARCHAR AS ${quoteIdentifier(column)}`);
  const star = replaced.length === 0 ? '*' : `* REPLACE (${replaced.join(', ')})`;
  return `(SELECT ${star} FROM ${source} WHERE ${conditions.join(' AND ')})`;
}
