import { isStreamName } from '../core/stream-name.ts';

const PATTERN = /^[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,127}$/;

/** A stream pattern ready to match: the literal pieces between its stars. */
export interface StreamPattern {
  readonly text: string;
  /** What a name must start with. */
  readonly prefix: string;
  /** Pieces that must follow in this order, anywhere between prefix and suffix. */
  readonly middle: readonly string[];
  /** What a name must end with. */
  readonly suffix: string;
  readonly literalLength: number;
  readonly stars: number;
}

/** Whether a key of `streams` is a pattern rather than a name. */
export function isStreamPattern(key: string): boolean {
  return key.includes('*');
}

/** Whether a text may be a key of `streams`: a stream name, or the same characters with `*` for any run of characters. */
export function isStreamKey(key: string): boolean {
  return isStreamPattern(key) ? PATTERN.test(key) : isStreamName(key);
}

/** Takes a key of `streams` apart; `*` stands for any number of characters, also none, also dots. */
export function readStreamPattern(text: string): StreamPattern {
  const pieces = text.split('*');
  const prefix = pieces[0] ?? '';
  const suffix = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  const stars = pieces.length - 1;
  return { text, prefix, middle, suffix, literalLength: text.length - stars, stars };
}

/** Whether a pattern covers a name: each piece is searched once from left to right, so no name takes long. */
export function matchesPattern(pattern: StreamPattern, name: string): boolean {
  const { prefix, middle, suffix } = pattern;
  if (pattern.stars === 0) return name === pattern.text;
  if (name.length < prefix.length + suffix.length) return false;
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return false;
  const end = name.length - suffix.length;
  let from = prefix.length;
  for (const piece of middle) {
    const at = name.indexOf(piece, from);
    if (at === -1 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}

/**
 * Orders patterns so that the first match wins: more literal characters first; among equals the longer literal
 * beginning, then fewer stars, then the order of the characters' codes.
 */
export function comparePatterns(a: StreamPattern, b: StreamPattern): number {
  return (
    b.literalLength - a.literalLength ||
    b.prefix.length - a.prefix.length ||
    a.stars - b.stars ||
    (a.text < b.text ? -1 : a.text > b.text ? 1 : 0)
  );
}
