import type { Caller } from '../../../core/auth.ts';
import type {
  CatalogColumn,
  CatalogName,
  CatalogSchema,
  CatalogTable,
  TableKey,
} from '../../../core/query.ts';
import { foldCase, quoteText } from '../identifier.ts';
import { internalSchema } from '../table-catalog.ts';
import type { Lease } from './engine-parts.ts';
import type { RelationSource } from './relation-source.ts';

/** Tables and views that the caller may name, without the server's own, sorted. */
export async function listTables(
  lease: Lease,
  caller: Caller,
  relations: readonly RelationSource[],
): Promise<readonly CatalogTable[]> {
  const where = `${inReach(lease)} AND NOT internal`;
  const reader = await lease.connection.runAndReadAll(
    `SELECT database_name, schema_name, table_name, CASE WHEN temporary THEN 'temporary' ELSE 'table' END
     FROM duckdb_tables() WHERE ${where}
     UNION ALL SELECT database_name, schema_name, view_name, 'view' FROM duckdb_views() WHERE ${where}`,
  );
  const pending = lease.database.pendingTables();
  const tables = reader
    .getRows()
    .map(([catalog, schema, name, kind]) => ({
      catalog: String(catalog),
      schema: String(schema),
      name: String(name),
      kind: kind as CatalogTable['kind'],
    }))
    .filter(
      ({ schema, name }) =>
        !pending.some((table) => table.name === name && (table.schema ?? 'main') === schema) &&
        caller.mayUseStream(schema === 'main' ? name : `${schema}.${name}`),
    );
  for (const relation of relations) tables.push(...((await relation.list?.(caller)) ?? []));
  return tables.sort(byName);
}

/** The columns of a table or view that the caller may name, in their order. */
export async function listColumns(
  lease: Lease,
  { catalog, schema, name }: Required<CatalogName>,
  caller: Caller,
): Promise<readonly CatalogColumn[]> {
  if (!caller.mayUseStream(schema === 'main' ? name : `${schema}.${name}`)) return [];
  const reader = await lease.connection.runAndReadAll(
    `SELECT column_name, data_type, is_nullable, numeric_precision, numeric_scale FROM duckdb_columns()
     WHERE ${inReach(lease)} AND database_name = $1 AND schema_name = $2 AND table_name = $3 ORDER BY column_index`,
    [catalog, schema, name],
  );
  return reader.getRows().map(([column, type, nullable, precision, scale]) => {
    const isDecimal = String(type).startsWith('DECIMAL(');
    return {
      name: String(column),
      type: String(type),
      nullable: nullable !== false,
      precision: isDecimal ? Number(precision) : null,
      scale: isDecimal ? Number(scale) : null,
    };
  });
}

/** Schemas without the server's own, sorted. */
export async function listSchemas(
  lease: Lease,
  relations: readonly RelationSource[],
): Promise<readonly CatalogSchema[]> {
  const reader = await lease.connection.runAndReadAll(
    `SELECT database_name, schema_name FROM duckdb_schemas() WHERE ${inReach(lease)}
     AND schema_name NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2`,
  );
  const schemas = reader.getRows().map(([catalog, schema]) => ({
    catalog: String(catalog),
    schema: String(schema),
  }));
  return [...schemas, ...relations.map(({ catalog }) => ({ catalog, schema: catalog }))];
}

/** Primary and foreign keys of the tables that the caller may name. */
export async function listKeys(lease: Lease, caller: Caller): Promise<readonly TableKey[]> {
  const reader = await lease.connection.runAndReadAll(
    `SELECT database_name, schema_name, table_name, constraint_name, constraint_column_names,
            referenced_table, referenced_column_names
     FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') AND ${inReach(lease)}
     ORDER BY 1, 2, 3, constraint_index`,
  );
  const keys = reader.getRowsJson().map(([catalog, schema, table, name, columns, referenced, references]) => {
    const place = { catalog: String(catalog), schema: String(schema) };
    return {
      name: name === null ? null : String(name),
      table: { ...place, name: String(table) },
      columns: toTexts(columns),
      references:
        referenced === null || referenced === ''
          ? null
          : { table: { ...place, name: String(referenced) }, columns: toTexts(references), name: null },
    };
  });
  return keys
    .filter(({ table }) =>
      caller.mayUseStream(table.schema === 'main' ? table.name : `${table.schema}.${table.name}`),
    )
    .map((key) => ({ ...key, references: withKeyName(key.references, keys) }));
}

function withKeyName(references: TableKey['references'], keys: readonly TableKey[]): TableKey['references'] {
  if (references === null) return null;
  const { table } = references;
  const primary = keys.find(
    (key) =>
      key.references === null &&
      key.table.schema === table.schema &&
      foldCase(key.table.name) === foldCase(table.name),
  );
  return { ...references, name: primary?.name ?? null };
}

function inReach({ rules }: Lease): string {
  return `database_name IN (${quoteText(rules.catalog)}, 'temp') AND schema_name <> ${quoteText(internalSchema)}`;
}

function toTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function byName(one: CatalogTable, other: CatalogTable): number {
  const key = ({ catalog, schema, name }: CatalogTable) => `${catalog}\0${schema}\0${name}`;
  return key(one) < key(other) ? -1 : 1;
}
