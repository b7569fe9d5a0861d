import type { ArrowField, ArrowSchema, ArrowType } from '../../core/schema.ts';

const utf8: ArrowType = { kind: 'utf8' };
const bool: ArrowType = { kind: 'bool' };
const int32: ArrowType = { kind: 'int', bitWidth: 32, signed: true };
const int64: ArrowType = { kind: 'int', bitWidth: 64, signed: true };
const uint8: ArrowType = { kind: 'int', bitWidth: 8, signed: false };
const uint32: ArrowType = { kind: 'int', bitWidth: 32, signed: false };

/** A field that is not null unless it is said to be. */
export function createField(
  name: string,
  type: ArrowType,
  nullable = false,
  children: readonly ArrowField[] = [],
): ArrowField {
  return { name, type, nullable, children, dictionary: null, metadata: new Map() };
}

/** A schema without metadata. */
export function createSchema(fields: readonly ArrowField[]): ArrowSchema {
  return { fields, metadata: new Map() };
}

const keyFields = [
  createField('pk_catalog_name', utf8, true),
  createField('pk_db_schema_name', utf8, true),
  createField('pk_table_name', utf8),
  createField('pk_column_name', utf8),
  createField('fk_catalog_name', utf8, true),
  createField('fk_db_schema_name', utf8, true),
  createField('fk_table_name', utf8),
  createField('fk_column_name', utf8),
  createField('key_sequence', int32),
  createField('fk_key_name', utf8, true),
  createField('pk_key_name', utf8, true),
  createField('update_rule', uint8),
  createField('delete_rule', uint8),
];

const tableFields = [
  createField('catalog_name', utf8, true),
  createField('db_schema_name', utf8, true),
  createField('table_name', utf8),
  createField('table_type', utf8),
];

const item = (type: ArrowType, nullable: boolean, children: readonly ArrowField[] = []) =>
  createField('item', type, nullable, children);

const sqlInfoValue = createField(
  'value',
  { kind: 'union', mode: 'dense', typeIds: [0, 1, 2, 3, 4, 5] },
  false,
  [
    createField('string_value', utf8),
    createField('bool_value', bool),
    createField('bigint_value', int64),
    createField('int32_bitmask', int32),
    createField('string_list', { kind: 'list' }, false, [item(utf8, true)]),
    createField('int32_to_int32_list_map', { kind: 'map', keysSorted: false }, false, [
      createField('entries', { kind: 'struct' }, false, [
        createField('key', int32),
        createField('value', { kind: 'list' }, true, [item(int32, true)]),
      ]),
    ]),
  ],
);

/**
 * The schemas of what Flight SQL answers about catalogs, by the name of the command.
 * @see https://arrow.apache.org/docs/format/FlightSql.html#metadata-requests
 */
export const catalogSchemas = {
  CommandGetCatalogs: createSchema([createField('catalog_name', utf8)]),
  CommandGetDbSchemas: createSchema([
    createField('catalog_name', utf8, true),
    createField('db_schema_name', utf8),
  ]),
  CommandGetTables: createSchema(tableFields),
  CommandGetTableTypes: createSchema([createField('table_type', utf8)]),
  CommandGetPrimaryKeys: createSchema([
    createField('catalog_name', utf8, true),
    createField('db_schema_name', utf8, true),
    createField('table_name', utf8),
    createField('column_name', utf8),
    createField('key_sequence', int32),
    createField('key_name', utf8, true),
  ]),
  CommandGetExportedKeys: createSchema(keyFields),
  CommandGetImportedKeys: createSchema(keyFields),
  CommandGetCrossReference: createSchema(keyFields),
  CommandGetXdbcTypeInfo: createSchema([
    createField('type_name', utf8),
    createField('data_type', int32),
    createField('column_size', int32, true),
    createField('literal_prefix', utf8, true),
    createField('literal_suffix', utf8, true),
    createField('create_params', { kind: 'list' }, true, [item(utf8, false)]),
    createField('nullable', int32),
    createField('case_sensitive', bool),
    createField('searchable', int32),
    createField('unsigned_attribute', bool, true),
    createField('fixed_prec_scale', bool),
    createField('auto_increment', bool, true),
    createField('local_type_name', utf8, true),
    createField('minimum_scale', int32, true),
    createField('maximum_scale', int32, true),
    createField('sql_data_type', int32),
    createField('datetime_subcode', int32, true),
    createField('num_prec_radix', int32, true),
    createField('interval_precision', int32, true),
  ]),
  CommandGetSqlInfo: createSchema([createField('info_name', uint32), sqlInfoValue]),
} as const;

/** The schema of `CommandGetTables` with `include_schema`. */
export const tablesWithSchema: ArrowSchema = createSchema([
  ...tableFields,
  createField('table_schema', { kind: 'binary' }),
]);
