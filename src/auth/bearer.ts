import { ArrowportError } from '../errors.ts';

/** Longer than any token of ours, and than JWTs that fit the head of a request. */
const MAX_TOKEN_CHARACTERS = 8192;
/** Any visible ASCII, which is more than RFC 6750 has: people make tokens of their own, too. */
const BEARER = /^bearer +([\x21-\x7e]+)$/i;

/**
 * The token in the values of `authorization`; null when there are none. Throws UNAUTHENTICATED for more than one and
 * for what is no bearer token.
 */
export function findBearerToken(authorization: readonly string[]): string | null {
  const [value] = authorization;
  if (value === undefined) return null;
  if (authorization.length > 1) throw unauthenticated('Authorization was sent more than once: send one.');
  const token = value.length <= MAX_TOKEN_CHARACTERS + 16 ? BEARER.exec(value)?.[1] : undefined;
  if (token !== undefined && token.length <= MAX_TOKEN_CHARACTERS) return token;
  throw unauthenticated(
    'Authorization is not of the kind that is asked for: send "Bearer", a space and the token.',
  );
}

/** The one error of credentials that are not good. The text must repeat nothing of them. */
export function unauthenticated(detail: string, cause?: unknown): ArrowportError {
  return new ArrowportError('UNAUTHENTICATED', detail, cause === undefined ? {} : { cause });
}
