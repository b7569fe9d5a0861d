import { ArrowportError } from '../../../errors.ts';
import { isNode, type TreeNode } from './statement-tree.ts';

type Aliases = ReadonlyMap<string, number>;

/**
 * The cubes of how deep each expression goes, together: DuckDB takes about as many steps to rewrite them, and hears
 * nothing while it does.
 */
const maxDepthCubes = 20_000_000;
/** DuckDB makes a plan of each, and hears nothing while it does that either. */
const maxSelects = 1000;

/** Throws QUERY_FORBIDDEN for a statement that takes DuckDB long to read. Aliases count as what they stand for. */
export function refuseDeep(tree: unknown): void {
  const reader = new DepthReader();
  reader.read(tree, new Map());
  if (reader.cubes > maxDepthCubes) {
    throw new ArrowportError('QUERY_FORBIDDEN', 'Expressions of the statement are nested too deep.');
  }
  if (reader.selects > maxSelects) {
    throw new ArrowportError('QUERY_FORBIDDEN', `The statement has more than ${maxSelects} SELECTs.`);
  }
}

class DepthReader {
  cubes = 0;
  selects = 0;

  /** Everything that is not itself part of an expression. */
  read(node: unknown, aliases: Aliases): void {
    if (Array.isArray(node)) {
      for (const item of node as unknown[]) this.read(item, aliases);
    } else if (!isNode(node)) {
      return;
    } else if (typeof node['class'] === 'string') {
      this.cubes += this.#depth(node, aliases) ** 3;
    } else if (node['type'] === 'SELECT_NODE') {
      this.#readSelect(node, aliases);
    } else {
      for (const part of Object.values(node)) this.read(part, aliases);
    }
  }

  #readSelect({ select_list: list, ...clauses }: TreeNode, outer: Aliases): void {
    this.selects += 1;
    const aliases = new Map(outer);
    for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
      const depth = this.#depth(item, aliases);
      this.cubes += depth ** 3;
      const alias = isNode(item) ? item['alias'] : undefined;
      if (typeof alias === 'string' && alias !== '') aliases.set(alias.toLowerCase(), depth);
    }
    for (const clause of Object.values(clauses)) this.read(clause, aliases);
  }

  #depth(node: unknown, aliases: Aliases): number {
    if (Array.isArray(node)) {
      return (node as unknown[]).reduce<number>(
        (most, item) => Math.max(most, this.#depth(item, aliases)),
        0,
      );
    }
    if (!isNode(node)) return 0;
    if (node['class'] === 'CONSTANT') return 1;
    if (node['type'] === 'SELECT_NODE') {
      this.read(node, aliases);
      return 1;
    }
    const own = typeof node['class'] === 'string' ? 1 : 0;
    const names = node['class'] === 'COLUMN_REF' ? node['column_names'] : undefined;
    if (Array.isArray(names)) return own + (aliases.get(String(names[0]).toLowerCase()) ?? 0);
    let most = 0;
    for (const part of Object.values(node)) {
      if (typeof part === 'object') most = Math.max(most, this.#depth(part, aliases));
    }
    return own + most;
  }
}
