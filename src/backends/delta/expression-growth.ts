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

/** A part of an expression that others may be made of. */
interface Part {
  /** How large it is at the most. */
  readonly size: number;
  /** What is written out; absent where its values are known to the engine only. */
  readonly literal?: Token;
}

/**
 * The size of what an expression makes, at the most: that of its largest part, or of all where it may put them together.
 * Throws `Growth`.
 */
function sizeOf(tokens: readonly Token[]): number {
  const parts: Part[] = [];
  let isJoined = false;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined) break;
    if (isOpening(token) || (token.kind === 'word' && isOpening(tokens[at + 1]))) {
      const opening = isOpening(token) ? at : at + 1;
      const end = closingOf(tokens, opening);
      const inner = tokens.slice(opening + 1, end);
      const isGroup = opening === at;
      parts.push({ size: isGroup ? sizeOf(inner) : sizeOfCall(token.text.toLowerCase(), inner) });
      at = end;
    } else if (token.kind !== 'punctuation') parts.push(partOf([token]));
    else isJoined ||= token.text === '||' || token.text === '[';
  }
  return isJoined ? sizeOfJoined(parts, 'what it puts together') : largestOf(parts);
}

function sizeOfCall(name: string, tokens: readonly Token[]): number {
  const known = fixed.get(name);
  const parts = splitAtCommas(tokens).map(partOf);
  if (known !== undefined) return known;
  if (joining.has(name)) return sizeOfJoined(parts, name.toUpperCase());
  const size = growthOf(name, parts);
  if (size > largest && size > largestOf(parts)) throw tooLarge(name.toUpperCase());
  return size;
}

function partOf(tokens: readonly Token[]): Part {
  const [only, ...more] = tokens;
  if (only === undefined || more.length > 0) return { size: sizeOf(tokens) };
  if (only.kind !== 'literal') return { size: 1 };
  return { size: Math.max(1, bytesOf(only) / usualBytes), literal: only };
}

/** What is written out is no longer than the expression, however much of it there is. */
function sizeOfJoined(parts: readonly Part[], what: string): number {
  if (sum(parts.map(({ size, literal }) => (literal === undefined ? size : 1))) > largest)
    throw tooLarge(what);
  return sum(parts.map(({ size }) => size));
}

function largestOf(parts: readonly Part[]): number {
  return Math.max(1, ...parts.map(({ size }) => size));
}

function growthOf(name: string, parts: readonly Part[]): number {
  const [first = { size: 1 }, second, third] = parts;
  switch (name) {
    case 'concat_ws':
      return sum(parts.map(({ size }) => size)) + first.size * parts.length;
    case 'repeat':
      return first.size * numberOf(name, second);
    case 'lpad':
    case 'rpad':
      return Math.max(first.size, (4 * numberOf(name, second)) / usualBytes);
    case 'replace':
      return first.size * Math.max(1, mostBytes(third) / leastBytes(second));
    case 'regexp_replace':
      // Each match may be empty, and each of two characters may stand for a match.
      return first.size * (1 + mostBytes(third));
    case 'encode':
    case 'overlay':
      return first.size * 2;
    case 'translate':
      // A letter of one byte may become one of four.
      return first.size * 4;
    case 'levenshtein':
      // Not of its result: of its work.
      return first.size * (second?.size ?? 1);
    case 'to_char':
    case 'date_format':
      return largestOf(parts) * directiveGrowth;
    default:
      return largestOf(parts);
  }
}

function numberOf(name: string, part: Part | undefined): number {
  const value = Number(part?.literal?.text);
  if (Number.isFinite(value)) return value;
  throw new Growth(`${name.toUpperCase()} needs a number that is written out, to say how long its value is`);
}

/** The bytes that a part has at the most. */
function mostBytes(part: Part = { size: 1 }): number {
  return part.literal === undefined ? usualBytes * part.size : bytesOf(part.literal);
}

/** The bytes of a part that is written out; one where it may be anything. */
function leastBytes(part: Part = { size: 1 }): number {
  return part.literal === undefined ? 1 : Math.max(1, bytesOf(part.literal));
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
