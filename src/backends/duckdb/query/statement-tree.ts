/** A node of the statement as DuckDB's parser writes it in JSON. */
export interface TreeNode {
  readonly [name: string]: unknown;
}

/** A table that a statement names. */
export interface TableReference {
  readonly catalog: string | null;
  readonly schema: string | null;
  readonly name: string;
  readonly alias: string | null;
  /** The byte of the statement at which it stands; null where the parser does not say. */
  readonly location: number | null;
}

/** A function that a statement calls. */
export interface FunctionReference {
  readonly name: string;
  /** Whether it stands where a table stands. */
  readonly isTable: boolean;
  readonly alias: string | null;
  readonly location: number | null;
  readonly node: TreeNode;
}

/** Everything in a SELECT that reaches outside of it. */
export interface StatementReferences {
  readonly tables: readonly TableReference[];
  readonly functions: readonly FunctionReference[];
  /** Names of common table expressions, wherever they are defined. */
  readonly localNames: ReadonlySet<string>;
  /** What `SHOW` is asked for, where it is not a table or a query. */
  readonly shows: readonly string[];
}

/** Collects the references of a statement, at any depth and in any clause: nodes are looked at whatever they are part of. */
export function readReferences(tree: unknown): StatementReferences {
  const tables: TableReference[] = [];
  const functions: FunctionReference[] = [];
  const localNames = new Set<string>();
  const shows: string[] = [];
  const tableFunctions = new Map<unknown, string | null>();
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) {
      for (const item of (node as unknown[]).toReversed()) open.push(item);
      continue;
    }
    if (!isNode(node) || node['class'] === 'CONSTANT') continue;
    if (node['type'] === 'BASE_TABLE') tables.push(readTable(node));
    if (node['type'] === 'SHOW_REF' && !isNode(node['query'])) shows.push(describeShow(node));
    if (node['type'] === 'TABLE_FUNCTION') tableFunctions.set(node['function'], textOf(node['alias']));
    const name = textOf(node['function_name']);
    if (name !== null) {
      functions.push({
        name: name.toLowerCase(),
        isTable: tableFunctions.has(node),
        alias: tableFunctions.get(node) ?? null,
        location: locationOf(node),
        node,
      });
    }
    const { cte_map: expressions } = node;
    if (isNode(expressions) && Array.isArray(expressions['map'])) {
      for (const entry of expressions['map'] as unknown[]) {
        if (isNode(entry)) localNames.add(String(entry['key']).toLowerCase());
      }
    }
    for (const part of Object.values(node).toReversed()) {
      if (typeof part === 'object') open.push(part);
    }
  }
  return { tables, functions, localNames, shows };
}

/** What is shown: the parser's name of it, and the schema where one is given. */
function describeShow(node: TreeNode): string {
  return [node['catalog_name'], node['schema_name'], node['table_name']].filter(textOf).join('.');
}

function readTable(node: TreeNode): TableReference {
  return {
    catalog: textOf(node['catalog_name']),
    schema: textOf(node['schema_name']),
    name: textOf(node['table_name']) ?? '',
    alias: textOf(node['alias']),
    location: locationOf(node),
  };
}

/** Whether a value is an object of the tree. */
export function isNode(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The byte of the statement at which a node stands; null where the parser, by its largest 64-bit number, says none. */
export function locationOf(node: TreeNode): number | null {
  const location = Number(node['query_location']);
  return Number.isSafeInteger(location) ? location : null;
}
