import type { CatalogColumn, CatalogTable } from '../../core/query.ts';
import type { ArrowField, ArrowSchema } from '../../core/schema.ts';

const PREFIX = 'ARROW:FLIGHT:SQL:';

/**
 * A table's schema with what Flight SQL says of columns in the metadata of fields, and with columns that hold no NULL as
 * such.
 * @see https://arrow.apache.org/docs/format/FlightSql.html#arrow-metadata
 */
export function describeColumns(
  schema: ArrowSchema,
  table: CatalogTable,
  columns: readonly CatalogColumn[],
): ArrowSchema {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return {
    ...schema,
    fields: schema.fields.map((field) => describeField(field, table, byName.get(field.name))),
  };
}

/**
 * A result's schema with the digits of its decimals in the metadata of fields, where JDBC's `ResultSetMetaData` has them
 * from.
 */
export function describeDecimals(schema: ArrowSchema): ArrowSchema {
  if (!schema.fields.some(({ type }) => type.kind === 'decimal')) return schema;
  return {
    ...schema,
    fields: schema.fields.map((field) => {
      if (field.type.kind !== 'decimal') return field;
      const { precision, scale } = field.type;
      const metadata = new Map(field.metadata);
      metadata.set(`${PREFIX}PRECISION`, String(precision));
      metadata.set(`${PREFIX}SCALE`, String(scale));
      return { ...field, metadata };
    }),
  };
}

function describeField(
  field: ArrowField,
  table: CatalogTable,
  column: CatalogColumn | undefined,
): ArrowField {
  const metadata = new Map(field.metadata);
  const tell = (name: string, value: string | number) => metadata.set(`${PREFIX}${name}`, String(value));
  tell('CATALOG_NAME', table.catalog);
  tell('SCHEMA_NAME', table.schema);
  tell('TABLE_NAME', table.name);
  tell('IS_AUTO_INCREMENT', 0);
  tell('IS_SEARCHABLE', 1);
  tell('IS_READ_ONLY', table.kind === 'view' || table.catalog === 'delta' ? 1 : 0);
  if (column === undefined) return { ...field, metadata };
  tell('IS_CASE_SENSITIVE', /^(VARCHAR|JSON|ENUM\()/.test(column.type) ? 1 : 0);
  tell('TYPE_NAME', column.type.replace(/^DECIMAL\(.*\)$/, 'DECIMAL'));
  if (column.precision !== null) tell('PRECISION', column.precision);
  if (column.scale !== null) tell('SCALE', column.scale);
  return { ...field, nullable: column.nullable, metadata };
}
