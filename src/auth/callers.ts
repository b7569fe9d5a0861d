import type { Caller, Scope } from '../core/auth.ts';
import { matchesPattern, readStreamPattern } from '../router/pattern.ts';

/** What an entry of the token file, or the claims of a JWT, say of a caller. */
export interface Grant {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Patterns of streams and tables; null for all. */
  readonly streams: readonly string[] | null;
}

/** Makes the caller that a grant describes. */
export function createCaller({ name, scopes, streams }: Grant): Caller {
  const held = new Set(scopes);
  const patterns = streams?.map(readStreamPattern) ?? null;
  return {
    name,
    hasScope: (scope) => held.has(scope),
    mayUseStream: (stream) =>
      patterns === null || patterns.some((pattern) => matchesPattern(pattern, stream)),
    isUnrestricted: patterns === null || streams?.includes('*') === true,
  };
}
