import { ArrowportError } from '../../../errors.ts';
import { quoteIdentifier } from '../identifier.ts';
import type { EditedSql } from './edited-sql.ts';
import { valueMacros } from './gathered-values.ts';
import type { GrowthRules, StatementGrowth } from './growth-scope.ts';
import { readSqlTokens } from './sql-tokens.ts';
import { isNode, readReferences, type TreeNode } from './statement-tree.ts';
import { fixedTypes } from './value-size.ts';

const appending = /^(list|array)_(append|prepend|push_back|push_front)$/;

/**
 * How the rounds of a recursion, by its second part, may make values longer: `by-element` where each round adds no more than
 * one to a list; null where none does.
 */
export function growthOfRounds(node: unknown, rules: GrowthRules): 'by-element' | 'by-any' | null {
  const isAppending = ({ function_name: name }: TreeNode) => appending.test(String(name).toLowerCase());
  if (holds(node, (part) => makesValues(part, rules) && !isAppending(part))) return 'by-any';
  return holds(node, isAppending) ? 'by-element' : null;
}

function holds(node: unknown, isSought: (node: TreeNode) => boolean): boolean {
  if (Array.isArray(node)) return node.some((item) => holds(item, isSought));
  return isNode(node) && (isSought(node) || Object.values(node).some((part) => holds(part, isSought)));
}

function makesValues(node: TreeNode, rules: GrowthRules): boolean {
  const { class: kind, cast_type: type } = node;
  if (kind === 'LAMBDA') return true;
  if (kind === 'FUNCTION' || kind === 'WINDOW') {
    const name = String(node['function_name']).toLowerCase();
    return !rules.isFixedSize(name) && !addsNumber(name, node['children']);
  }
  return kind === 'CAST' && !(isNode(type) && fixedTypes.test(String(type['id']))) && isMade(node['child']);
}

/** Lists have an addition too, though none of a number. */
function addsNumber(name: string, children: unknown): boolean {
  if (name !== '+' && name !== '-') return false;
  const isNumber = (child: unknown) => {
    const value = isNode(child) && child['class'] === 'CONSTANT' ? child['value'] : undefined;
    const type = isNode(value) && isNode(value['type']) ? value['type'] : {};
    return fixedTypes.test(String(type['id']));
  };
  return Array.isArray(children) && children.some(isNumber);
}

function isMade(child: unknown): boolean {
  return !(isNode(child) && child['class'] === 'CONSTANT');
}

/**
 * Whoever reads one of these recursions, its own rounds too, reads it through a look at each value: columns that are not
 * used and values of a few bytes are not looked at.
 */
export function boundRecursions(
  edited: EditedSql,
  tree: unknown,
  { gathered, lengthened }: Pick<StatementGrowth, 'gathered' | 'lengthened'>,
): void {
  const macros = new Map<string, string>();
  for (const node of lengthened) macros.set(nameOf(node), valueMacros.lengthened);
  for (const node of gathered) {
    if (node['type'] === 'RECURSIVE_CTE_NODE') macros.set(nameOf(node), valueMacros.repeated);
  }
  if (macros.size === 0) return;
  const { original: sql } = edited;
  const bytes = Buffer.from(sql, 'utf8');
  const tokens = readSqlTokens(sql) ?? [];
  const starts = new Map(tokens.map(({ start }, index) => [start, index]));
  for (const { catalog, schema, name, alias, location } of readReferences(tree).tables) {
    const isRecursion = schema === null || schema.toLowerCase() === 'recurring';
    const macro = macros.get(name.toLowerCase());
    if (catalog !== null || !isRecursion || macro === undefined) continue;
    const start = location === null ? -1 : bytes.subarray(0, location).toString('utf8').length;
    const first = starts.get(start);
    const last = first === undefined ? undefined : tokens[first + (schema === null ? 0 : 2)];
    if (location === null || last === undefined) throw unreadable();
    const written = sql.slice(start, last.end);
    const read = `(SELECT ${macro}(COLUMNS('(?s)(.*)')) AS "\\1" FROM ${written})`;
    const text = alias === null ? `${read} AS ${quoteIdentifier(name)}` : read;
    edited.replace(location, location + Buffer.byteLength(written), text);
  }
}

function nameOf(recursion: TreeNode): string {
  return String(recursion['cte_name']).toLowerCase();
}

function unreadable(): ArrowportError {
  return new ArrowportError('QUERY_FORBIDDEN', 'The recursion is written in a way that is not open here.');
}
