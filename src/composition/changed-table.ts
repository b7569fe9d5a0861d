/** What a statement that changes something does, and to what, as far as its words tell. */
export interface StatementSubject {
  /** Its first word, in small letters: `insert`, `update`, `delete`, `create`, … */
  readonly verb: string;
  /** The table as it is written, without quotes; undefined where the statement has another form. */
  readonly table: string | undefined;
}

const PART = '(?:"(?:[^"]|"")*"|[\\p{L}_][\\p{L}\\p{N}_$]*)';
const NAME = `(${PART}(?:\\s*\\.\\s*${PART}){0,2})`;
const modifiers = '(?:(?:OR\\s+REPLACE|TEMP|TEMPORARY|UNIQUE|RECURSIVE)\\s+)*';
const subjects: readonly RegExp[] = [
  `INSERT\\s+(?:OR\\s+(?:REPLACE|IGNORE)\\s+)?INTO\\s+${NAME}`,
  `UPDATE\\s+${NAME}`,
  `(?:DELETE\\s+FROM|MERGE\\s+INTO|TRUNCATE(?:\\s+TABLE)?)\\s+${NAME}`,
  `CREATE\\s+${modifiers}(?:TABLE|VIEW|SCHEMA)\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?${NAME}`,
  `CREATE\\s+${modifiers}INDEX\\s+(?:CONCURRENTLY\\s+)?(?:IF\\s+NOT\\s+EXISTS\\s+)?(?:${PART}\\s+)?ON\\s+${NAME}`,
  `(?:ALTER|DROP)\\s+(?:TABLE|VIEW|SCHEMA)\\s+(?:IF\\s+EXISTS\\s+)?${NAME}`,
  `COMMENT\\s+ON\\s+(?:TABLE|VIEW)\\s+${NAME}`,
].map((form) => new RegExp(`^${form}`, 'iu'));

/** Reads the subject of a statement that the query engine has admitted. No literal of it is repeated. */
export function readStatementSubject(sql: string): StatementSubject {
  const text = withoutComments(sql);
  const verb = /^[a-z]+/i.exec(text)?.[0].toLowerCase() ?? 'statement';
  const name = subjects.map((form) => form.exec(text)?.[1]).find((found) => found !== undefined);
  const parts = [...(name ?? '').matchAll(new RegExp(PART, 'gu'))].map(([part]) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part,
  );
  return { verb, table: parts.length === 0 ? undefined : parts.join('.') };
}

function withoutComments(sql: string): string {
  return sql.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '');
}
