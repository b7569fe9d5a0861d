import type { DuckDBConnection } from '@duckdb/node-api';
import type { SqlToken } from './sql-tokens.ts';

/** A table as a statement names it. */
export interface NamedTable {
  readonly catalog: string | null;
  readonly schema: string | null;
  readonly name: string;
}

/** Words after which a list of tables stands. */
const beforeTables: ReadonlySet<string> = new Set(['from', 'join', 'using']);
/** Words after which one table stands. */
const beforeTable: ReadonlySet<string> = new Set([
  ...['pivot', 'pivot_wider', 'pivot_longer', 'unpivot', 'describe', 'desc', 'show', 'summarize', 'table'],
]);
/** Words before TABLE where it names what is made or changed, not what is read. */
const beforeTarget: ReadonlySet<string> = new Set([
  ...['create', 'replace', 'temp', 'temporary', 'local', 'drop', 'alter', 'truncate', 'on'],
]);
/** Words that end a list of tables; all are reserved, so none can be the alias of a table. */
const afterTables: ReadonlySet<string> = new Set([
  ...['where', 'group', 'order', 'having', 'limit', 'offset', 'window', 'qualify', 'select', 'union'],
  ...['intersect', 'except', 'returning'],
]);

/** Whether a table's name could be a path. */
export function looksLikeFile({ catalog, schema, name }: NamedTable): boolean {
  return /[./:*?[\\]/.test(`${catalog ?? ''}${schema ?? ''}${name}`);
}

/** Whether a name could lead into a folder: a name of a common table expression may hold dots, but no path. */
export function holdsPath(name: string): boolean {
  return /[/:*?[\\]/.test(name);
}

/** Whether there is such a table or view; DuckDB would read one that is not there as a file of that name. */
export async function isTable(connection: DuckDBConnection, { schema, name }: NamedTable): Promise<boolean> {
  const reader = await connection.runAndReadAll(
    `SELECT 1 FROM (SELECT database_name AS d, schema_name AS s, table_name AS t FROM duckdb_tables()
       UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views())
     WHERE lower(t) = lower($1) AND ($2 = '' OR lower(s) = lower($2) OR lower(d) = lower($2)) LIMIT 1`,
    [name, schema ?? ''],
  );
  return reader.currentRowCount > 0;
}

/** Quoted names and texts that stand where a statement reads a table, and could be paths. */
export function listFileNames(tokens: readonly SqlToken[]): readonly (NamedTable & { token: SqlToken })[] {
  const found: (NamedTable & { token: SqlToken })[] = [];
  /** For each open parenthesis, whether a table may stand at this place. */
  const lists: { inTables: boolean; expected: boolean }[] = [{ inTables: false, expected: false }];
  tokens.forEach((token, index) => {
    const place = lists.at(-1);
    if (place === undefined) return;
    const previous = tokens[index - 1];
    if (token.kind === 'symbol') {
      if (token.value === '(') lists.push({ inTables: place.expected, expected: place.expected });
      // DuckDB takes an alias before the table too, with a colon.
      place.expected = place.inTables && (token.value === ',' || token.value === ':');
      if (token.value === ')' && lists.length > 1) lists.pop();
      return;
    }
    const isField = previous?.kind === 'symbol' && previous.value === '.';
    if (token.kind === 'word' && !isField) {
      if (beforeTables.has(token.value) && previous?.value !== 'distinct') {
        Object.assign(place, { inTables: true, expected: true });
        return;
      }
      if (beforeTable.has(token.value) && !beforeTarget.has(previous?.value ?? '')) {
        place.expected = true;
        return;
      }
      if (place.expected && token.value === 'lateral') return;
      if (afterTables.has(token.value)) place.inTables = false;
    }
    if (place.expected && (token.kind === 'text' || token.kind === 'quoted')) {
      const table = readName(tokens, index);
      if (looksLikeFile(table)) found.push({ ...table, token });
    }
    place.expected = false;
  });
  return found;
}

/** A name of up to three parts with dots between them. */
function readName(tokens: readonly SqlToken[], start: number): NamedTable {
  const parts = [tokens[start]?.value ?? ''];
  for (let at = start + 1; parts.length < 3; at += 2) {
    const [dot, part] = [tokens[at], tokens[at + 1]];
    if (dot?.kind !== 'symbol' || dot.value !== '.' || part === undefined) break;
    parts.push(part.value);
  }
  const [name = '', schema = null, catalog = null] = parts.toReversed();
  return { catalog, schema, name };
}
