import { isNode, type TreeNode } from './statement-tree.ts';

/**
 * How large a value can get that an expression makes, as far as the statement tells: a bound, not a measure. All
 * functions here take and give such bounds.
 */
export interface ValueSize {
  /** How often values of the tables' rows are in it. */
  readonly copies: number;
  /** How often an element of the list is in it, inside of a lambda. */
  readonly elements: number;
  /** How often the accumulator of a reduction is in it. */
  readonly accumulators: number;
  /** How often values are in it that a bounded call makes. */
  readonly made: number;
  /** Bytes of texts that the statement itself holds. */
  readonly bytes: number;
  /** Whether an aggregate gathered values of many rows in it. */
  readonly gathered: boolean;
  /** The calls of the aggregates that did. */
  readonly collected: readonly TreeNode[];
}

/** Names of types whose values are of a few bytes. */
export const fixedTypes =
  /^(BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL|DATE|TIME|TIMESTAMP|INTERVAL|UUID)/;

/** Of numbers, dates and the like: nothing that could grow. */
export const fixedSize: ValueSize = {
  copies: 0,
  elements: 0,
  accumulators: 0,
  made: 0,
  bytes: 0,
  gathered: false,
  collected: [],
};
export const columnSize: ValueSize = { ...fixedSize, copies: 1 };
export const madeSize: ValueSize = { ...fixedSize, made: 1 };

/** Of a value that holds all of these. */
export function sumSizes(sizes: readonly ValueSize[]): ValueSize {
  return combine(sizes, (one, other) => one + other);
}

/** Of a value that is one of these. */
export function largestSize(sizes: readonly ValueSize[]): ValueSize {
  return combine(sizes, Math.max);
}

/** Of a value that holds another several times. */
export function timesSize(size: ValueSize, times: number): ValueSize {
  if (times <= 1) return size;
  return {
    copies: size.copies * times,
    elements: size.elements * times,
    accumulators: size.accumulators * times,
    made: size.made * times,
    bytes: size.bytes * times,
    gathered: size.gathered,
    collected: size.collected,
  };
}

/** Whether such a value holds anything but numbers and the like. */
export function canGrow(size: ValueSize): boolean {
  return size.copies + size.elements + size.made + size.bytes + size.accumulators > 0;
}

/** Whether a call over arguments of these sizes makes something that is larger than each of them. */
export function canJoin(sizes: readonly ValueSize[]): boolean {
  return sizes.filter(canGrow).length > 1;
}

function combine(sizes: readonly ValueSize[], join: (one: number, other: number) => number): ValueSize {
  let sum = fixedSize;
  for (const size of sizes) {
    if (size === fixedSize) continue;
    sum = {
      copies: join(sum.copies, size.copies),
      elements: join(sum.elements, size.elements),
      accumulators: join(sum.accumulators, size.accumulators),
      made: join(sum.made, size.made),
      bytes: join(sum.bytes, size.bytes),
      gathered: sum.gathered || size.gathered,
      collected: union(sum.collected, size.collected),
    };
  }
  return sum;
}

function union(one: readonly TreeNode[], other: readonly TreeNode[]): readonly TreeNode[] {
  if (one.length === 0) return other;
  return other.length === 0 || one === other ? one : [...new Set([...one, ...other])];
}

/** The text of a constant; null where an expression is none. */
export function literalText(node: unknown): string | null {
  if (!isNode(node) || node['class'] !== 'CONSTANT' || !isNode(node['value'])) return null;
  const { value } = node['value'];
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The number that an expression of literal numbers is; null for any other. */
export function literalNumber(node: unknown): number | null {
  if (!isNode(node)) return null;
  if (node['class'] === 'FUNCTION' && node['is_operator'] === true) return operation(node);
  const text = literalText(node);
  if (text === null || !/^-?\d+(\.\d+)?$/.test(text)) return null;
  const { type } = isNode(node['value']) ? node['value'] : {};
  // Decimals are written without their point.
  return isNode(type) && /INT/.test(String(type['id'])) ? Number(text) : null;
}

function operation(node: TreeNode): number | null {
  const children = Array.isArray(node['children']) ? node['children'].map(literalNumber) : [];
  const [one, other] = children;
  if (one === undefined || one === null || other === null) return null;
  const name = node['function_name'];
  if (other === undefined) return name === '-' ? -one : null;
  return name === '+' ? one + other : name === '-' ? one - other : name === '*' ? one * other : null;
}

/** Milliseconds that a literal date or timestamp is; null for any other expression. */
export function literalTime(node: unknown): number | null {
  if (!isNode(node)) return null;
  if (node['type'] === 'OPERATOR_CAST') {
    const type = isNode(node['cast_type']) ? String(node['cast_type']['id']) : '';
    return /^(DATE|TIMESTAMP)/.test(type) ? literalTime(node['child']) : null;
  }
  const text = literalText(node);
  if (text === null || !/^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?$/.test(text)) return null;
  const time = Date.parse(`${text.replace(' ', 'T')}${text.length > 10 ? '' : 'T00:00'}Z`);
  return Number.isNaN(time) ? null : time;
}

const unitMs: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  month: 2_419_200_000,
  quarter: 7_257_600_000,
  year: 31_536_000_000,
};

/** The least milliseconds that a literal interval is; null for any other expression. */
export function literalInterval(node: unknown): number | null {
  if (!isNode(node)) return null;
  if (node['type'] === 'OPERATOR_CAST') {
    const type = isNode(node['cast_type']) ? String(node['cast_type']['id']) : '';
    const text = type === 'INTERVAL' ? (literalText(node['child']) ?? '') : '';
    return intervalOf(/^(-?\d+) ([a-z]+?)s?$/i.exec(text.trim()));
  }
  const [amount] = Array.isArray(node['children']) ? (node['children'] as unknown[]) : [];
  const number = literalNumber(withoutCasts(amount));
  const unit = /^to_([a-z]+)s$/.exec(String(node['function_name']))?.[1];
  return number === null || unit === undefined ? null : (unitMs[unit] ?? 0) * number || null;
}

/** The parser writes the amount of an interval with casts around it. */
function withoutCasts(node: unknown): unknown {
  if (!isNode(node)) return node;
  if (node['type'] === 'OPERATOR_CAST') return withoutCasts(node['child']);
  const [first] = Array.isArray(node['children']) ? (node['children'] as unknown[]) : [];
  return node['function_name'] === 'trunc' ? withoutCasts(first) : node;
}

function intervalOf(match: RegExpExecArray | null): number | null {
  const [, amount, unit] = match ?? [];
  if (amount === undefined || unit === undefined) return null;
  return (unitMs[unit.toLowerCase()] ?? 0) * Number(amount) || null;
}
