import type { DuckDBConnection } from '@duckdb/node-api';
import type { Caller } from '../../../core/auth.ts';
import type { ReadPart } from '../../../core/query.ts';
import { foldCase, quoteText } from '../identifier.ts';
import type { RelationRequest, RelationSource } from './relation-source.ts';
import { readRowWise } from './row-wise.ts';
import { parseSelect } from './statement-gate.ts';
import { readReferences } from './statement-tree.ts';
import { findConditions } from './table-conditions.ts';

/** What finding the parts of a statement takes. */
export interface ReadPartsContext {
  readonly connection: DuckDBConnection;
  readonly caller: Caller;
  readonly relations: readonly RelationSource[];
}

/**
 * The parts that the rows of a statement are shared out to, by the source of its one table. Empty where it reads more or
 * other than one, or does more than look at row after row. Throws as the gate does.
 */
export async function findReadParts(
  sql: string,
  partBytes: number,
  context: ReadPartsContext,
): Promise<readonly ReadPart[]> {
  const tree = await parseSelect(sql, context.connection);
  const select = readRowWise(tree);
  if (select === null || !(await areRowFunctions(select.functions, context.connection))) return [];
  const found = findRelation(tree, context);
  return (await found?.source.split?.(found.request, partBytes)) ?? [];
}

/** Whether a statement can name a table of these sources at all; cheaper than asking DuckDB's parser. */
export function mayNameRelation(sql: string, relations: readonly RelationSource[]): boolean {
  const text = sql.toLowerCase();
  const names = relations.flatMap(({ catalog, functions }) => [catalog, ...functions]);
  return names.some((name) => text.includes(name.toLowerCase()));
}

/** Whether all are functions of DuckDB that answer the same for the same arguments, whatever other rows there are. */
async function areRowFunctions(names: readonly string[], connection: DuckDBConnection): Promise<boolean> {
  if (names.length === 0) return true;
  const reader = await connection.runAndReadAll(
    `SELECT count(DISTINCT name) FILTER (is_row), coalesce(bool_and(is_row), false) FROM (
       SELECT lower(function_name) AS name, internal AND function_type = 'scalar' AND stability = 'CONSISTENT' AS is_row
       FROM duckdb_functions() WHERE lower(function_name) IN (${names.map(quoteText).join(', ')}))`,
  );
  const [[count, all] = []] = reader.getRows();
  return Number(count) === names.length && all === true;
}

function findRelation(
  tree: unknown,
  { caller, relations }: ReadPartsContext,
): { readonly source: RelationSource; readonly request: RelationRequest } | null {
  const { tables, functions } = readReferences(tree);
  const [table] = tables;
  const calls = functions.filter(({ isTable }) => isTable);
  const [call] = calls;
  const statement = {};
  if (table !== undefined && tables.length === 1 && calls.length === 0) {
    const name = foldCase(table.catalog ?? table.schema ?? '');
    const source = relations.find(({ catalog }) => foldCase(catalog) === name);
    if (source === undefined) return null;
    const conditions = findConditions(tree, table.location);
    return { source, request: { kind: 'table', name: table.name, caller, conditions, statement } };
  }
  if (call === undefined || calls.length !== 1 || tables.length !== 0) return null;
  const source = relations.find(({ functions: own }) => own.has(call.name));
  if (source === undefined) return null;
  const conditions = findConditions(tree, call.location);
  const { name, node } = call;
  return { source, request: { kind: 'function', name, call: node, caller, conditions, statement } };
}
