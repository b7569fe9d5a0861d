import { foldCase } from '../identifier.ts';
import { isNode, locationOf, type TableReference } from './statement-tree.ts';

/** A column's name that is written with the schema of its table. */
export interface QualifiedColumn {
  /** The byte of the statement at which it stands. */
  readonly location: number;
  /** How many names stand before the table's. */
  readonly qualifiers: number;
}

/**
 * Columns that name a table of `replaced` by its schema, as `delta.events.id` does: a subquery in the table's place has its
 * name alone. Empty where something else of the statement may be meant by the first name.
 */
export function findQualifiedColumns(
  tree: unknown,
  replaced: readonly TableReference[],
  others: readonly TableReference[],
): readonly QualifiedColumn[] {
  const known = new Set(
    replaced
      .filter(({ alias }) => alias === null)
      .flatMap(({ catalog, schema, name }) => pathsOf(catalog, schema, name)),
  );
  const taken = new Set(others.map(({ alias, name }) => foldCase(alias ?? name)));
  const found: QualifiedColumn[] = [];
  const open: unknown[] = known.size === 0 ? [] : [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) open.push(...(node as unknown[]));
    if (!isNode(node)) continue;
    const location = locationOf(node);
    const { column_names: names } = node;
    if (node['class'] === 'COLUMN_REF' && Array.isArray(names) && location !== null) {
      const path = names.map((name) => foldCase(String(name)));
      const qualifiers = [1, 2].find(
        (count) => path.length > count + 1 && known.has(keyOf(path.slice(0, count + 1))),
      );
      if (qualifiers !== undefined && !taken.has(path[0] ?? '')) found.push({ location, qualifiers });
    }
    open.push(...Object.values(node));
  }
  return found;
}

/** The ways to write a table's name in front of a column, by catalog and schema or by one of them. */
function pathsOf(catalog: string | null, schema: string | null, name: string): readonly string[] {
  const parts = [catalog, schema].filter((part) => part !== null);
  return [
    [...parts, name],
    [...parts.slice(0, 1), name],
    [...parts.slice(-1), name],
  ].map((path) => keyOf(path.map(foldCase)));
}

function keyOf(path: readonly string[]): string {
  return JSON.stringify(path);
}
