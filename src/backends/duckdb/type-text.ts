import type { DuckDBType } from '@duckdb/node-api';

const pieces = /\s+|"(?:[^"]|"")*"|'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_]*|\d+|[()[\],]/y;
const longestText = 65_536;

/**
 * Whether a text is made of nothing but what types are written with (names, numbers, quoted texts, brackets and
 * commas), its brackets closed: what DuckDB can read as a type, and as nothing else. Whether it is one DuckDB says.
 */
export function isTypeText(text: string): boolean {
  if (text.length > longestText) return false;
  const open: string[] = [];
  pieces.lastIndex = 0;
  while (pieces.lastIndex < text.length) {
    const piece = pieces.exec(text)?.[0];
    if (piece === undefined) return false;
    if (piece === '(' || piece === '[') open.push(piece);
    if (piece === ')' && open.pop() !== '(') return false;
    if (piece === ']' && open.pop() !== '[') return false;
    if (piece === ',' && open.length === 0) return false;
  }
  return open.length === 0 && text.trim() !== '';
}

/** The type as SQL has it, so that it can be made again: JSON is a text under a name of its own. */
export function typeText(type: DuckDBType): string {
  return type.alias ?? type.toString();
}
