import { ArrowportError } from '../../../errors.ts';
import { isBounded } from './call-bounds.ts';
import { isUncounted, judgeCall } from './call-growth.ts';
import { refuseDeep } from './expression-depth.ts';
import {
  arrayElements,
  asJsonCall,
  lambdaNames,
  lambdaOf,
  literalBytes,
  namesColumns,
  shownName,
} from './expression-facts.ts';
import { positionOf } from './query-error.ts';
import { isNode, locationOf, type TreeNode } from './statement-tree.ts';
import {
  canGrow,
  canJoin,
  columnSize,
  fixedSize,
  fixedTypes,
  largestSize,
  madeSize,
  sumSizes,
  timesSize,
  type ValueSize,
} from './value-size.ts';

/** Copies of the rows' values in one value that need no look while the statement runs. */
const maxCopies = 16;
/** The same of values that were gathered from many rows. */
const maxGatheredCopies = 4;
/** Bytes of the statement's own texts in a value of each row, and in one value for all. */
const maxRowBytes = 4096;
const maxConstantBytes = 65_536;
/** Values that bounded calls make, in one value. */
const maxMade = 4;
/** Parts of the statement that aliases stand for: DuckDB writes them out wherever they are used. */
const maxAliasParts = 10_000;
const maxArrayElements = 16_384;
const maxNameLength = 1024;

/** Rows that DuckDB hands to a function at once. */
const rowsAtOnce = 2048;
const leastValueBytes = 64;

export interface GrowthRules {
  /** Whether a function (by its name in lower case) gives nothing but numbers, dates and the like. */
  isFixedSize(name: string): boolean;
}

/** What a statement may take besides what DuckDB counts. */
export interface StatementGrowth {
  /** Bytes of the largest value that a function may make, where that is to be watched while the statement runs. */
  readonly valueLimitBytes: number | null;
  /** Whether the memory of the process is to be watched. */
  readonly isHungry: boolean;
}

export const noGrowth: StatementGrowth = { valueLimitBytes: null, isHungry: false };

/**
 * Judges a statement: how large the values of its functions may be, so that a call over as many rows as DuckDB takes
 * at once stays within `maxCallBytes` (where the statement does not tell by itself that they stay small), and whether
 * its memory is to be watched. Throws QUERY_FORBIDDEN for what can neither be told before nor be bounded while it runs.
 */
export function judgeGrowth(
  tree: unknown,
  rules: GrowthRules,
  options: { readonly sql: string; readonly parameterBytes: number; readonly maxCallBytes: number | null },
): StatementGrowth {
  const { maxCallBytes } = options;
  if (maxCallBytes === null) return { valueLimitBytes: null, isHungry: true };
  refuseDeep(tree);
  const first = new GrowthReader(rules, options, false);
  first.read(tree);
  if (!first.needsBounds) return { valueLimitBytes: null, isHungry: first.isHungry };
  const second = new GrowthReader(rules, options, true);
  second.read(tree);
  const share = maxCallBytes / rowsAtOnce / Math.max(1, second.boundedCalls);
  return { valueLimitBytes: Math.max(leastValueBytes, Math.floor(share)), isHungry: true };
}

interface Scope {
  /** The largest value of what the names of tables bring in. */
  readonly source: ValueSize;
  readonly aliases: ReadonlyMap<string, { readonly size: ValueSize; readonly parts: number }>;
  readonly expressions: ReadonlyMap<string, ValueSize>;
  /** Names of lambdas' arguments. */
  readonly lambda: ReadonlyMap<string, ValueSize>;
  /** Whether it is about an argument of a function that stands for a table. */
  readonly inTable: boolean;
}

class GrowthReader {
  needsBounds = false;
  boundedCalls = 0;
  isHungry = false;
  readonly #rules: GrowthRules;
  readonly #sql: string;
  readonly #parameter: ValueSize;
  readonly #bounded: boolean;
  #aliasParts = 0;
  #parts = 0;

  constructor(
    rules: GrowthRules,
    statement: { readonly sql: string; readonly parameterBytes: number },
    bounded: boolean,
  ) {
    this.#rules = rules;
    this.#sql = statement.sql;
    this.#parameter = { ...fixedSize, bytes: statement.parameterBytes };
    this.#bounded = bounded;
  }

  read(tree: unknown): void {
    this.#size(
      tree,
      { source: columnSize, aliases: new Map(), expressions: new Map(), lambda: new Map(), inTable: false },
      '',
    );
  }

  /** The size of whatever stands at a place of the tree. */
  #size(node: unknown, scope: Scope, parent: string): ValueSize {
    if (Array.isArray(node)) return largestSize(node.map((item) => this.#size(item, scope, parent)));
    if (!isNode(node)) return fixedSize;
    this.#parts += 1;
    this.#checkNames(node);
    switch (node['type']) {
      case 'SELECT_NODE':
        return this.#selectSize(node, this.#withExpressions(node, scope));
      case 'SET_OPERATION_NODE':
        return this.#partSizes(node, this.#withExpressions(node, scope));
      case 'RECURSIVE_CTE_NODE':
        return this.#recursionSize(node, this.#withExpressions(node, scope));
      case 'BASE_TABLE':
        return scope.expressions.get(String(node['table_name']).toLowerCase()) ?? columnSize;
      case 'TABLE_FUNCTION':
        return this.#tableSize(node, scope);
      case 'VALUE_PARAMETER':
        return this.#parameter;
      case 'OPERATOR_CAST':
        return this.#castSize(node, scope);
      default:
        return this.#expressionSize(node, scope, parent);
    }
  }

  #expressionSize(node: TreeNode, scope: Scope, parent: string): ValueSize {
    switch (node['class']) {
      case 'CONSTANT':
        return { ...fixedSize, bytes: literalBytes(node) };
      case 'COLUMN_REF':
        return this.#columnSize(node, scope);
      case 'FUNCTION':
      case 'WINDOW':
        return this.#callSize(node, scope, parent);
      case 'LAMBDA':
        return this.#callSize(asJsonCall(node), scope, '');
      case 'COMPARISON':
      case 'CONJUNCTION':
      case 'BETWEEN':
        this.#partSizes(node, scope);
        return fixedSize;
      case 'STAR':
        this.#partSizes(node, scope);
        return scope.source;
      case 'SUBQUERY': {
        const size = this.#partSizes(node, scope);
        return node['subquery_type'] === 'SCALAR' ? size : fixedSize;
      }
      default:
        return this.#partSizes(node, scope);
    }
  }

  /** The largest of all parts. */
  #partSizes(node: TreeNode, scope: Scope): ValueSize {
    return largestSize(Object.values(node).map((part) => this.#size(part, scope, '')));
  }

  /** Functions that stand for tables give their rows bit by bit. */
  #tableSize(node: TreeNode, scope: Scope): ValueSize {
    const call = isNode(node['function']) ? node['function'] : {};
    const children = Array.isArray(call['children']) ? (call['children'] as unknown[]) : [];
    const name = String(call['function_name']).toLowerCase();
    this.#checkNames(call);
    const sizes = children.map((child) => this.#size(child, { ...scope, inTable: true }, name));
    return largestSize([sumSizes(sizes), columnSize]);
  }

  #withExpressions(node: TreeNode, scope: Scope): Scope {
    const map = isNode(node['cte_map']) ? node['cte_map']['map'] : undefined;
    if (!Array.isArray(map)) return scope;
    const expressions = new Map(scope.expressions);
    for (const entry of map as unknown[]) {
      if (!isNode(entry)) continue;
      expressions.set(
        String(entry['key']).toLowerCase(),
        this.#size(entry['value'], { ...scope, expressions }, ''),
      );
    }
    return { ...scope, expressions };
  }

  #selectSize(node: TreeNode, outer: Scope): ValueSize {
    const { from_table: from, select_list: list, cte_map: _, ...clauses } = node;
    const found = this.#size(from, outer, '');
    const source = largestSize([found, outer.source]);
    const aliases = new Map(outer.aliases);
    const scope = { ...outer, source, aliases, inTable: false };
    const sizes: ValueSize[] = [];
    for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
      const before = this.#parts;
      const size = this.#size(item, scope, '');
      sizes.push(size);
      const alias = isNode(item) ? item['alias'] : undefined;
      if (typeof alias === 'string' && alias !== '')
        aliases.set(alias.toLowerCase(), { size, parts: this.#parts - before });
    }
    for (const clause of Object.values(clauses)) this.#size(clause, scope, '');
    return largestSize(sizes);
  }

  /** Each round sees what the one before it made; between two the statement can be stopped. */
  #recursionSize(node: TreeNode, scope: Scope): ValueSize {
    const { cte_name: name, left, right } = node;
    this.isHungry = true;
    const first = this.#size(left, scope, '');
    const expressions = new Map(scope.expressions);
    expressions.set(String(name).toLowerCase(), { ...largestSize([first, columnSize]), gathered: true });
    const next = this.#size(right, { ...scope, expressions }, '');
    const size = largestSize([first, next]);
    return { ...size, gathered: size.gathered && canGrow(next) };
  }

  #columnSize(node: TreeNode, scope: Scope): ValueSize {
    const names = Array.isArray(node['column_names']) ? node['column_names'].map(String) : [];
    const [name = ''] = names;
    const folded = name.toLowerCase();
    const argument = scope.lambda.get(folded);
    if (argument !== undefined) return argument;
    const alias = names.length === 1 ? scope.aliases.get(folded) : undefined;
    if (alias === undefined) return scope.source;
    this.#parts += alias.parts;
    this.#aliasParts += alias.parts;
    if (this.#aliasParts > maxAliasParts) {
      throw this.#refused(
        'Aliases of the statement stand for too much, one built on the other: use subqueries.',
        node,
      );
    }
    return largestSize([alias.size, scope.source]);
  }

  #castSize(node: TreeNode, scope: Scope): ValueSize {
    const size = this.#size(node['child'], scope, '');
    const { cast_type: type } = node;
    if (arrayElements(type) > maxArrayElements) {
      throw this.#refused(`Arrays of more than ${maxArrayElements} elements are not made here.`, node);
    }
    return isNode(type) && fixedTypes.test(String(type['id'])) ? fixedSize : size;
  }

  #callSize(node: TreeNode, scope: Scope, parent: string): ValueSize {
    const name = String(node['function_name']).toLowerCase();
    if (isUncounted(name)) this.isHungry = true;
    const { children: given, ...rest } = node;
    const children = (Array.isArray(given) ? (given as unknown[]) : []).filter(isNode);
    this.#size(
      Object.values(rest).filter((part) => typeof part === 'object'),
      scope,
      '',
    );
    const lambda = lambdaOf(name, children);
    if (lambda !== undefined) return this.#lambdaSize(node, name, children, lambda, scope);
    const sizes = children.map((child) => this.#size(child, scope, name));
    if (scope.lambda.size > 0) this.#checkInner(node, name, sizes);
    const growth = judgeCall({ name, children, sizes, parent, isWindow: node['class'] === 'WINDOW' });
    if (growth !== 'open' && 'refused' in growth) throw this.#refused(growth.refused, node);
    const isGuarded = this.#bounded && isBounded(name) && (growth === 'open' || canJoin(sizes));
    if (isGuarded || growth === 'open')
      return this.#openSize(node, growth === 'open', sumSizes(sizes), scope);
    if (this.#rules.isFixedSize(name)) return fixedSize;
    if (sizes.filter(canGrow).length > 1 || growth.copies > largestSize(sizes).copies) {
      this.#checkJoined(growth, node, name);
    }
    return growth;
  }

  /** A call whose size shows when it runs. */
  #openSize(node: TreeNode, isOpen: boolean, given: ValueSize, scope: Scope): ValueSize {
    this.needsBounds = true;
    if (!this.#bounded) return columnSize;
    const name = String(node['function_name']).toLowerCase();
    if (given.bytes > (given.copies + given.made > 0 ? maxRowBytes : maxConstantBytes)) {
      throw new ArrowportError(
        'RESULT_TOO_LARGE',
        `${shownName(name)} would put a text or parameter of ${given.bytes} bytes into the values of each row (query.max_call_bytes).`,
        { details: { limit: 'query.max_call_bytes' } },
      );
    }
    if (isOpen && scope.lambda.size > 0) {
      throw this.#refused(`How much ${name}() makes must be written as a number inside of a lambda.`, node);
    }
    if (isOpen && scope.inTable && !namesColumns(node['children'])) {
      throw this.#refused(
        `How much ${name}() makes must be written in numbers or dates here; or write FROM ${name}(…), or SELECT unnest(…).`,
        node,
      );
    }
    if (isOpen && typeof node['schema'] === 'string' && node['schema'] !== '') {
      throw this.#refused(
        `Write ${name}(…) with all its arguments in parentheses, and no schema before it.`,
        node,
      );
    }
    if (!isOpen && typeof node['schema'] === 'string' && node['schema'] !== '') return madeSize;
    this.boundedCalls += isOpen ? 1 : 1 / 8;
    return this.#rules.isFixedSize(name) ? fixedSize : madeSize;
  }

  #checkJoined(size: ValueSize, node: TreeNode, name: string): void {
    const perRow = size.copies + size.made + size.elements > 0;
    const fits =
      size.copies + size.elements <= (size.gathered ? maxGatheredCopies : maxCopies) &&
      size.made <= maxMade &&
      size.bytes <= (perRow ? maxRowBytes : maxConstantBytes);
    if (fits) return;
    this.needsBounds = true;
    if (this.#bounded)
      throw this.#refused(`${shownName(name)} puts too many copies of values into one.`, node);
  }

  #lambdaSize(
    node: TreeNode,
    name: string,
    children: readonly TreeNode[],
    lambda: TreeNode,
    scope: Scope,
  ): ValueSize {
    const others = children.filter((child) => child !== lambda);
    const list = sumSizes(others.map((child) => this.#size(child, scope, name)));
    const isReduction = name.includes('reduce');
    const inner = new Map(scope.lambda);
    lambdaNames(lambda['lhs']).forEach((argument, index) => {
      const accumulates = isReduction && index === 0;
      inner.set(argument, { ...fixedSize, elements: 1, accumulators: accumulates ? 1 : 0 });
    });
    const body = this.#size(lambda['expr'], { ...scope, lambda: inner }, '');
    if (name.includes('filter') || (!canGrow(body) && !isReduction)) {
      return name.includes('filter') ? list : { ...list, bytes: list.bytes * 2 };
    }
    const brings = body.copies + body.made > 0 || body.bytes > 64;
    const many = body.gathered || list.made > 0 || body.made > 0;
    if (body.accumulators > 1 || (brings && many)) {
      throw this.#refused(`The lambda of ${name}() puts too many copies of values into one.`, node);
    }
    const elements = Math.max(1, list.bytes / 8);
    const result = {
      ...timesSize(list, Math.max(1, body.elements, body.bytes / 8)),
      bytes: Math.max(list.bytes, elements * body.bytes),
    };
    const size = brings ? sumSizes([result, timesSize({ ...body, bytes: 0, elements: 0 }, 2)]) : result;
    this.#checkJoined(size, node, name);
    return { ...size, elements: 0, accumulators: 0 };
  }

  /** A search through one list for each element of another: where both may be long, it is not known when it ends. */
  #checkInner(node: TreeNode, name: string, sizes: readonly ValueSize[]): void {
    if (!/^(list_|array_|len$|contains$|unnest$|flatten$|string_split|str_split)/.test(name)) return;
    const isLong = sizes.some((size) => size.elements === 0 && (size.gathered || size.made > 0));
    if (isLong) throw this.#refused(`${name}() is not called on long lists inside of a lambda here.`, node);
  }

  #refused(text: string, node: TreeNode): ArrowportError {
    const location = locationOf(node);
    const details = location === null ? {} : { position: positionOf(this.#sql, location) };
    return new ArrowportError('QUERY_FORBIDDEN', text, { details });
  }

  #checkNames(node: TreeNode): void {
    for (const key of [
      'table_name',
      'function_name',
      'schema',
      'schema_name',
      'catalog_name',
      'column_names',
    ]) {
      const value = node[key];
      const names: unknown[] = Array.isArray(value) ? value : [value];
      if (names.some((name) => typeof name === 'string' && name.length > maxNameLength)) {
        throw new ArrowportError('QUERY_INVALID', `A name is longer than ${maxNameLength} characters.`);
      }
    }
  }
}
