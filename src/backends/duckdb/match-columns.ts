import type { DuckDBType } from '@duckdb/node-api';
import { ArrowportError } from '../../errors.ts';
import { findCommonType, fitsInto, storableType } from './column-types.ts';
import { foldCase } from './identifier.ts';

/** A column of a table, or of a stream as DuckDB reads it. */
export interface Column {
  readonly name: string;
  readonly type: DuckDBType;
  /** Whether a row must bring a value: NOT NULL without a default. */
  readonly required: boolean;
}

/** What has to change in a table before a stream fits it; empty lists where it fits as it is. */
export interface ColumnChanges {
  readonly added: readonly Column[];
  readonly widened: readonly Column[];
}

/**
 * Holds a stream's columns against a table's, by name, in any order, ignoring case as DuckDB does.
 * `merge` allows new columns and wider types. Throws SCHEMA_MISMATCH naming each column at fault.
 */
export function matchColumns(
  table: { name: string; columns: readonly Column[] },
  incoming: readonly Column[],
  mode: 'strict' | 'merge',
): ColumnChanges {
  const own = new Map(table.columns.map((column) => [foldCase(column.name), column]));
  const faults: { column: string; text: string }[] = [];
  const added: Column[] = [];
  const widened: Column[] = [];
  for (const column of incoming) {
    const target = own.get(foldCase(column.name));
    own.delete(foldCase(column.name));
    if (target === undefined) {
      if (mode === 'merge') added.push({ ...column, type: storableType(column.type) });
      else faults.push({ column: column.name, text: `${quote(column.name)} is not in the table` });
      continue;
    }
    if (fitsInto(column.type, target.type)) continue;
    const common = mode === 'merge' ? findCommonType(target.type, column.type) : undefined;
    if (common !== undefined) widened.push({ ...target, type: storableType(common) });
    else
      faults.push({
        column: column.name,
        text: `${quote(column.name)} is ${column.type}, the table has ${target.type}`,
      });
  }
  for (const column of own.values()) {
    if (column.required)
      faults.push({ column: column.name, text: `${quote(column.name)} is missing and may not be NULL` });
  }
  const [first] = faults;
  if (first !== undefined) {
    throw new ArrowportError(
      'SCHEMA_MISMATCH',
      `The stream does not fit table ${quote(table.name)}: ${faults.map(({ text }) => text).join('; ')}.`,
      { details: { column: first.column } },
    );
  }
  return { added, widened };
}

/** Throws SCHEMA_MISMATCH when two columns differ only in case, one has no usable name, or the stream has none. */
export function refuseAmbiguousColumns(names: readonly string[]): void {
  if (names.length === 0) throw new ArrowportError('SCHEMA_MISMATCH', 'The stream has no columns.');
  const seen = new Map<string, string>();
  for (const name of names) {
    if (name === '' || name.includes('\0')) {
      throw new ArrowportError(
        'SCHEMA_MISMATCH',
        `A column is named ${quote(name)}: DuckDB wants a name, and no NUL in it.`,
        { details: { column: name } },
      );
    }
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) {
      throw new ArrowportError(
        'SCHEMA_MISMATCH',
        other === name
          ? `The column ${quote(name)} is there twice.`
          : `The columns ${quote(other)} and ${quote(name)} are one and the same to DuckDB, which ignores case.`,
        { details: { column: name } },
      );
    }
    seen.set(name.toLowerCase(), name);
  }
}

function quote(name: string): string {
  return JSON.stringify(name);
}
