import { isNode, type TreeNode } from './statement-tree.ts';

/** A SELECT that makes each of its rows from one row of one table. */
export interface RowWiseSelect {
  /** The one table, as the parser writes it. */
  readonly from: TreeNode;
  /** The names of the functions that it calls; it is row-wise where each is a function of its arguments alone. */
  readonly functions: readonly string[];
}

const selectParts: ReadonlySet<string> = new Set([
  'type',
  'select_list',
  'from_table',
  'where_clause',
  'aggregate_handling',
]);
const tableParts: ReadonlySet<string> = new Set([
  'type',
  'alias',
  'query_location',
  'catalog_name',
  'schema_name',
  'table_name',
  'column_name_alias',
  'function',
  'with_ordinality',
]);
const expressions: ReadonlySet<unknown> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'OPERATOR',
  'STAR',
]);

/**
 * Reads a statement that picks columns and rows of one table, and computes with them row by row: what it answers for two
 * halves of the table is what it answers for the table. Null for every other one, and where that is not known.
 */
export function readRowWise(tree: unknown): RowWiseSelect | null {
  if (!isNode(tree) || !isNode(tree['node'])) return null;
  const { node } = tree;
  if (node['type'] !== 'SELECT_NODE' || node['aggregate_handling'] !== 'STANDARD_HANDLING') return null;
  if (!Object.keys(node).every((name) => selectParts.has(name))) return null;
  const { from_table: from } = node;
  if (!isNode(from) || !Object.keys(from).every((name) => tableParts.has(name))) return null;
  const ordinality = from['with_ordinality'] ?? 'WITHOUT_ORDINALITY';
  if (ordinality !== 'WITHOUT_ORDINALITY') return null;
  const functions = readFunctions([node['select_list'], node['where_clause']]);
  return functions === null ? null : { from, functions };
}

/** The functions that expressions call; null where one holds a part that is not known to be about one row. */
function readFunctions(roots: readonly unknown[]): readonly string[] | null {
  const functions = new Set<string>();
  const open: unknown[] = [...roots];
  while (open.length > 0) {
    const value = open.pop();
    if (Array.isArray(value)) {
      open.push(...(value as unknown[]));
      continue;
    }
    if (!isNode(value)) continue;
    const { class: kind, function_name: name } = value;
    if (kind !== undefined && !expressions.has(kind)) return null;
    if (kind === 'CONSTANT') continue;
    if (typeof name === 'string') functions.add(name.toLowerCase());
    open.push(...Object.values(value));
  }
  return [...functions];
}
