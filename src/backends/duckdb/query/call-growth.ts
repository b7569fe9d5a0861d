import type { TreeNode } from './statement-tree.ts';
import {
  fixedSize,
  largestSize,
  literalInterval,
  literalNumber,
  literalText,
  literalTime,
  sumSizes,
  timesSize,
  type ValueSize,
} from './value-size.ts';

/** A call as its growth is judged. */
export interface JudgedCall {
  readonly name: string;
  readonly children: readonly TreeNode[];
  readonly sizes: readonly ValueSize[];
  /** The function whose argument the call is by itself; empty where it is of none. */
  readonly parent: string;
  /** Whether it is made anew for each row, of the rows around it. */
  readonly isWindow: boolean;
}

/**
 * What is known of a call before it runs: the size of what it makes; `open` where that hangs on values that only show
 * then; `refused` where it may not run at all.
 */
export type Growth = ValueSize | 'open' | { readonly refused: string };

const maxLiteralElements = 1024;
/** `unnest` gives the elements out bit by bit. */
const maxUnnestedElements = 1_000_000;
const maxLiteralPadding = 1024;
const maxLiteralRepeats = 64;
const maxLiteralBits = 8192;
const maxReplacement = 32;
const maxSeparator = 16;
const maxComparedLiteral = 64;
const maxFormatWidth = 999;
const maxPattern = 4096;

/** Functions that give back one of their arguments. */
const choosing: ReadonlySet<string> = new Set([
  ...['greatest', 'least', 'nullif', 'ifnull', 'coalesce', 'if', 'min', 'max', 'any_value', 'first', 'last'],
  ...['arbitrary', 'lag', 'lead', 'first_value', 'last_value', 'nth_value', 'mode', 'arg_min', 'arg_max'],
  ...['min_by', 'max_by', 'constant_or_null', 'list_extract', 'list_element', 'array_extract', 'element_at'],
]);

/** Aggregates that put the values of many rows into one. */
const gathering: ReadonlySet<string> = new Set([
  ...['list', 'array_agg', 'string_agg', 'group_concat', 'listagg', 'histogram', 'histogram_exact'],
  ...['json_group_array', 'json_group_object', 'json_group_structure'],
]);

/** Aggregates whose states DuckDB does not count as its memory, with those that gather. */
const uncounted: ReadonlySet<string> = new Set([
  ...gathering,
  ...['approx_quantile', 'approx_top_k', 'arg_max', 'arg_max_null', 'arg_max_nulls_last', 'arg_min'],
  ...['arg_min_null', 'arg_min_nulls_last', 'argmax', 'argmin', 'bitstring_agg', 'entropy', 'mad', 'max'],
  ...['max_by', 'median', 'min', 'min_by', 'mode', 'quantile', 'quantile_cont', 'quantile_disc'],
  ...['reservoir_quantile'],
]);

/** Whether a function of this name (in lower case) may take memory that DuckDB does not count. */
export function isUncounted(name: string): boolean {
  return uncounted.has(name);
}

const textFunctions = /^(concat|format|printf|lower|upper|trim|replace|substring|substr|chr)$|^[|+*-]/;

const rules = new Map<string, (call: JudgedCall) => Growth>();
const rule = (names: string, judge: (call: JudgedCall) => Growth) => {
  for (const name of names.split(' ')) rules.set(name, judge);
};

rule('range generate_series', ({ children, parent }) => {
  const count = countOf(children);
  if (count === null) return 'open';
  if (parent === 'unnest' && count <= maxUnnestedElements) return fixedSize;
  return count <= maxLiteralElements ? { ...fixedSize, bytes: count * 8 } : 'open';
});
rule('repeat list_resize array_resize', ({ name, children, sizes }) => {
  const count = literalNumber(children[1]);
  if (count === null || count > maxLiteralRepeats) return 'open';
  const repeated = name === 'repeat' ? sizes.slice(0, 1) : sizes.slice(2);
  return sumSizes([...sizes.slice(0, 1), timesSize(sumSizes(repeated), count)]);
});
rule('lpad rpad', ({ children, sizes }) => {
  const length = literalNumber(children[1]);
  return length === null || length > maxLiteralPadding ? 'open' : sumSizes(sizes.slice(0, 1));
});
rule('bitstring', ({ children }) => {
  const length = literalNumber(children[1]);
  return length === null || length > maxLiteralBits ? 'open' : fixedSize;
});
rule('equi_width_bins', ({ children }) => {
  const count = literalNumber(children[2]);
  return count === null || count > maxLiteralElements ? 'open' : fixedSize;
});
rule(
  'json_extract json_extract_string json_extract_path json_extract_path_text json_value json_keys ->>',
  ({ name, children, sizes }) => {
    const [, path] = children;
    if (path?.['function_name'] === 'list_value') {
      const count = Array.isArray(path['children']) ? path['children'].length : 0;
      return timesSize(sumSizes(sizes.slice(0, 1)), count);
    }
    const isText =
      path === undefined || path['class'] !== 'FUNCTION' || textFunctions.test(String(path['function_name']));
    return isText
      ? sumSizes(sizes.slice(0, 1))
      : { refused: `${name}() takes its paths as texts, or as a literal list of them.` };
  },
);
rule('replace', ({ children, sizes }) =>
  isShort(children[2], maxReplacement) ? sumSizes(sizes.slice(0, 1)) : 'open',
);
rule('array_to_string list_to_string', ({ children, sizes }) =>
  children.length < 2 || isShort(children[1], maxSeparator) ? sumSizes(sizes.slice(0, 1)) : 'open',
);
rule('levenshtein editdist3 damerau_levenshtein', ({ children }) =>
  children.some((child) => isShort(child, maxComparedLiteral)) ? fixedSize : 'open',
);
rule('~~~', ({ children }) => {
  const pattern = literalText(children[1]);
  return pattern !== null && pattern.split('*').length <= 3 ? fixedSize : 'open';
});
rule('format printf', ({ name, children, sizes }) => {
  const format = literalText(children[0]);
  const widths = format?.match(/\d+/g) ?? [];
  const dynamic = name === 'format' ? /\{[^{}]*\{/ : /%[^a-zA-Z%]*\*/;
  if (format === null || dynamic.test(format) || widths.some((width) => Number(width) > maxFormatWidth)) {
    return {
      refused: `${name}() takes a literal format here, whose widths are given in it and at most ${maxFormatWidth}.`,
    };
  }
  const places = format.split(name === 'format' ? '{' : '%').length - 1;
  return sumSizes([...sizes.slice(0, 1), timesSize(largestSize(sizes.slice(1)), Math.max(1, places))]);
});
rule('list_aggr list_aggregate array_aggr array_aggregate aggregate', ({ name, children, sizes }) =>
  isShort(children[1], maxSeparator * 2)
    ? sumSizes(sizes)
    : { refused: `${name}() takes a literal name of an aggregate here.` },
);
rule('from_json from_json_strict json_transform json_transform_strict', ({ name, children, sizes }) => {
  const structure = literalText(children[1]);
  return structure !== null && !/\[\s*\d{4,}/.test(structure)
    ? sumSizes(sizes)
    : { refused: `${name}() takes a literal structure here, without large arrays.` };
});
rule(
  'regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_split_to_array regexp_replace string_split_regex str_split_regex regexp_split_to_table',
  ({ name, children, sizes }) => {
    const pattern = literalText(children[1]);
    if (pattern !== null && pattern.length > maxPattern) {
      return { refused: `The pattern of ${name}() is longer than ${maxPattern} characters.` };
    }
    const isOpen = name === 'regexp_replace' && !isShort(children[2], maxComparedLiteral);
    if (isOpen && children.length > 3) {
      return {
        refused: `${name}() with options takes a literal replacement here, of at most ${maxComparedLiteral} bytes.`,
      };
    }
    return isOpen ? 'open' : sumSizes(sizes.slice(0, 1));
  },
);

/** What a call makes of arguments of these sizes. */
export function judgeCall(call: JudgedCall): Growth {
  if (call.isWindow && (gathering.has(call.name) || takesMany(call))) {
    return {
      refused: `${call.name}() would be gathered anew for each row: join with the groups instead of OVER.`,
    };
  }
  const judge = rules.get(call.name);
  if (judge !== undefined) return judge(call);
  if (choosing.has(call.name)) return largestSize(call.sizes);
  if (!gathering.has(call.name)) return sumSizes(call.sizes);
  return { ...sumSizes(call.sizes), gathered: true };
}

/** Whether a call is of an aggregate that may put the values of many rows into one. */
export function gathersRows(name: string, children: readonly TreeNode[]): boolean {
  if (gathering.has(name) || name === 'bitstring_agg') return true;
  const isMany = name === 'approx_top_k' || takesMany({ name, children });
  const count = isMany ? literalNumber(children.at(-1)) : 0;
  return count === null || count > maxLiteralElements;
}

/** Whether an aggregate gives a list of as many values as it is told. */
function takesMany({ name, children }: Pick<JudgedCall, 'name' | 'children'>): boolean {
  const expected = /^(min|max)$/.test(name)
    ? 2
    : /^(arg_?(min|max)|(min|max)_by|approx_top_k|quantile)/.test(name)
      ? 3
      : null;
  return expected !== null && children.length >= expected;
}

function isShort(node: unknown, limit: number): boolean {
  const text = literalText(node);
  return text !== null && Buffer.byteLength(text) <= limit;
}

/** How many elements a series of literals has; null where it is not of literals. */
function countOf(children: readonly TreeNode[]): number | null {
  const [start, stop, step] = children;
  if (stop === undefined) {
    const end = literalNumber(start);
    return end === null ? null : Math.abs(end);
  }
  const from = literalNumber(start) ?? literalTime(start);
  const to = literalNumber(stop) ?? literalTime(stop);
  const by = step === undefined ? 1 : (literalNumber(step) ?? literalInterval(step));
  if (from === null || to === null || by === null || by === 0) return null;
  const isTime = literalNumber(start) === null;
  if (
    isTime !== (literalNumber(stop) === null) ||
    isTime !== (step !== undefined && literalNumber(step) === null)
  ) {
    return null;
  }
  return Math.abs((to - from) / by);
}
