import { foldCase } from '../identifier.ts';
import { EditedSql } from './edited-sql.ts';
import type { GateContext } from './gate-context.ts';
import { admitSelect } from './select-gate.ts';
import { findSelectTail } from './select-tail.ts';
import type { SqlToken } from './sql-tokens.ts';

/**
 * Admits what an INSERT or a CREATE TABLE takes its rows from, where that names tables of other backends: by its tree, as
 * any SELECT, with what reads them in their place. Null where it names none, or is none that DuckDB reads by itself.
 */
export async function admitTakenRows(
  sql: string,
  tokens: readonly SqlToken[],
  context: GateContext,
): Promise<{ readonly sql: EditedSql; readonly from: number } | null> {
  const from = findSelectTail(tokens);
  if (from === null || !namesRelation(tokens.slice(from), context)) return null;
  const start = tokens[from]?.start ?? 0;
  const text = sql.slice(start);
  const tree = await parseTail(text, context);
  if (tree === null) return null;
  const inner = await admitSelect(text, tree, context);
  const edited = new EditedSql(sql);
  edited.replace(Buffer.byteLength(sql.slice(0, start)), Buffer.byteLength(sql), inner.text);
  return { sql: edited, from };
}

function namesRelation(tokens: readonly SqlToken[], { relations }: GateContext): boolean {
  return tokens.some(({ kind, value }, index) => {
    if (kind !== 'word' && kind !== 'quoted') return false;
    const name = foldCase(value);
    const next = tokens[index + 1];
    if (next?.kind !== 'symbol') return false;
    return relations.some(
      ({ catalog, functions }) =>
        (next.value === '.' && foldCase(catalog) === name) || (next.value === '(' && functions.has(name)),
    );
  });
}

async function parseTail(text: string, { connection }: GateContext): Promise<unknown> {
  const reader = await connection.runAndReadAll(
    'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)::VARCHAR',
    [text],
  );
  const [[json] = []] = reader.getRows();
  const { statements = [] } = JSON.parse(String(json)) as { statements?: readonly unknown[] };
  return statements.length === 1 ? statements[0] : null;
}
