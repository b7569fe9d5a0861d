import { ArrowportError } from '../../errors.ts';

/** A word of an expression, as it is written there. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'literal' | 'punctuation';
  readonly text: string;
}

const PATTERNS: readonly (readonly [Token['kind'] | 'space', RegExp])[] = [
  ['space', /\s+/y],
  ['literal', /[eExXnN]?'(?:[^']|'')*'/y],
  ['quoted', /"(?:[^"]|"")+"/y],
  ['quoted', /`[^`]+`/y],
  ['literal', /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['word', /[\p{L}_][\p{L}\p{N}_$]*/uy],
  ['punctuation', /(?:<=>|<>|!=|<=|>=|==|\|\||::|!~\*?|~\*?|[()=<>+\-*/%,.[\]|&^#!])/y],
];

/** Takes an expression apart. Throws OPTION_INVALID for what has no place in one. */
export function tokenize(option: string, text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (text.startsWith('--', at) || text.startsWith('/*', at))
      throw refusal(option, 'comments are not allowed');
    const token = matchAt(text, at);
    if (token === undefined)
      throw refusal(option, `character ${at + 1} (${JSON.stringify(text[at])}) has no place in it`);
    at += token.text.length;
    if (token.kind !== 'space') tokens.push({ kind: token.kind, text: token.text });
  }
  return tokens;
}

function matchAt(text: string, at: number): { kind: Token['kind'] | 'space'; text: string } | undefined {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return { kind, text: match[0] };
  }
  return undefined;
}

/** What is thrown for an expression that cannot be used. */
export function refusal(option: string, reason: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', `${option} is no expression that can be used: ${reason}.`);
}

/** Whether a token begins the arguments of a function, or a group. */
export function isOpening(token: Token | undefined): boolean {
  return token?.kind === 'punctuation' && token.text === '(';
}
