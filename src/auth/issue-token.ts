import { createHash, randomBytes } from 'node:crypto';

/** What tokens begin with, so that they are told from other secrets wherever they turn up. */
const TOKEN_PREFIX = 'arrowport_';
const TOKEN_BYTES = 32;

/** A new token and what a token file holds of it. */
export interface IssuedToken {
  /** The secret; shown once, kept nowhere. */
  readonly token: string;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Makes a token of 256 random bits. */
export function issueToken(): IssuedToken {
  const token = `${TOKEN_PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`;
  return { token, sha256: createHash('sha256').update(token).digest('hex') };
}
