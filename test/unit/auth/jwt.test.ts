import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createJwtVerifier, createRemoteKeys, type JwtVerifier, readKeys } from '../../../src/auth/jwt.ts';
import { toArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';

const settings = {
  issuer: 'https://issuer.test',
  audience: 'arrowport',
  jwks_url: null,
  key_file: null,
  algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  scope_claim: 'scope',
  streams_claim: null,
} as const;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const jwk = (key: KeyObject, rest: object = {}) => ({ ...key.export({ format: 'jwk' }), ...rest });
const now = () => Math.floor(Date.now() / 1000);
const claims = () => ({
  iss: settings.issuer,
  aud: 'arrowport',
  sub: 'press',
  exp: now() + 600,
  scope: 'ingest read other',
});
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signRs256(payload: object, head: object = { alg: 'RS256' }, key = rsa.privateKey): string {
  const text = `${part(head)}.${part(payload)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

function signEs256(payload: object, head: object = { alg: 'ES256' }): string {
  const text = `${part(head)}.${part(payload)}`;
  const signature = sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

const byPem = () => createJwtVerifier(settings, readKeys(pem(rsa.publicKey)));
const verify = async (verifier: JwtVerifier, token: string) =>
  verifier.verify(token, hash('sha256', token, 'buffer'));

async function refusal(verifier: JwtVerifier, token: string) {
  const error = await verify(verifier, token).then(
    () => assert.fail('The token was accepted.'),
    (thrown) => toArrowportError(thrown),
  );
  for (const piece of token.split('.')) if (piece.length > 8) assert.ok(!error.message.includes(piece));
  return error;
}

test('a signed token is a caller of the scopes in its claim', async () => {
  const caller = await verify(byPem(), signRs256(claims()));
  assert.equal(caller.name, 'jwt:press');
  assert.deepEqual(
    ['ingest', 'read', 'admin'].map((scope) => caller.hasScope(scope as 'read')),
    [true, true, false],
  );
  assert.equal(caller.isUnrestricted, true);
});

test('scopes may be a list, and another claim may hold them and the streams', async () => {
  const other = { ...settings, scope_claim: 'scp', streams_claim: 'streams' };
  const verifier = createJwtVerifier(other, readKeys(JSON.stringify({ keys: [jwk(rsa.publicKey)] })));
  const caller = await verify(
    verifier,
    signRs256({ ...claims(), scp: ['admin', 1], streams: ['a*', 'not ok', 7] }),
  );
  assert.deepEqual(
    ['ingest', 'admin'].map((scope) => caller.hasScope(scope as 'admin')),
    [false, true],
  );
  assert.deepEqual(
    ['abc', 'b', 'not ok'].map((name) => caller.mayUseStream(name)),
    [true, false, false],
  );
  const none = await verify(verifier, signRs256({ ...claims(), sub: 'x' }));
  assert.deepEqual([none.hasScope('read'), none.mayUseStream('abc')], [false, false]);
});

for (const [what, make] of [
  ['expired', () => signRs256({ ...claims(), exp: now() - 60 })],
  ['not valid yet', () => signRs256({ ...claims(), nbf: now() + 600 })],
  ['without an end', () => signRs256({ ...claims(), exp: undefined })],
  ['of another issuer', () => signRs256({ ...claims(), iss: 'https://other.test' })],
  ['of no issuer', () => signRs256({ ...claims(), iss: undefined })],
  ['for another audience', () => signRs256({ ...claims(), aud: ['other'] })],
  ['for no audience', () => signRs256({ ...claims(), aud: undefined })],
  [
    'signed by another key',
    () =>
      signRs256(claims(), { alg: 'RS256' }, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
  ],
  [
    'with claims put in place of the signed ones',
    () => {
      const [head, , signature] = signRs256(claims()).split('.');
      return `${head}.${part({ ...claims(), scope: 'admin' })}.${signature}`;
    },
  ],
  ['with a truncated signature', () => signRs256(claims()).slice(0, -8)],
  ['of the algorithm none', () => `${part({ alg: 'none' })}.${part(claims())}.AA`],
  ['of the algorithm None', () => `${part({ alg: 'None' })}.${part(claims())}.AA`],
  [
    'signed with the public key as a shared secret',
    () => {
      const text = `${part({ alg: 'HS256' })}.${part(claims())}`;
      return `${text}.${createHmac('sha256', pem(rsa.publicKey)).update(text).digest('base64url')}`;
    },
  ],
  [
    'of an algorithm that is not on the list',
    () => {
      const text = `${part({ alg: 'RS512' })}.${part(claims())}`;
      return `${text}.${sign('sha512', Buffer.from(text), rsa.privateKey).toString('base64url')}`;
    },
  ],
  [
    'with its own key in its head',
    () => {
      const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
      return signRs256(claims(), { alg: 'RS256', jwk: jwk(own.publicKey) }, own.privateKey);
    },
  ],
  [
    'with an extension that must be understood',
    () => signRs256(claims(), { alg: 'RS256', crit: ['x'], x: 1 }),
  ],
  ['whose head is no JSON', () => `${Buffer.from('nonsense').toString('base64url')}.${part(claims())}.AAAA`],
  ['whose claims are no object', () => signRs256([1])],
] as const) {
  test(`a token ${what} is UNAUTHENTICATED`, async () => {
    assert.equal((await refusal(byPem(), make())).code, 'UNAUTHENTICATED');
  });
}

test('a token that was verified a moment ago is taken by its hash, and no longer than it lasts', async () => {
  const verifier = byPem();
  const token = signRs256({ ...claims(), exp: now() + 5 });
  const digest = hash('sha256', token, 'buffer');
  await verifier.verify(token, digest);
  assert.ok(!(verifier.verify(token, digest) instanceof Promise));
  await waitFor('a new look at it', () => {
    const verified = verifier.verify(token, digest);
    if (!(verified instanceof Promise)) return false;
    verified.catch(() => undefined);
    return true;
  });
});

test('keys are read from PEM, a certificate, a JWK and a JWK set; private and shared ones are refused', async () => {
  for (const text of [
    pem(ec.publicKey),
    JSON.stringify(jwk(ec.publicKey)),
    JSON.stringify({ keys: [jwk(rsa.publicKey), jwk(ec.publicKey)] }),
  ]) {
    const caller = await verify(createJwtVerifier(settings, readKeys(text)), signEs256(claims()));
    assert.equal(caller.name, 'jwt:press');
  }
  const privatePem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.throws(() => readKeys(privatePem), /this is a private key/);
  assert.throws(() => readKeys(JSON.stringify(jwk(ec.privateKey))), /this is a private key/);
  assert.throws(
    () => readKeys(JSON.stringify({ kty: 'oct', k: 'c2VjcmV0' })),
    /a shared secret is no public key/,
  );
  assert.throws(() => readKeys('nonsense'), /holds no public key in PEM/);
  assert.throws(() => readKeys('{"a": 1}'), /neither a JWK nor a JWK set/);
  assert.throws(() => readKeys('{"keys": []}'), /the key set is empty/);
});

test('a token that names its key finds the one of a file that has no name', async () => {
  const token = signRs256(claims(), { alg: 'RS256', kid: 'k1' });
  assert.equal((await verify(byPem(), token)).name, 'jwt:press');
  const named = (kid: string) =>
    createJwtVerifier(settings, readKeys(JSON.stringify(jwk(rsa.publicKey, { kid }))));
  assert.equal((await verify(named('k1'), token)).name, 'jwt:press');
  assert.equal((await refusal(named('k2'), token)).code, 'UNAUTHENTICATED');
});

test('keys are fetched from the issuer when they are needed; without them a token is told to come again', async (t) => {
  let fetches = 0;
  let isUp = true;
  const server = createServer((_request, response) => {
    fetches += 1;
    response.writeHead(isUp ? 200 : 500, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ keys: [jwk(ec.publicKey, { kid: 'k1' }), jwk(rsa.publicKey, { kid: 'k2' })] }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const open = () => createJwtVerifier(settings, createRemoteKeys(`http://127.0.0.1:${port}/jwks`));
  const verifier = open();
  assert.equal((await verify(verifier, signEs256(claims(), { alg: 'ES256', kid: 'k1' }))).name, 'jwt:press');
  assert.equal((await verify(verifier, signRs256(claims(), { alg: 'RS256', kid: 'k2' }))).name, 'jwt:press');
  assert.equal(fetches, 1);
  // Unknown keys in a row do not make a request each.
  for (let index = 0; index < 5; index += 1) {
    const error = await refusal(verifier, signEs256(claims(), { alg: 'ES256', kid: `other${index}` }));
    assert.equal(error.code, 'UNAUTHENTICATED');
  }
  assert.ok(fetches <= 2, `${fetches} requests`);
  isUp = false;
  const error = await refusal(open(), signEs256(claims(), { alg: 'ES256', kid: 'k1' }));
  assert.equal(error.code, 'BACKEND_UNAVAILABLE');
  assert.equal(
    (await verify(verifier, signEs256({ ...claims(), sub: 'late' }, { alg: 'ES256', kid: 'k1' }))).name,
    'jwt:late',
  );
});
