import type { SqlToken } from './sql-tokens.ts';

const begins: ReadonlySet<string> = new Set(['select', 'from', 'with', 'table']);
const modifiers: ReadonlySet<string> = new Set(['or', 'replace', 'temp', 'temporary', 'local']);

/**
 * The index of the token at which the SELECT of `INSERT INTO t [(columns)] [BY NAME] SELECT …` or `CREATE TABLE t [(columns)]
 * AS SELECT …` begins, which goes on to the end of the statement; null for any other statement.
 */
export function findSelectTail(tokens: readonly SqlToken[]): number | null {
  const isInsert = isWord(tokens[0], 'insert') && isWord(tokens[1], 'into');
  const at = isInsert ? skipColumns(tokens, skipName(tokens, 2)) : findCreated(tokens);
  if (at === null) return null;
  const start = isInsert && isWord(tokens[at], 'by') ? at + 2 : at;
  const token = tokens[start];
  const isRead = isSymbol(token, '(') || (token?.kind === 'word' && begins.has(token.value));
  return isRead ? start : null;
}

/** Behind the AS of a CREATE TABLE. */
function findCreated(tokens: readonly SqlToken[]): number | null {
  if (!isWord(tokens[0], 'create')) return null;
  let at = 1;
  while (modifiers.has(wordOf(tokens[at]))) at += 1;
  if (!isWord(tokens[at], 'table')) return null;
  at += 1;
  if (isWord(tokens[at], 'if') && isWord(tokens[at + 1], 'not')) at += 3;
  at = skipColumns(tokens, skipName(tokens, at));
  return isWord(tokens[at], 'as') ? at + 1 : null;
}

/** Behind a name of one to three parts. */
function skipName(tokens: readonly SqlToken[], from: number): number {
  let at = from;
  while (isSymbol(tokens[at + 1], '.')) at += 2;
  return at + 1;
}

/** Behind names in parentheses. In front of a SELECT in parentheses it stays where it is. */
function skipColumns(tokens: readonly SqlToken[], from: number): number {
  if (!isSymbol(tokens[from], '(')) return from;
  let at = from + 1;
  while (isName(tokens[at]) && isSymbol(tokens[at + 1], ',')) at += 2;
  return isName(tokens[at]) && isSymbol(tokens[at + 1], ')') ? at + 2 : from;
}

function isName(token: SqlToken | undefined): boolean {
  return token?.kind === 'quoted' || (token?.kind === 'word' && !begins.has(token.value));
}

function wordOf(token: SqlToken | undefined): string {
  return token?.kind === 'word' ? token.value : '';
}

function isWord(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'word' && token.value === value;
}

function isSymbol(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'symbol' && token.value === value;
}
