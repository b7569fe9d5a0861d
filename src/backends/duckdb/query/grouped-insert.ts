import type { DuckDBConnection } from '@duckdb/node-api';
import type { QueryParameters } from '../../../core/query.ts';
import { quoteText } from '../identifier.ts';
import { parameterBytes } from './parameter-bytes.ts';
import { readSqlTokens, type SqlToken } from './sql-tokens.ts';

/** An INSERT of one row, written for several rows at once. */
export interface GroupedInsert {
  readonly sql: string;
  readonly rows: number;
}

const mostRows = 128;
const mostCharacters = 64 * 1024;
/** Rows that are larger take longer than their statements. */
const mostRowBytes = 2048;

/**
 * `INSERT INTO t VALUES (?, …)` for many rows, when it is to run for at least as many: a statement of one row takes DuckDB
 * much longer than a row. Null for any other statement, and for tables with foreign keys, whose rows may need each other.
 */
export async function groupInsert(
  sql: string,
  parameters: QueryParameters,
  parameterCount: number,
  connection: DuckDBConnection,
): Promise<GroupedInsert | null> {
  if (parameters.kind !== 'arrow' || parameters.schema.fields.length !== parameterCount) return null;
  const count = parameters.batches.reduce((sum, { rows }) => sum + rows, 0);
  if (count < mostRows || parameterBytes(parameters) > count * mostRowBytes) return null;
  const insert = readInsert(sql);
  if (insert === null || insert.parameters !== parameterCount) return null;
  const rows = Math.min(mostRows, Math.floor(mostCharacters / insert.row.length));
  if (rows < 2 || (await hasForeignKeys(connection, insert.table))) return null;
  return { sql: `${insert.head}${Array.from({ length: rows }, () => insert.row).join(', ')}`, rows };
}

interface Insert {
  readonly table: string;
  /** The text up to the row, and that of the row. */
  readonly head: string;
  readonly row: string;
  readonly parameters: number;
}

/** Reads `INSERT INTO [[catalog.]schema.]table [(columns)] VALUES (…)`, whose parameters are all `?`. */
function readInsert(sql: string): Insert | null {
  const tokens = readSqlTokens(sql) ?? [];
  if (!isWord(tokens[0], 'insert') || !isWord(tokens[1], 'into')) return null;
  let at = 2;
  while (isSymbol(tokens[at + 1], '.')) at += 2;
  const table = tokens[at];
  if (table === undefined || (table.kind !== 'word' && table.kind !== 'quoted')) return null;
  at += 1;
  if (isSymbol(tokens[at], '(')) at = skipParentheses(tokens, at);
  if (!isWord(tokens[at], 'values') || !isSymbol(tokens[at + 1], '(')) return null;
  const first = at + 1;
  const end = skipParentheses(tokens, first);
  const [start, last] = [tokens[first], tokens[end - 1]];
  if (start === undefined || last === undefined || tokens.slice(end).some((token) => !isSymbol(token, ';')))
    return null;
  const row = tokens.slice(first, end);
  if (row.some(({ kind, value }) => kind !== 'text' && value.startsWith('$')) || mayLookAround(row))
    return null;
  return {
    table: table.value,
    head: sql.slice(0, start.start),
    row: sql.slice(start.start, last.end),
    parameters: row.filter((token) => isSymbol(token, '?')).length,
  };
}

/** Whether a row may read rows, those before it among them: by a query, or by a macro that is one. */
function mayLookAround(row: readonly SqlToken[]): boolean {
  return row.some((token, index) => {
    const isName = token.kind === 'word' || token.kind === 'quoted';
    return isWord(token, 'from') || isWord(token, 'select') || (isName && isSymbol(row[index + 1], '('));
  });
}

/** The index behind the parenthesis that closes the one at `from`. */
function skipParentheses(tokens: readonly SqlToken[], from: number): number {
  let depth = 0;
  let at = from;
  do {
    if (isSymbol(tokens[at], '(')) depth += 1;
    if (isSymbol(tokens[at], ')')) depth -= 1;
    at += 1;
  } while (depth > 0 && at < tokens.length);
  return at;
}

async function hasForeignKeys(connection: DuckDBConnection, table: string): Promise<boolean> {
  const found = await connection.runAndReadAll(
    `SELECT 1 FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' AND lower(table_name) = lower(${quoteText(table)}) LIMIT 1`,
  );
  return found.currentRowCount > 0;
}

function isWord(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'word' && token.value === value;
}

function isSymbol(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'symbol' && token.value === value;
}
