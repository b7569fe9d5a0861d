import { ArrowportError } from '../../../errors.ts';
import { quoteIdentifier } from '../identifier.ts';
import { gathersRows } from './call-growth.ts';
import type { EditedSql } from './edited-sql.ts';
import { readSqlTokens, type SqlToken } from './sql-tokens.ts';
import { isNode, locationOf, type TreeNode } from './statement-tree.ts';
import type { ValueSize } from './value-size.ts';

/** The same value may stand in so many columns of one SELECT before that counts as repeating it. */
const maxColumns = 16;
const maxGroupingSets = 4;

const rowMaking = /^(unnest|unpivot_list|regexp_split_to_table|generate_subscripts|json_each|json_tree)$/;
const volatile = /^(random|setseed|uuid|gen_random_uuid|uuidv\d|nextval|currval)$/;

/**
 * Follows values that aggregates gather from many rows to where a statement repeats them for many others: DuckDB
 * writes such a value out anew for each of the rows that it hands on at once.
 */
export class GatheredValues {
  /** The calls of aggregates whose values are repeated. */
  readonly repeated = new Set<TreeNode>();
  readonly #references = new Map<ValueSize, number>();

  /** A value that stands for many rows, or for how many is not known. */
  repeat(size: ValueSize): ValueSize {
    for (const call of size.collected) this.repeated.add(call);
    return size;
  }

  /** A common table expression that is used: twice is a way to double it with each next one. */
  use(size: ValueSize): ValueSize {
    if (size.collected.length === 0) return size;
    const count = (this.#references.get(size) ?? 0) + 1;
    this.#references.set(size, count);
    return count > 1 ? this.repeat(size) : size;
  }

  /** A SELECT, the values of its columns, and of what it reads. */
  select(node: TreeNode, items: readonly unknown[], sizes: readonly ValueSize[], source: ValueSize): void {
    const collected = sizes.filter((size) => size.collected.length > 0);
    const stars = items.filter((item, index) => collected.includes(sizes[index] ?? source) && hasStar(item));
    const sets = Array.isArray(node['group_sets']) ? node['group_sets'].length : 0;
    const makesRows = items.some((item) => calls(item, rowMaking));
    if (collected.length > maxColumns || stars.length > 1) for (const size of collected) this.repeat(size);
    if (sets > maxGroupingSets) for (const size of [...sizes, source]) this.repeat(size);
    if (!makesRows) return;
    // The elements of one list, each once, are no more than the list.
    items.forEach((item, index) => {
      const size = sizes[index];
      if (size !== undefined && !(size.copies <= 1 && isUnnest(item))) this.repeat(size);
    });
  }
}

/**
 * Whether a call gathers values of many rows. DuckDB's parser writes `list(x ORDER BY x)` as `list_sort` of a `list` that
 * stands nowhere in the text: the outer one is the call then.
 */
export function isGathering(node: TreeNode, name: string, children: readonly TreeNode[]): boolean {
  if (gathersRows(name, children)) return true;
  const [inner] = children;
  if (inner === undefined || locationOf(node) === null || locationOf(inner) !== null) return false;
  const { children: own } = inner;
  return gathersRows(
    String(inner['function_name']).toLowerCase(),
    Array.isArray(own) ? own.filter(isNode) : [],
  );
}

/** Whether a subquery is `ARRAY(SELECT …)`, which DuckDB's parser writes with an aggregate that stands nowhere in the text. */
export function isArraySubquery({ subquery }: TreeNode): boolean {
  const select = isNode(subquery) ? subquery['node'] : undefined;
  const list = isNode(select) ? select['select_list'] : undefined;
  const [item] = Array.isArray(list) ? (list as unknown[]) : [];
  return isNode(item) && item['class'] === 'CASE' && locationOf(item) === null && calls(item, /^array_agg$/);
}

/** The calls that gathered a value, with one more around them, which stands for those that stand nowhere in the text. */
export function withCall(collected: readonly TreeNode[], call: TreeNode): readonly TreeNode[] {
  const others = collected.filter((other) => locationOf(call) === null || locationOf(other) !== null);
  return [...others, call];
}

/** What a check in front of a value looks at. */
type GatheredKind = 'list' | 'map' | 'text' | 'array';

/** The macros that look at gathered values. */
export const gatheredMacros: Readonly<Record<GatheredKind, string>> = {
  list: '_arrowport_gathered_list',
  map: '_arrowport_gathered_map',
  text: '_arrowport_gathered_text',
  array: '_arrowport_gathered_array',
};

/** The macros that look at a value of any type: one that is repeated for other rows, and one that stays in its own. */
export const valueMacros = {
  repeated: '_arrowport_repeated_value',
  lengthened: '_arrowport_lengthened_value',
};

/** The values of these calls are looked at before the statement goes on with them, by macros around the calls. */
export function boundGathered(edited: EditedSql, found: ReadonlySet<TreeNode>): void {
  if (found.size === 0) return;
  const { original: sql } = edited;
  const bytes = Buffer.from(sql, 'utf8');
  const tokens = readSqlTokens(sql) ?? [];
  for (const call of found) {
    if (call['type'] === 'RECURSIVE_CTE_NODE') continue;
    const location = locationOf(call);
    const at = location === null ? -1 : bytes.subarray(0, location).toString('utf8').length;
    const part = readCall(
      tokens,
      tokens.findIndex((token) => token.start === at),
    );
    if (part === undefined) {
      throw refused('What gathers a list that is repeated for other rows is written as list(…) here.');
    }
    const { kind, start, end } = part;
    if (kind !== 'array' && (calls(call, volatile) || hasSample(call))) {
      throw refused(
        'What is gathered by chance is not repeated for other rows here: join first, and gather then.',
      );
    }
    const column = isColumn.has(call)
      ? ` AS ${quoteIdentifier(sql.slice(start, end).replace(/\s+/g, ' '))}`
      : '';
    const [from, until] = [start, end].map((index) => Buffer.byteLength(sql.slice(0, index)));
    if (from === undefined || until === undefined) continue;
    edited.replace(from, from, `${gatheredMacros[kind]}(`);
    edited.replace(until, until, `)${column}`);
  }
}

/** Calls that are columns without names of their own. */
const isColumn = new WeakSet<TreeNode>();

/** Notes a column of a SELECT, so that it keeps the name that it has without a macro around it. */
export function noteColumn(item: unknown): void {
  if (isNode(item) && (item['alias'] === undefined || item['alias'] === '')) isColumn.add(item);
}

function kindOf(name: string): GatheredKind | null {
  if (/^histogram/.test(name)) return 'map';
  if (/^(list|array_agg|min|max|arg_?(min|max)\w*|(min|max)_by|approx_top_k|quantile\w*)$/.test(name))
    return 'list';
  return /^(string_agg|group_concat|listagg|json_group_\w+|bitstring_agg)$/.test(name) ? 'text' : null;
}

/** A call with all that belongs to it, in UTF-16 units of the text. */
interface CallText {
  readonly kind: GatheredKind;
  readonly start: number;
  readonly end: number;
}

/** Reads the call that starts at a token; undefined where it is written in another way than calls are. */
function readCall(tokens: readonly SqlToken[], first: number): CallText | undefined {
  const token = tokens[first];
  if (token === undefined) return undefined;
  const before = tokens[first - 1];
  if (token.kind === 'symbol' && before?.kind === 'word' && before.value === 'array') {
    const end = tokens[closing(tokens, first) ?? -1]?.end;
    return end === undefined ? undefined : { kind: 'array', start: before.start, end };
  }
  let at = first;
  while (tokens[at + 1]?.value === '.' && tokens[at + 1]?.kind === 'symbol') at += 2;
  const name = tokens[at];
  const kind = name?.kind === 'word' || name?.kind === 'quoted' ? kindOf(name.value.toLowerCase()) : null;
  let last = closing(tokens, at + 1);
  while (last !== undefined && tokens[last + 1]?.kind === 'word') {
    const { value } = tokens[last + 1] ?? {};
    if (value === 'filter') last = closing(tokens, last + 2);
    else if (value === 'within') last = closing(tokens, last + 3);
    else break;
  }
  const end = tokens[last ?? -1]?.end;
  return kind === null || end === undefined ? undefined : { kind, start: token.start, end };
}

/** The token that closes the parenthesis that another one opens. */
function closing(tokens: readonly SqlToken[], open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token?.kind === 'symbol' && token.value === '(') depth += 1;
    if (token?.kind === 'symbol' && token.value === ')') depth -= 1;
    if (depth === 0) return at === open ? undefined : at;
  }
  return undefined;
}

function calls(node: unknown, names: RegExp): boolean {
  if (Array.isArray(node)) return node.some((item) => calls(item, names));
  if (!isNode(node)) return false;
  return names.test(String(node['function_name']).toLowerCase()) || calls(Object.values(node), names);
}

/** Whether a subquery in it picks rows by chance. */
function hasSample(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(hasSample);
  return isNode(node) && (isNode(node['sample']) || hasSample(Object.values(node)));
}

function hasStar(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(hasStar);
  return isNode(node) && (node['class'] === 'STAR' || hasStar(Object.values(node)));
}

function isUnnest(item: unknown): boolean {
  return isNode(item) && String(item['function_name']).toLowerCase() === 'unnest';
}

function refused(text: string): ArrowportError {
  return new ArrowportError('QUERY_FORBIDDEN', text);
}
