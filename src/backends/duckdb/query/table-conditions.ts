import { isNode, type TreeNode } from './statement-tree.ts';

/** A part of a WHERE clause, as DuckDB's parser writes it. */
export type Condition = TreeNode;

/**
 * The conditions that every row of a table must meet to be part of the result: parts of the WHERE clause of the SELECT
 * that reads the table at `location`, alone or in inner joins, that compare its columns with constants. More conditions
 * may hold; none that is returned may not.
 */
export function findConditions(tree: unknown, location: number | null): readonly Condition[] {
  if (location === null) return [];
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) {
      open.push(...(node as unknown[]));
      continue;
    }
    if (!isNode(node)) continue;
    const { from_table: from, where_clause: where } = node;
    if (isNode(from)) {
      const tables = innerTables(from);
      const own = tables?.find((table) => locationOf(table) === location);
      if (own !== undefined) return conditionsOf(where, own, tables?.length === 1);
    }
    open.push(...Object.values(node));
  }
  return [];
}

/** The columns that a condition is about; null when it holds more than columns, constants and comparisons. */
export function columnsOf(condition: Condition): readonly string[] | null {
  const columns: string[] = [];
  const open: unknown[] = [condition];
  while (open.length > 0) {
    const node = open.pop();
    if (!isNode(node)) return null;
    const parts = partsOf(node);
    if (parts === null) return null;
    if (node['class'] === 'COLUMN_REF') columns.push(namesOf(node).at(-1) ?? '');
    open.push(...parts);
  }
  return columns;
}

/** The condition with its columns named by their last name alone. */
export function withPlainColumns(condition: Condition): Condition {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (!isNode(value)) return value;
    if (value['class'] === 'COLUMN_REF')
      return { ...value, query_location: 0, column_names: namesOf(value).slice(-1) };
    return mapNode(value, plain);
  };
  return plain(condition) as Condition;
}

/** The node with its parts replaced; it stands nowhere, since the parser's sign for that is too large for JavaScript. */
export function mapNode(node: TreeNode, replace: (part: unknown) => unknown): TreeNode {
  return Object.fromEntries(
    Object.entries(node).map(([name, part]) => [name, name === 'query_location' ? 0 : replace(part)]),
  );
}

const operators: ReadonlySet<unknown> = new Set([
  'COMPARE_IN',
  'COMPARE_NOT_IN',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
  'OPERATOR_NOT',
]);

/** What a node is made of; null for kinds that are not known to compute from these parts alone. */
function partsOf(node: TreeNode): readonly unknown[] | null {
  switch (node['class']) {
    case 'CONSTANT':
      return isExact(node['value']) ? [] : null;
    case 'COLUMN_REF':
      return [];
    case 'COMPARISON':
      return [node['left'], node['right']];
    case 'BETWEEN':
      return [node['input'], node['lower'], node['upper']];
    case 'CAST':
      return [node['child']];
    case 'CONJUNCTION':
      return Array.isArray(node['children']) ? node['children'] : null;
    case 'OPERATOR':
      return operators.has(node['type']) && Array.isArray(node['children']) ? node['children'] : null;
    default:
      return null;
  }
}

/** Whether a constant came through JSON as it was: large numbers do not. */
function isExact(constant: unknown): boolean {
  if (!isNode(constant)) return false;
  const { value, is_null: isNull } = constant;
  return (
    isNull === true || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
  );
}

/** The tables of a FROM clause whose joins drop rows only; null where one may add rows without a match. */
function innerTables(from: TreeNode): readonly TreeNode[] | null {
  if (from['type'] !== 'JOIN') return [from];
  const isInner =
    from['join_type'] === 'INNER' && (from['ref_type'] === 'REGULAR' || from['ref_type'] === 'CROSS');
  const { left, right } = from;
  if (!isInner || !isNode(left) || !isNode(right)) return null;
  const [one, other] = [innerTables(left), innerTables(right)];
  return one === null || other === null ? null : [...one, ...other];
}

function conditionsOf(where: unknown, table: TreeNode, isAlone: boolean): readonly Condition[] {
  const names = [table['alias'], table['table_name']].filter(
    (name) => typeof name === 'string' && name !== '',
  );
  const [known] = names;
  const isOwn = (condition: TreeNode): boolean => {
    if (columnsOf(condition) === null) return false;
    return columnReferences(condition).every((reference) => {
      const parts = namesOf(reference);
      if (parts.length === 1) return isAlone;
      return (
        parts.length === 2 && typeof known === 'string' && parts[0]?.toLowerCase() === known.toLowerCase()
      );
    });
  };
  return splitAnd(where).filter(isOwn);
}

function splitAnd(where: unknown): readonly TreeNode[] {
  if (!isNode(where)) return [];
  if (where['type'] !== 'CONJUNCTION_AND' || !Array.isArray(where['children'])) return [where];
  return where['children'].flatMap(splitAnd);
}

function columnReferences(condition: TreeNode): readonly TreeNode[] {
  const found: TreeNode[] = [];
  const open: unknown[] = [condition];
  while (open.length > 0) {
    const node = open.pop();
    if (!isNode(node)) continue;
    if (node['class'] === 'COLUMN_REF') found.push(node);
    open.push(...(partsOf(node) ?? []));
  }
  return found;
}

function namesOf(reference: TreeNode): readonly string[] {
  const { column_names: names } = reference;
  return Array.isArray(names) ? names.map(String) : [];
}

/** A table function stands where its call stands. */
function locationOf(table: TreeNode): number | null {
  const node = table['type'] === 'TABLE_FUNCTION' && isNode(table['function']) ? table['function'] : table;
  const location = Number(node['query_location']);
  return Number.isSafeInteger(location) ? location : null;
}
