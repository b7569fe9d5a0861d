import type { TableName } from '../core/route.ts';

/**
 * Reads `target_table` of a DuckDB route: `table` or `schema.table`, split at the first dot outside double quotes.
 * A part in double quotes is taken as it stands (`""` is one quote), so `"a.b"` is a table whose name has a dot.
 * Returns undefined when the text names no table: an empty part, a stray quote, a control character.
 */
export function findTableName(text: string): TableName | undefined {
  if (hasControlCharacter(text)) return undefined;
  const dot = findDot(text);
  if (dot === -1) {
    const name = findPart(text);
    return name === undefined ? undefined : { schema: null, name };
  }
  const schema = findPart(text.slice(0, dot));
  const name = findPart(text.slice(dot + 1));
  return schema === undefined || name === undefined ? undefined : { schema, name };
}

function findDot(text: string): number {
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '"') quoted = !quoted;
    else if (text[index] === '.' && !quoted) return index;
  }
  return -1;
}

function findPart(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  if (!text.includes('"')) return text;
  if (text.length < 3 || !text.startsWith('"') || !text.endsWith('"')) return undefined;
  const inner = text.slice(1, -1);
  return inner.replaceAll('""', '').includes('"') ? undefined : inner.replaceAll('""', '"');
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 32 || code === 127) return true;
  }
  return false;
}
