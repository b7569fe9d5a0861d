import { createPublicKey } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { type Caller, type Scope, scopes } from '../core/auth.ts';
import { ArrowportError } from '../errors.ts';
import { isStreamKey } from '../router/pattern.ts';
import { unauthenticated } from './bearer.ts';
import { createCaller } from './callers.ts';
import type { JwtSettings } from './config.ts';

/** Clocks of issuer and server may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;
const FETCH_MS = 5000;
/** How long a token that was verified is taken as such by its hash; a key that is withdrawn is good for so long. */
const REMEMBERED_MS = 60_000;
const MAX_REMEMBERED = 1000;
const MAX_NAME_CHARACTERS = 128;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The public keys of an issuer, looked up by the head of a token. */
export type IssuerKeys = JWTVerifyGetKey;

/** Verifies the JSON Web Tokens of one issuer. */
export interface JwtVerifier {
  /** Whether a bearer token has the form of a signed JWT. */
  isToken(token: string): boolean;
  /**
   * Resolves with the caller that the claims describe; at once for a token that was verified a moment ago, by its
   * SHA-256. Throws UNAUTHENTICATED, and BACKEND_UNAVAILABLE when the keys of the issuer cannot be fetched.
   */
  verify(token: string, digest: Buffer): Caller | Promise<Caller>;
}

interface Remembered {
  readonly caller: Caller;
  readonly until: number;
}

/** Makes the verifier of tokens that are signed with the issuer's keys. */
export function createJwtVerifier(settings: JwtSettings, keys: IssuerKeys): JwtVerifier {
  const remembered = new Map<string, Remembered>();

  const remember = (key: string, caller: Caller, { exp = 0 }: JWTPayload) => {
    const [oldest] = remembered.keys();
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, { caller, until: Math.min(exp * 1000, Date.now() + REMEMBERED_MS) });
  };

  const verifyAnew = async (token: string, key: string): Promise<Caller> => {
    const payload = await readPayload(token, settings, keys);
    const caller = createCaller({
      name: readName(payload),
      scopes: readScopes(payload[settings.scope_claim]),
      streams: settings.streams_claim === null ? null : readPatterns(payload[settings.streams_claim]),
    });
    remember(key, caller, payload);
    return caller;
  };

  return {
    isToken: (token) => JWT.test(token),
    verify(token, digest) {
      const key = digest.toString('base64');
      const known = remembered.get(key);
      if (known !== undefined && Date.now() < known.until) return known.caller;
      remembered.delete(key);
      return verifyAnew(token, key);
    },
  };
}

/** The keys at an address, fetched when first needed, when an unknown one is asked for, and every ten minutes. */
export function createRemoteKeys(url: string): IssuerKeys {
  return createRemoteJWKSet(new URL(url), { timeoutDuration: FETCH_MS });
}

/**
 * Reads public keys from the text of a file: PEM, a JWK or a JWK set. Throws an Error whose message names what is wrong
 * and repeats nothing of the text.
 */
export function readKeys(text: string): IssuerKeys {
  const keys = text.trimStart().startsWith('{') ? readKeySet(text) : [readPem(text)];
  if (keys.length === 0) throw new Error('the key set is empty');
  for (const key of keys) {
    if (key.kty === 'oct') throw new Error('a shared secret is no public key');
    if (key['d'] !== undefined)
      throw new Error('this is a private key: put the public key into the file, and make a new pair');
  }
  const find = createLocalJWKSet({ keys });
  if (keys.some(({ kid }) => kid !== undefined)) return find;
  // Keys without a name cannot be asked for by one, though tokens mostly name theirs.
  return ({ kid: _, ...header }, token) => find(header, token);
}

function readKeySet(text: string): JWK[] {
  let document: JWK | JSONWebKeySet;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('the file is neither PEM nor JSON');
  }
  const keys: unknown = 'keys' in document ? document.keys : [document];
  if (!Array.isArray(keys) || keys.some((key) => typeof key?.kty !== 'string'))
    throw new Error('the JSON is neither a JWK nor a JWK set');
  return keys;
}

function readPem(text: string): JWK {
  if (text.includes('PRIVATE KEY'))
    throw new Error('this is a private key: put the public key into the file, and make a new pair');
  try {
    return createPublicKey(text).export({ format: 'jwk' }) as JWK;
  } catch (cause) {
    throw new Error('the file holds no public key in PEM', { cause });
  }
}

async function readPayload(token: string, settings: JwtSettings, keys: IssuerKeys): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: settings.issuer,
      audience: settings.audience,
      algorithms: [...settings.algorithms],
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    return payload;
  } catch (thrown) {
    throw describeFailure(thrown);
  }
}

/** Errors about the token repeat claims of it at most by their names; what else is thrown is about the fetching of keys. */
function describeFailure(thrown: unknown): ArrowportError {
  if (thrown instanceof errors.JWTExpired) return unauthenticated('The token has expired.');
  if (thrown instanceof errors.JWTClaimValidationFailed)
    return unauthenticated(`The claim "${thrown.claim}" of the token is not what is accepted here.`);
  if (thrown instanceof errors.JOSEAlgNotAllowed || thrown instanceof errors.JOSENotSupported)
    return unauthenticated('The signature algorithm of the token is not accepted here.');
  if (thrown instanceof errors.JWKSNoMatchingKey || thrown instanceof errors.JWKSMultipleMatchingKeys)
    return unauthenticated('The token is signed with a key that the issuer does not have.');
  const isOfToken =
    thrown instanceof errors.JWSSignatureVerificationFailed ||
    thrown instanceof errors.JWSInvalid ||
    thrown instanceof errors.JWTInvalid;
  if (isOfToken) return unauthenticated('The token is not valid.');
  return new ArrowportError('BACKEND_UNAVAILABLE', 'The keys of the token issuer cannot be had now.', {
    cause: thrown,
  });
}

function readName({ sub, client_id }: JWTPayload): string {
  const name = [sub, client_id].find((value) => typeof value === 'string' && value !== '');
  const shown = String(name ?? 'unnamed').replace(/[\p{Cc}\u2028\u2029]/gu, '?');
  return `jwt:${shown.slice(0, MAX_NAME_CHARACTERS)}`;
}

function readScopes(claim: unknown): readonly Scope[] {
  const words = typeof claim === 'string' ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  return scopes.filter((scope) => words.includes(scope));
}

/** What is no pattern covers nothing. */
function readPatterns(claim: unknown): readonly string[] {
  const words: readonly unknown[] =
    typeof claim === 'string' ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  return words.filter((word): word is string => typeof word === 'string' && isStreamKey(word));
}
