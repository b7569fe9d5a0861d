import { ArrowportError } from '../../../errors.ts';
import { isNode, type TreeNode } from './statement-tree.ts';
import { fixedSize, fixedTypes, literalText, type ValueSize } from './value-size.ts';

/** The size of a constant. Throws QUERY_INVALID as {@link refuseLongNames}. */
export function literalSize(node: TreeNode): ValueSize {
  if (node['alias'] !== undefined) refuseLongNames(node);
  const bytes = literalBytes(node);
  return bytes === 0 ? fixedSize : { ...fixedSize, bytes };
}

/** Bytes of the text that a constant is. */
function literalBytes(node: TreeNode): number {
  const isText =
    isNode(node['value']) &&
    isNode(node['value']['type']) &&
    !fixedTypes.test(String(node['value']['type']['id']));
  return isText ? Buffer.byteLength(literalText(node) ?? '') : 0;
}

const takesLambda = /^((list|array)_(transform|apply|filter|reduce)|apply|filter|reduce)$/;

/** The lambda of a call; the arrow that takes a part of a JSON text looks like one, and is none. */
export function lambdaOf(name: string, children: readonly TreeNode[]): TreeNode | undefined {
  const second = takesLambda.test(name) ? children[1] : undefined;
  return second?.['class'] === 'LAMBDA' ? second : undefined;
}

/** The names of a lambda's arguments, in lower case. */
export function lambdaNames(node: unknown): readonly string[] {
  if (!isNode(node)) return [];
  if (Array.isArray(node['column_names'])) return [String(node['column_names'].at(-1)).toLowerCase()];
  return Array.isArray(node['children']) ? node['children'].flatMap(lambdaNames) : [];
}

/** The elements of a type of fixed length, all levels together. */
export function arrayElements(type: unknown): number {
  if (!isNode(type)) return 1;
  const info = isNode(type['type_info']) ? type['type_info'] : {};
  const own = Number(info['size'] ?? 1);
  const parts = Object.values(info).flatMap((part) => (Array.isArray(part) ? (part as unknown[]) : [part]));
  const largest = Math.max(
    1,
    ...parts.map((part) => arrayElements(isNode(part) && isNode(part['second']) ? part['second'] : part)),
  );
  return (Number.isFinite(own) ? own : 1) * largest;
}

/** Whether an expression names columns. */
export function namesColumns(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(namesColumns);
  if (!isNode(node)) return false;
  return node['class'] === 'COLUMN_REF' || Object.values(node).some(namesColumns);
}

/** A function as messages name it: operators without parentheses. */
export function shownName(name: string): string {
  return /^[a-z_]/.test(name) ? `${name}()` : name;
}

/** The call that the arrow between a JSON text and a path stands for. */
export function asJsonCall({ lhs, expr, query_location }: TreeNode): TreeNode {
  const children = [lhs, expr];
  return { class: 'FUNCTION', type: 'FUNCTION', function_name: 'json_extract', query_location, children };
}

const maxNameLength = 1024;
const names = [
  'alias',
  'table_name',
  'function_name',
  'schema',
  'schema_name',
  'catalog_name',
  'column_names',
];

/** Throws QUERY_INVALID for names that no table or function has: DuckDB looks for similar ones for long. */
export function refuseLongNames(node: TreeNode): void {
  for (const key of names) {
    const value = node[key];
    const given: unknown[] = Array.isArray(value) ? value : [value];
    if (given.some((name) => typeof name === 'string' && name.length > maxNameLength)) {
      throw new ArrowportError('QUERY_INVALID', `A name is longer than ${maxNameLength} characters.`);
    }
  }
}
