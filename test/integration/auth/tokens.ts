import { issueToken } from '../../../src/auth/issue-token.ts';
import type { Scope } from '../../../src/core/auth.ts';

/** What a test's token may do. */
export interface TestGrant {
  readonly scopes: readonly Scope[];
  readonly streams?: readonly string[];
  /** RFC 3339. */
  readonly expires?: string;
}

/** Tokens by the names of their entries, and the file that lets them in. */
export interface TestTokens<Name extends string> {
  readonly secrets: Readonly<Record<Name, string>>;
  readonly yaml: string;
}

/** Makes a token for each grant. */
export function makeTokens<Name extends string>(grants: Readonly<Record<Name, TestGrant>>): TestTokens<Name> {
  const names = Object.keys(grants) as Name[];
  const issued = names.map((name) => [name, issueToken()] as const);
  const lines = issued.map(([name, { sha256 }]) =>
    JSON.stringify({ name, sha256, ...grants[name], scopes: grants[name].scopes }),
  );
  return {
    secrets: Object.fromEntries(issued.map(([name, { token }]) => [name, token])) as Record<Name, string>,
    yaml: `tokens:\n${lines.map((line) => `  - ${line}\n`).join('')}`,
  };
}

/** The headers that carry a token. */
export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}
