import { readSqlTokens } from './sql-tokens.ts';

/** The statement without its end mark and what is behind it, so that it can stand in parentheses, before a line's end. */
export function withoutEnd(sql: string): string {
  const trimmed = sql.replace(/[\s;]+$/, '');
  if (!trimmed.includes(';') || !/--|\/\*/.test(trimmed)) return trimmed;
  const tokens = readSqlTokens(trimmed) ?? [];
  const last = tokens.findLast(({ kind, value }) => kind !== 'symbol' || value !== ';');
  return last === undefined ? trimmed : trimmed.slice(0, last.end);
}

/**
 * The statement with none of its rows, in two ways: the first keeps columns of one name apart, and cannot be had of every
 * statement (one with a LIMIT, or that describes something); the second renames them.
 */
export function withoutRows(sql: string): readonly [first: string, second: string] {
  const text = withoutEnd(sql);
  return [`(${text}\n) LIMIT 0`, `SELECT * FROM (${text}\n) LIMIT 0`];
}
