import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAuthenticator } from '../../../src/auth/authenticator.ts';
import { issueToken } from '../../../src/auth/issue-token.ts';
import { createTokenTable } from '../../../src/auth/token-table.ts';
import { checkTokens } from '../../../src/config/tokens-file.ts';
import type { Caller } from '../../../src/core/auth.ts';
import { ArrowportError } from '../../../src/errors.ts';

const token = 'a-token-of-tests';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function authenticatorOf(yaml: string, now = Date.now()) {
  const tokens = createTokenTable(checkTokens(yaml, 'tokens.yaml'));
  return createAuthenticator({
    tokens: () => tokens,
    jwt: () => null,
    hasPublicMetrics: () => false,
    now: () => now,
  });
}

const open = (entry = '') =>
  authenticatorOf(`tokens: [{name: press, sha256: "${sha256(token)}", scopes: [ingest, read]${entry}}]`);

function authenticate(authenticator: ReturnType<typeof open>, ...authorization: string[]): Caller {
  const caller = authenticator.authenticate({ authorization, certificate: null });
  assert.ok(!(caller instanceof Promise));
  return caller;
}

function refusal(run: () => unknown): ArrowportError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ArrowportError);
    return error;
  }
  throw new Error('It was let in.');
}

test('a token is told by its hash and holds the scopes of its entry, no others', () => {
  const caller = authenticate(open(), `Bearer ${token}`);
  assert.equal(caller.name, 'press');
  assert.equal(caller.hasScope('ingest'), true);
  assert.equal(caller.hasScope('read'), true);
  assert.equal(caller.hasScope('admin'), false);
  assert.equal(caller.isUnrestricted, true);
});

test('the scheme is read whatever its case, with any spaces behind it', () => {
  for (const value of [`bearer ${token}`, `BEARER  ${token}`])
    assert.equal(authenticate(open(), value).name, 'press');
});

test('patterns bound the streams a token may name; an empty list names none', () => {
  const caller = authenticate(open(', streams: ["sensors*", "a.b"]'), `Bearer ${token}`);
  assert.equal(caller.isUnrestricted, false);
  const allowed = ['sensors', 'sensors_2', 'a.b'].map((name) => caller.mayUseStream(name));
  assert.deepEqual(allowed, [true, true, true]);
  const others = ['sensor', 'xsensors', 'a.bc', 'axb', '', '*'].map((name) => caller.mayUseStream(name));
  assert.deepEqual(others, [false, false, false, false, false, false]);
  assert.equal(authenticate(open(', streams: []'), `Bearer ${token}`).mayUseStream('sensors'), false);
});

for (const [what, values] of [
  ['no credentials', []],
  ['an empty value', ['']],
  ['the scheme alone', ['Bearer']],
  ['the scheme and a space', ['Bearer ']],
  ['another token', ['Bearer another-token']],
  ['a truncated token', [`Bearer ${token.slice(0, -1)}`]],
  ['a token with more behind it', [`Bearer ${token}x`]],
  ['the hash in place of the token', [`Bearer ${sha256(token)}`]],
  ['a token without its scheme', [token]],
  ['another scheme', [`Token ${token}`]],
  ['Basic with the token as password', [`Basic ${Buffer.from(`x:${token}`).toString('base64')}`]],
  ['two tokens in one value', [`Bearer ${token}, Bearer ${token}`]],
  ['the header twice, the same', [`Bearer ${token}`, `Bearer ${token}`]],
  ['the header twice, one good', [`Bearer ${token}`, 'Bearer wrong']],
  ['a NUL in the token', [`Bearer ${token}\0`]],
  ['a NUL before the rest', [`Bearer \0${token}`]],
  ['a newline behind the token', [`Bearer ${token}\n`]],
  ['a newline and a second header', [`Bearer ${token}\r\nx: y`]],
  ['a token of a megabyte', [`Bearer ${'a'.repeat(1_000_000)}`]],
  ['letters beyond ASCII', [`Bearer ${token}ü`]],
] as const) {
  test(`${what}: UNAUTHENTICATED, in words that repeat nothing of it`, () => {
    const error = refusal(() => authenticate(open(), ...values));
    assert.equal(error.code, 'UNAUTHENTICATED');
    assert.ok(!error.message.includes(token.slice(0, 8)), error.message);
  });
}

test('a token ends at its time to the millisecond, and says so to who holds it', () => {
  const expires = '2030-01-31T12:00:00+01:00';
  const yaml = `tokens: [{name: press, sha256: "${sha256(token)}", scopes: [read], expires: ${expires}}]`;
  const end = Date.parse(expires);
  assert.equal(authenticate(authenticatorOf(yaml, end - 1), `Bearer ${token}`).name, 'press');
  const error = refusal(() => authenticate(authenticatorOf(yaml, end), `Bearer ${token}`));
  assert.equal(error.code, 'UNAUTHENTICATED');
  assert.match(error.message, /"press" have expired/);
});

test('every issued token is new, recognisable, and hashed as it is sent', () => {
  const issued = Array.from({ length: 200 }, issueToken);
  assert.equal(new Set(issued.map((one) => one.token)).size, 200);
  for (const one of issued) {
    assert.match(one.token, /^arrowport_[A-Za-z0-9_-]{43}$/);
    assert.equal(one.sha256, sha256(one.token));
  }
});

test('among many tokens each finds its own entry', () => {
  const issued = Array.from({ length: 2000 }, issueToken);
  const entries = issued.map(
    (one, index) => `  - {name: "t${index}", sha256: "${one.sha256}", scopes: [read]}`,
  );
  const authenticator = authenticatorOf(`tokens:\n${entries.join('\n')}\n`);
  for (const [index, one] of issued.entries()) {
    assert.equal(authenticate(authenticator, `Bearer ${one.token}`).name, `t${index}`);
  }
});

test('a client certificate is told by its common name or an alternative name that an entry gives', () => {
  const yaml =
    'tokens: [{name: w1, certificate: worker-1, scopes: [ingest]}, {name: mesh, certificate: "URI:spiffe://a/b", scopes: [read]}]';
  const authenticator = authenticatorOf(yaml);
  const by = (commonName: string, ...alternativeNames: string[]) =>
    authenticator.authenticate({
      authorization: [],
      certificate: { commonName, alternativeNames },
    }) as Caller;
  assert.equal(by('worker-1').name, 'w1');
  assert.equal(by('other', 'DNS:x', 'URI:spiffe://a/b').name, 'mesh');
  assert.equal(refusal(() => by('worker-2')).code, 'UNAUTHENTICATED');
  // A bad token is not made good by the certificate beside it.
  const both = {
    authorization: ['Bearer wrong'],
    certificate: { commonName: 'worker-1', alternativeNames: [] },
  };
  assert.equal(refusal(() => authenticator.authenticate(both)).code, 'UNAUTHENTICATED');
});

test('where nothing but a certificate is asked for, every verified one holds all scopes', () => {
  const authenticator = createAuthenticator({
    tokens: () => null,
    jwt: () => null,
    hasPublicMetrics: () => false,
  });
  const certificate = { commonName: 'worker-1', alternativeNames: [] };
  const caller = authenticator.authenticate({ authorization: ['Bearer unasked'], certificate }) as Caller;
  assert.deepEqual([caller.name, caller.hasScope('admin')], ['worker-1', true]);
  assert.equal(
    refusal(() => authenticator.authenticate({ authorization: [], certificate: null })).code,
    'UNAUTHENTICATED',
  );
});

test('whatever is sent, it is the token or it is UNAUTHENTICATED', () => {
  const authenticator = open();
  const nearly = fc
    .tuple(fc.nat(token.length), fc.string({ maxLength: 3 }))
    .map(([at, text]) => `Bearer ${token.slice(0, at)}${text}${token.slice(at + 1)}`);
  const value = fc.oneof(
    nearly,
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `Bearer ${text}`),
  );
  fc.assert(
    fc.property(fc.array(value, { maxLength: 3 }), (values) => {
      if (values.length === 1 && values[0] === `Bearer ${token}`) return;
      assert.equal(refusal(() => authenticate(authenticator, ...values)).code, 'UNAUTHENTICATED');
    }),
    { numRuns: 2000 },
  );
});
