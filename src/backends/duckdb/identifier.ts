import type { TableName } from '../../core/route.ts';

/** A name as SQL takes it whatever it holds: in double quotes, its own doubled. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A name as DuckDB compares it: without regard to the case of A to Z, and of no other letters. */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A text as an SQL literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A table's full name in the attached database `catalog`; without a schema it stands in `main`. */
export function qualifiedName(catalog: string, table: TableName): string {
  return `${quoteIdentifier(catalog)}.${quoteIdentifier(table.schema ?? 'main')}.${quoteIdentifier(table.name)}`;
}
