/** One token of a SQL text; `start` and `end` count UTF-16 units. */
export interface SqlToken {
  readonly kind: 'word' | 'quoted' | 'text' | 'number' | 'symbol';
  /** Words and quoted identifiers as names: words in lower case, quoted ones without their quotes; else as written. */
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

const spaces = /[\s\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]+/y;
const lineComment = /--[^\n\r]*/y;
const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const number = /(?:0[xX][0-9A-Fa-f_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)/y;
const parameter = /\$(?:\d+|[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)(?!\$)/y;
const commentMark = /\/\*|\*\//g;
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

/**
 * Splits SQL as DuckDB does, without comments. Null for what this cannot be sure to read as DuckDB does (something
 * unterminated, identifiers in Unicode escapes): whoever decides by tokens refuses it then.
 */
export function readSqlTokens(sql: string): readonly SqlToken[] | null {
  const tokens: SqlToken[] = [];
  const isRead = visitSqlTokens(sql, (token) => {
    tokens.push(token);
    return true;
  });
  return isRead ? tokens : null;
}

/** The first tokens, at most so many; fewer where the text ends or cannot be read on. */
export function firstSqlTokens(sql: string, most: number): readonly SqlToken[] {
  const tokens: SqlToken[] = [];
  visitSqlTokens(sql, (token) => tokens.push(token) < most);
  return tokens;
}

/** Shows the tokens one by one for as long as `visit` answers true. False for what `readSqlTokens` gives null for. */
export function visitSqlTokens(sql: string, visit: (token: SqlToken) => boolean): boolean {
  for (let at = 0; at < sql.length; ) {
    const skipped = matchAt(spaces, sql, at) ?? matchAt(lineComment, sql, at);
    if (skipped !== null) {
      at += skipped.length;
      continue;
    }
    if (sql.startsWith('/*', at)) {
      const end = endOfComment(sql, at);
      if (end === null) return false;
      at = end;
      continue;
    }
    const token = readToken(sql, at);
    if (token === null) return false;
    if (!visit(token)) return true;
    at = token.end;
  }
  return true;
}

function readToken(sql: string, start: number): SqlToken | null {
  const first = sql.charAt(start);
  if (first === '"') return readQuoted(sql, start, start, '"', 'quoted');
  if (first === "'") return readQuoted(sql, start, start, "'", 'text');
  if (first === '$') return readDollar(sql, start);
  const named = matchAt(word, sql, start);
  if (named !== null) return readWord(sql, start, named);
  const digits = matchAt(number, sql, start);
  const value = digits ?? first;
  return { kind: digits === null ? 'symbol' : 'number', value, start, end: start + value.length };
}

/** Words that stand right before a quote change what the quotes mean. */
function readWord(sql: string, start: number, named: string): SqlToken | null {
  const end = start + named.length;
  const next = sql.charAt(end);
  if (next === "'" && /^e$/i.test(named)) return readEscaped(sql, start, end);
  if (next === "'" && /^[bxn]$/i.test(named)) return readQuoted(sql, start, end, "'", 'text');
  if (/^u$/i.test(named) && next === '&' && /["']/.test(sql.charAt(end + 1))) return null;
  return { kind: 'word', value: named.toLowerCase(), start, end };
}

function readQuoted(
  sql: string,
  start: number,
  open: number,
  quote: string,
  kind: 'quoted' | 'text',
): SqlToken | null {
  for (let at = sql.indexOf(quote, open + 1); at >= 0; at = sql.indexOf(quote, at + 2)) {
    if (sql.charAt(at + 1) === quote) continue;
    const value = sql.slice(open + 1, at).replaceAll(quote + quote, quote);
    return { kind, value, start, end: at + 1 };
  }
  return null;
}

/** A text of the form `E'…'`, in which a backslash takes the next character's meaning. */
function readEscaped(sql: string, start: number, open: number): SqlToken | null {
  for (let at = open + 1; at < sql.length; at += 1) {
    const character = sql.charAt(at);
    if (character === '\\') at += 1;
    else if (character === "'" && sql.charAt(at + 1) === "'") at += 1;
    else if (character === "'") return { kind: 'text', value: sql.slice(open + 1, at), start, end: at + 1 };
  }
  return null;
}

function readDollar(sql: string, start: number): SqlToken | null {
  const tag = matchAt(dollarTag, sql, start);
  if (tag !== null) {
    const end = sql.indexOf(tag, start + tag.length);
    if (end < 0) return null;
    return { kind: 'text', value: sql.slice(start + tag.length, end), start, end: end + tag.length };
  }
  const value = matchAt(parameter, sql, start) ?? '$';
  return { kind: 'symbol', value, start, end: start + value.length };
}

/** Block comments nest. */
function endOfComment(sql: string, start: number): number | null {
  let depth = 0;
  commentMark.lastIndex = start;
  for (let mark = commentMark.exec(sql); mark !== null; mark = commentMark.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return commentMark.lastIndex;
  }
  return null;
}

function matchAt(pattern: RegExp, sql: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0] ?? null;
}
