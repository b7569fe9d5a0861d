import { findGrowthFault } from './expression-growth.ts';
import { isOpening, refusal, type Token, tokenize } from './expression-tokens.ts';

const MAX_LENGTH = 16 * 1024;
/** More than the engine's parser takes. */
const MAX_DEPTH = 64;

/** Words that begin or join what is no expression over one row. */
const FORBIDDEN = new Set([
  ...[
    'select',
    'from',
    'with',
    'union',
    'intersect',
    'except',
    'exists',
    'join',
    'lateral',
    'unnest',
    'values',
  ],
  ...[
    'table',
    'over',
    'partition',
    'order',
    'group',
    'having',
    'limit',
    'offset',
    'window',
    'qualify',
    'fetch',
  ],
  ...[
    'insert',
    'update',
    'delete',
    'merge',
    'create',
    'drop',
    'alter',
    'copy',
    'attach',
    'detach',
    'install',
  ],
  ...[
    'load',
    'set',
    'call',
    'execute',
    'prepare',
    'pragma',
    'export',
    'import',
    'explain',
    'describe',
    'show',
  ],
  ...[
    'any',
    'all',
    'some',
    'within',
    'filter',
    'recursive',
    'into',
    'returning',
    'grant',
    'revoke',
    'truncate',
  ],
]);

/** Functions over one row. Anything else, aggregates and whatever reads elsewhere above all, is refused. */
const FUNCTIONS = new Set([
  ...[
    'abs',
    'ceil',
    'ceiling',
    'floor',
    'round',
    'trunc',
    'sign',
    'sqrt',
    'cbrt',
    'exp',
    'ln',
    'log',
    'log2',
  ],
  ...[
    'log10',
    'power',
    'pow',
    'mod',
    'gcd',
    'lcm',
    'sin',
    'cos',
    'tan',
    'asin',
    'acos',
    'atan',
    'atan2',
    'sinh',
  ],
  ...['cosh', 'tanh', 'cot', 'degrees', 'radians', 'pi', 'isnan', 'iszero', 'nanvl', 'factorial'],
  ...['coalesce', 'nullif', 'nvl', 'nvl2', 'ifnull', 'greatest', 'least', 'cast', 'try_cast', 'arrow_cast'],
  ...['arrow_typeof', 'lower', 'upper', 'initcap', 'trim', 'btrim', 'ltrim', 'rtrim', 'lpad', 'rpad', 'left'],
  ...[
    'right',
    'length',
    'char_length',
    'character_length',
    'octet_length',
    'bit_length',
    'concat',
    'concat_ws',
  ],
  ...[
    'substr',
    'substring',
    'substr_index',
    'substring_index',
    'position',
    'strpos',
    'instr',
    'replace',
    'reverse',
  ],
  ...['translate', 'split_part', 'starts_with', 'ends_with', 'contains', 'repeat', 'overlay', 'ascii', 'chr'],
  ...['to_hex', 'md5', 'sha224', 'sha256', 'sha384', 'sha512', 'digest', 'encode', 'decode', 'levenshtein'],
  ...['regexp_like', 'regexp_match', 'regexp_replace', 'regexp_count', 'regexp_instr', 'uuid', 'find_in_set'],
  ...['date_trunc', 'datetrunc', 'date_part', 'datepart', 'extract', 'date_bin', 'date_format', 'to_char'],
  ...['to_date', 'to_timestamp', 'to_timestamp_millis', 'to_timestamp_micros', 'to_timestamp_seconds'],
  ...['to_timestamp_nanos', 'to_unixtime', 'from_unixtime', 'make_date', 'now', 'current_date', 'today'],
  ...[
    'current_time',
    'current_timestamp',
    'to_local_time',
    'to_hex',
    'array_length',
    'cardinality',
    'array_has',
  ],
  ...['list_contains', 'array_contains', 'array_position', 'array_element', 'list_element', 'element_at'],
  ...['map_extract', 'get_field', 'struct', 'named_struct', 'make_array', 'array', 'map_keys', 'map_values'],
]);

/** Words that stand before a parenthesis without being functions. */
const BEFORE_PARENTHESIS = new Set(
  [
    'and',
    'or',
    'not',
    'in',
    'between',
    'like',
    'ilike',
    'is',
    'null',
    'when',
    'then',
    'else',
    'case',
    'end',
  ].concat(
    [
      'escape',
      'similar',
      'to',
      'interval',
      'decimal',
      'numeric',
      'varchar',
      'char',
      'timestamp',
      'time',
      'as',
    ],
    ['regexp', 'rlike', 'div', 'xor', 'distinct', 'from', 'for', 'float'],
  ),
);

/**
 * Checks that a text is one expression over columns and literals: operators, IN, BETWEEN, LIKE, IS NULL, CASE,
 * CAST and ordinary functions of one row. Whether it parses, its columns exist and its types agree is for the worker.
 * Throws OPTION_INVALID, naming the option.
 */
export function checkPredicate(option: string, text: string): void {
  if (text.trim() === '') throw refusal(option, 'it is empty');
  if (text.length > MAX_LENGTH) throw refusal(option, `it is longer than ${MAX_LENGTH} characters`);
  const tokens = tokenize(option, text);
  let depth = 0;
  let brackets = 0;
  tokens.forEach((token, index) => {
    if (token.kind === 'punctuation') {
      if (token.text === '(') depth += 1;
      if (token.text === ')') depth -= 1;
      if (depth < 0) throw refusal(option, 'a parenthesis is closed that was not opened');
      if (depth > MAX_DEPTH) throw refusal(option, 'it is nested too deeply');
      if (token.text === '[') brackets += 1;
      if (token.text === ']') brackets -= 1;
      // The engine would take what is before the comma, and pass over the rest.
      if (token.text === ',' && depth === 0 && brackets === 0) {
        throw refusal(option, 'a comma parts it in two');
      }
      return;
    }
    if (token.kind === 'quoted' && isOpening(tokens[index + 1])) {
      throw refusal(option, `${JSON.stringify(token.text)} is no function that may be used here`);
    }
    if (token.kind === 'word') checkWord(option, tokens, index, token.text.toLowerCase());
  });
  if (depth !== 0) throw refusal(option, 'a parenthesis is not closed');
  const fault = findGrowthFault(tokens);
  if (fault !== undefined) throw refusal(option, fault);
}

function checkWord(option: string, tokens: readonly Token[], index: number, word: string): void {
  // A name behind a dot is a field of a struct, whatever it is called.
  if (tokens[index - 1]?.text === '.') {
    if (isOpening(tokens[index + 1])) throw refusal(option, `${word} is no function that may be used here`);
    return;
  }
  if (FORBIDDEN.has(word) && !isAllowedFrom(tokens, index, word)) {
    throw refusal(option, `${word.toUpperCase()} has no place in an expression over one row`);
  }
  if (!isOpening(tokens[index + 1])) return;
  if (FUNCTIONS.has(word) || BEFORE_PARENTHESIS.has(word)) return;
  throw refusal(option, `${word} is no function that may be used here`);
}

/** FROM stands inside EXTRACT(… FROM …), TRIM(… FROM …), SUBSTRING(… FROM …), and in IS DISTINCT FROM. */
function isAllowedFrom(tokens: readonly Token[], index: number, word: string): boolean {
  if (word !== 'from') return false;
  if (tokens[index - 1]?.text.toLowerCase() === 'distinct') return true;
  let depth = 0;
  for (let at = index - 1; at >= 0; at--) {
    const token = tokens[at];
    if (token?.kind !== 'punctuation') continue;
    if (token.text === ')') depth += 1;
    if (token.text !== '(') continue;
    if (depth > 0) depth -= 1;
    else return /^(extract|trim|substring|overlay)$/i.test(tokens[at - 1]?.text ?? '');
  }
  return false;
}
