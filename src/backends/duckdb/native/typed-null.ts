import type { DuckDBPreparedStatement, DuckDBType } from '@duckdb/node-api';
import { pointerTo } from './arrow-export.ts';
import { loadLibduckdb } from './libduckdb.ts';
import { statementPointer } from './prepared-schema.ts';

const library = loadLibduckdb();
const functions = {
  createNull: library.func('duckdb_create_null_value', 'void *', []),
  createList: library.func('duckdb_create_list_value', 'void *', ['void *', 'void *', 'uint64']),
  listChild: library.func('duckdb_get_list_child', 'void *', ['void *', 'uint64']),
  bindValue: library.func('duckdb_bind_value', 'int', ['void *', 'uint64', 'void *']),
  destroyValue: library.func('duckdb_destroy_value', 'void', ['void *']),
};

/**
 * Binds a NULL that has a type, so that the columns which hang on the parameter have the types that they have for values.
 * DuckDB makes its NULLs without a type; the items of its lists have one.
 */
export function bindTypedNull(prepared: DuckDBPreparedStatement, index: number, type: DuckDBType): void {
  const logicalType: unknown = Reflect.get(type.toLogicalType(), 'logical_type');
  const owned: unknown[] = [];
  const own = (value: unknown): unknown => {
    if (value === null || value === undefined) throw new Error('DuckDB makes no NULL of the type.');
    owned.push(value);
    return value;
  };
  try {
    const untyped = own(functions.createNull());
    const list = own(functions.createList(logicalType, pointerTo(untyped), 1));
    const value = own(functions.listChild(list, 0));
    if (functions.bindValue(statementPointer(prepared), index, value) !== 0)
      throw new Error('DuckDB does not bind the NULL.');
  } finally {
    for (const value of owned) functions.destroyValue(pointerTo(value));
  }
}
