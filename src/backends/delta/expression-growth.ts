import { isOpening, type Token } from './expression-tokens.ts';

/** Values are taken to have so many bytes; sizes are multiples of it. */
const usualBytes = 16;
/** How large a value may be made: 4 KiB where a value has 16 bytes, in each of the 8,192 rows that the engine has at a time. */
const largest = 256;

const joining = new Set(['concat', 'make_array', 'array', 'struct', 'named_struct']);
/** Digests and the like are as long whatever goes in. */
const fixed = new Map([
  ['uuid', 3],
  ['md5', 2],
  ['sha224', 4],
  ['sha256', 4],
  ['sha384', 6],
  ['sha512', 8],
  ['digest', 8],
]);
/** A directive of two characters becomes a word of two dozen. */
const directiveGrowth = 12;

/**
 * What is wrong with an expression that makes values many times larger than those of the columns, as the end of a sentence:
 * the engine would take memory for as many of them as it has rows at a time, gigabytes for a few dozen characters.
 */
export function findGrowthFault(tokens: readonly Token[]): string | undefined {
  try {
    sizeOf(tokens);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Growth) return thrown.message;
    throw thrown;
  }
}

class Growth extends Error {}

/**
 * The size of what an expression makes, at the most: that of its largest part, or of all where it may put them together.
 * Throws `Growth`.
 */
function sizeOf(tokens: readonly Token[]): number {
  const sizes: number[] = [];
  let isJoined = false;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined) break;
    if (token.kind === 'literal') sizes.push(Math.max(1, bytesOf(token) / usualBytes));
    else if (isOpening(token) || (token.kind === 'word' && isOpening(tokens[at + 1]))) {
      const opening = isOpening(token) ? at : at + 1;
      const end = closingOf(tokens, opening);
      const inner = tokens.slice(opening + 1, end);
      sizes.push(opening === at ? sizeOf(inner) : sizeOfCall(token.text.toLowerCase(), splitAtCommas(inner)));
      at = end;
    } else if (token.kind !== 'punctuation') sizes.push(1);
    else isJoined ||= token.text === '||' || token.text === '[';
  }
  const size = isJoined ? sum(sizes) : Math.max(1, ...sizes);
  if (size > largest) throw tooLarge('what it puts together');
  return size;
}

function sizeOfCall(name: string, args: readonly (readonly Token[])[]): number {
  const [first = 1, ...others] = args.map(sizeOf);
  const size = growthOf(name, first, others, args);
  if (size > largest) throw tooLarge(name.toUpperCase());
  return size;
}

function growthOf(
  name: string,
  first: number,
  others: readonly number[],
  args: readonly (readonly Token[])[],
): number {
  const known = fixed.get(name);
  if (known !== undefined) return known;
  if (joining.has(name)) return first + sum(others);
  const [, second, third] = args;
  switch (name) {
    case 'concat_ws':
      return sum(others) + first * others.length;
    case 'repeat':
      return first * numberOf(name, second);
    case 'lpad':
    case 'rpad':
      return Math.max(first, (4 * numberOf(name, second)) / usualBytes);
    case 'replace':
      return first * Math.max(1, mostBytes(third) / leastBytes(second));
    case 'regexp_replace':
      // Each match may be empty, and each of two characters may stand for a match.
      return first * (1 + mostBytes(third));
    case 'encode':
    case 'overlay':
      return first * 2;
    case 'translate':
      // A letter of one byte may become one of four.
      return first * 4;
    case 'levenshtein':
      // Not of its result: of its work.
      return first * Math.max(1, ...others);
    case 'to_char':
    case 'date_format':
      return Math.max(first, ...others) * directiveGrowth;
    default:
      return Math.max(first, ...others);
  }
}

function numberOf(name: string, tokens: readonly Token[] = []): number {
  const value = Number(findLiteral(tokens)?.text);
  if (Number.isFinite(value)) return value;
  throw new Growth(`${name.toUpperCase()} needs a number that is written out, to say how long its value is`);
}

/** The bytes that an argument has at the most. */
function mostBytes(tokens: readonly Token[] = []): number {
  const only = findLiteral(tokens);
  return only === undefined ? usualBytes * sizeOf(tokens) : bytesOf(only);
}

/** The bytes of an argument that is written out; one where it may be anything. */
function leastBytes(tokens: readonly Token[] = []): number {
  const only = findLiteral(tokens);
  return only === undefined ? 1 : Math.max(1, bytesOf(only));
}

function findLiteral(tokens: readonly Token[]): Token | undefined {
  const [only, ...more] = tokens;
  return only?.kind === 'literal' && more.length === 0 ? only : undefined;
}

function bytesOf({ text }: Token): number {
  return Buffer.byteLength(text) - (text.endsWith("'") ? 2 : 0);
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function closingOf(tokens: readonly Token[], opening: number): number {
  let depth = 0;
  for (let at = opening; at < tokens.length; at += 1) {
    if (isOpening(tokens[at])) depth += 1;
    if (tokens[at]?.text === ')' && tokens[at]?.kind === 'punctuation') depth -= 1;
    if (depth === 0) return at;
  }
  return tokens.length;
}

function splitAtCommas(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'punctuation') {
      if (token.text === '(' || token.text === '[') depth += 1;
      if (token.text === ')' || token.text === ']') depth -= 1;
      if (token.text === ',' && depth === 0) {
        parts.push([]);
        continue;
      }
    }
    parts.at(-1)?.push(token);
  }
  return parts;
}

function tooLarge(what: string): Growth {
  return new Growth(`${what} may be more than ${largest} times as large as the values of the columns`);
}
