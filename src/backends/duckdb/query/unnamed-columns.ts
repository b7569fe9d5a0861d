import type { SqlToken } from './sql-tokens.ts';
import { isNode, locationOf, type TreeNode } from './statement-tree.ts';

/** Where a column that has no name of its own is written; both are indices of tokens, `end` the one behind the last. */
export interface UnnamedColumn {
  readonly start: number;
  readonly end: number;
}

/**
 * The bytes at which subqueries stand that name the columns they are in and hold one of the `replaced` references. DuckDB
 * names such a column like its text, which is the server's own by then.
 */
export function findNamingSubqueries(tree: unknown, replaced: ReadonlySet<number>): readonly number[] {
  const found: number[] = [];
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) open.push(...(node as unknown[]));
    if (!isNode(node)) continue;
    const { select_list: items } = node;
    for (const item of Array.isArray(items) ? (items as unknown[]) : []) {
      if (!isNode(item) || item['class'] === 'STAR' || isNamed(item)) continue;
      const subquery = findSubqueries(item).find((each) => holdsReference(each, replaced));
      const location = subquery === undefined ? null : locationOf(subquery);
      if (location !== null) found.push(location);
    }
    open.push(...Object.values(node));
  }
  return found;
}

/** Finds the column of a select list around a token that is in it, not within a subquery of it; null where it cannot. */
export function findColumn(tokens: readonly SqlToken[], inside: number): UnnamedColumn | null {
  let depth = 0;
  let outward = 0;
  let start: number | null = null;
  let at = inside - 1;
  for (; at >= 0 && !(depth === 0 && isWord(tokens[at], 'select')); at -= 1) {
    const nesting = nestingOf(tokens[at]);
    if (nesting === 0) {
      if (depth === 0 && start === null && isSymbol(tokens[at], ',')) start = at + 1;
    } else if (nesting < 0) depth += 1;
    else if (depth > 0) depth -= 1;
    else {
      outward += 1;
      start = null;
    }
  }
  if (at < 0) return null;
  return { start: start ?? skipDistinct(tokens, at + 1), end: findEnd(tokens, inside, outward) };
}

const clauses: ReadonlySet<string> = new Set(
  'from where group having window qualify order limit offset union intersect except fetch using'.split(' '),
);
/** `x IS DISTINCT FROM y`, `f() WITHIN GROUP (…)`. */
const withinExpressions: Readonly<Record<string, string>> = { from: 'distinct', group: 'within' };

function findEnd(tokens: readonly SqlToken[], inside: number, outward: number): number {
  let depth = outward;
  let at = inside;
  for (; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (depth === 0 && (isSymbol(token, ',') || isSymbol(token, ';'))) return at;
    if (depth === 0 && token?.kind === 'word' && clauses.has(token.value)) {
      const before = withinExpressions[token.value];
      if (before === undefined || !isWord(tokens[at - 1], before)) return at;
    }
    depth += nestingOf(token);
    if (depth < 0) return at;
  }
  return at;
}

/** Behind `DISTINCT`, `DISTINCT ON (…)` or `ALL`. */
function skipDistinct(tokens: readonly SqlToken[], from: number): number {
  if (isWord(tokens[from], 'all')) return from + 1;
  if (!isWord(tokens[from], 'distinct')) return from;
  if (!isWord(tokens[from + 1], 'on')) return from + 1;
  let depth = 0;
  let at = from + 2;
  do {
    depth += nestingOf(tokens[at]);
    at += 1;
  } while (depth > 0 && at < tokens.length);
  return at;
}

function isNamed({ alias }: TreeNode): boolean {
  return typeof alias === 'string' && alias !== '';
}

/** The subqueries of an expression, without those inside of them. */
function findSubqueries(node: unknown): readonly TreeNode[] {
  if (Array.isArray(node)) return node.flatMap(findSubqueries);
  if (!isNode(node)) return [];
  return node['class'] === 'SUBQUERY' ? [node] : Object.values(node).flatMap(findSubqueries);
}

function holdsReference(node: unknown, replaced: ReadonlySet<number>): boolean {
  if (Array.isArray(node)) return node.some((part) => holdsReference(part, replaced));
  if (!isNode(node)) return false;
  const location = locationOf(node);
  const isReference = node['type'] === 'BASE_TABLE' || node['type'] === 'FUNCTION';
  if (isReference && location !== null && replaced.has(location)) return true;
  return Object.values(node).some((part) => holdsReference(part, replaced));
}

/** 1 for what opens brackets, -1 for what closes them. */
function nestingOf(token: SqlToken | undefined): number {
  if (token?.kind !== 'symbol') return 0;
  if ('([{'.includes(token.value)) return 1;
  return ')]}'.includes(token.value) ? -1 : 0;
}

function isWord(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'word' && token.value === value;
}

function isSymbol(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'symbol' && token.value === value;
}
