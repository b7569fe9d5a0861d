import { ArrowportError } from '../../../errors.ts';
import { isBounded } from './call-bounds.ts';
import { isUncounted, judgeCall } from './call-growth.ts';
import {
  arrayElements,
  asJsonCall,
  lambdaNames,
  lambdaOf,
  literalSize,
  namesColumns,
  refuseLongNames,
  shownName,
} from './expression-facts.ts';
import { GatheredValues, isArraySubquery, isGathering, noteColumn, withCall } from './gathered-values.ts';
import { fitsOneValue, fitsText, searchesLong, textTooLarge, valueShare } from './growth-limits.ts';
import {
  type GrowthRules,
  noGrowth,
  type GrowthScope as Scope,
  type StatementGrowth,
} from './growth-scope.ts';
import { positionOf } from './query-error.ts';
import { growthOfRounds } from './recursive-values.ts';
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

/** Parts of the statement that aliases stand for: DuckDB writes them out wherever they are used. */
const maxAliasParts = 10_000;
const maxArrayElements = 16_384;

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
  if (maxCallBytes === null) return { ...noGrowth, isHungry: true };
  const first = new GrowthReader(rules, options, false);
  first.read(tree);
  const gathered = first.values.repeated;
  if (!first.needsBounds && gathered.size + first.lengthened.size === 0)
    return { ...noGrowth, isHungry: first.isHungry };
  const second = new GrowthReader(rules, options, first.needsBounds, gathered);
  second.read(tree);
  if (second.values.repeated.size > 0 || second.needsBounds !== first.needsBounds) {
    throw new ArrowportError(
      'QUERY_FORBIDDEN',
      'The statement repeats lists in a way that is not open here.',
    );
  }
  return {
    valueLimitBytes: valueShare(maxCallBytes, second.boundedCalls),
    isHungry: true,
    gathered,
    lengthened: first.lengthened,
    boundsCalls: first.needsBounds,
  };
}

class GrowthReader {
  needsBounds = false;
  boundedCalls = 0;
  isHungry = false;
  readonly lengthened = new Set<TreeNode>();
  readonly #rules: GrowthRules;
  readonly #sql: string;
  readonly #parameter: ValueSize;
  readonly values = new GatheredValues();
  readonly #bounded: boolean;
  readonly #boundGathered: ReadonlySet<TreeNode>;
  #aliasParts = 0;
  #parts = 0;

  constructor(
    rules: GrowthRules,
    statement: { readonly sql: string; readonly parameterBytes: number },
    bounded: boolean,
    gathered: ReadonlySet<TreeNode> = new Set(),
  ) {
    this.#rules = rules;
    this.#sql = statement.sql;
    this.#parameter = { ...fixedSize, bytes: statement.parameterBytes };
    this.#bounded = bounded;
    this.#boundGathered = gathered;
  }

  read(tree: unknown): void {
    this.#size(
      tree,
      {
        source: columnSize,
        aliases: new Map(),
        expressions: new Map(),
        lambda: new Map(),
        inTable: false,
        hasRows: false,
      },
      '',
    );
  }

  /** The size of whatever stands at a place of the tree. */
  #size(node: unknown, scope: Scope, parent: string): ValueSize {
    if (Array.isArray(node)) return largestSize(node.map((item) => this.#size(item, scope, parent)));
    if (!isNode(node)) return fixedSize;
    this.#parts += 1;
    if (node['class'] === 'CONSTANT') return literalSize(node);
    refuseLongNames(node);
    switch (node['type']) {
      case 'SELECT_NODE':
        return this.#selectSize(node, this.#withExpressions(node, scope));
      case 'SET_OPERATION_NODE':
        return this.#partSizes(node, this.#withExpressions(node, scope));
      case 'RECURSIVE_CTE_NODE':
        return this.#recursionSize(node, this.#withExpressions(node, scope));
      case 'BASE_TABLE':
        return this.values.use(scope.expressions.get(String(node['table_name']).toLowerCase()) ?? columnSize);
      case 'JOIN':
      case 'EXPRESSION_LIST':
        return this.values.repeat(this.#partSizes(node, { ...scope, hasRows: true }));
      case 'PIVOT': {
        const { source, ...rest } = node;
        return largestSize([this.values.repeat(this.#size(source, scope, '')), this.#partSizes(rest, scope)]);
      }
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
        const parts = this.#partSizes(node, scope);
        const size = isArraySubquery(node) ? this.#gatheredSize(node, parts) : parts;
        if (scope.hasRows) this.values.repeat(largestSize([size, scope.source]));
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
    refuseLongNames(call);
    const sizes = children.map((child) => this.#size(child, { ...scope, inTable: true }, name));
    return this.values.repeat(largestSize([sumSizes(sizes), columnSize]));
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
    const hasRows = outer.hasRows || !isNode(from) || from['type'] !== 'EMPTY';
    const scope = { ...outer, source, aliases, inTable: false, hasRows };
    const sizes: ValueSize[] = [];
    const items = Array.isArray(list) ? (list as unknown[]) : [];
    for (const item of items) {
      noteColumn(item);
      const before = this.#parts;
      const size = this.#size(item, scope, '');
      sizes.push(size);
      const alias = isNode(item) ? item['alias'] : undefined;
      if (typeof alias === 'string' && alias !== '')
        aliases.set(alias.toLowerCase(), { size, parts: this.#parts - before });
    }
    this.values.select(node, items, sizes, source);
    for (const clause of Object.values(clauses)) this.#size(clause, scope, '');
    return largestSize(sizes);
  }

  /** Each round sees what the one before it made; between two the statement can be stopped. */
  #recursionSize(node: TreeNode, scope: Scope): ValueSize {
    const { cte_name: name, left, right } = node;
    this.isHungry = true;
    const first = this.#size(left, scope, '');
    const expressions = new Map(scope.expressions);
    const growth = growthOfRounds(right, this.#rules);
    if (growth === 'by-any') this.lengthened.add(node);
    if (growth !== null) this.boundedCalls += 1 / 4;
    const collected = growth === null || this.#boundGathered.has(node) ? [] : [node];
    const own = { ...largestSize([first, columnSize]), gathered: true, collected };
    expressions.set(String(name).toLowerCase(), own);
    const next = this.#size(right, { ...scope, expressions, hasRows: true }, '');
    const size = largestSize([first, next]);
    this.values.repeat({ ...size, collected: size.collected.filter((call) => call !== node) });
    return { ...size, gathered: size.gathered && canGrow(next), collected };
  }

  #columnSize(node: TreeNode, scope: Scope): ValueSize {
    const names = Array.isArray(node['column_names']) ? node['column_names'].map(String) : [];
    const folded = (names[0] ?? '').toLowerCase();
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
    if (isGathering(node, name, children)) {
      if (growth !== 'open') this.#checkJoined(growth, node, name);
      return this.#gatheredSize(node, growth === 'open' ? columnSize : growth);
    }
    if (node['class'] === 'WINDOW') this.values.repeat(sumSizes(sizes));
    const isGuarded = this.#bounded && isBounded(name) && (growth === 'open' || canJoin(sizes));
    if (isGuarded || growth === 'open')
      return this.#openSize(node, growth === 'open', sumSizes(sizes), scope);
    if (this.#rules.isFixedSize(name)) return fixedSize;
    if (sizes.filter(canGrow).length > 1 || growth.copies > largestSize(sizes).copies) {
      this.#checkJoined(growth, node, name);
    }
    return growth;
  }

  /** An aggregate that gathers: its value is looked at where the statement repeats it. */
  #gatheredSize(node: TreeNode, size: ValueSize): ValueSize {
    if (this.#boundGathered.has(node)) {
      this.boundedCalls += 1 / 4;
      return columnSize;
    }
    return { ...size, gathered: true, collected: withCall(size.collected, node) };
  }

  /** A call whose size shows when it runs. */
  #openSize(node: TreeNode, isOpen: boolean, given: ValueSize, scope: Scope): ValueSize {
    this.needsBounds = true;
    if (!this.#bounded) return columnSize;
    const name = String(node['function_name']).toLowerCase();
    if (!fitsText(given)) {
      throw textTooLarge(`${shownName(name)} would put a text or parameter of ${given.bytes} bytes`);
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
    if (fitsOneValue(size)) return;
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
    if (searchesLong(name, sizes))
      throw this.#refused(`${name}() is not called on long lists inside of a lambda here.`, node);
  }

  #refused(text: string, node: TreeNode): ArrowportError {
    const location = locationOf(node);
    const details = location === null ? {} : { position: positionOf(this.#sql, location) };
    return new ArrowportError('QUERY_FORBIDDEN', text, { details });
  }
}
