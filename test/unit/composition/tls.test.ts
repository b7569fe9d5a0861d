import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTlsMaterial } from '../../../src/composition/tls.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const authority = createTestAuthority();
const good = authority.issue();
const names = { cert: 'server.pem', key: 'server.key', client_ca: null };

/** Reads material of these files; resolves with it and with what the log was told. */
async function read(t: TestContext, files: Readonly<Record<string, string>>, section: object = names) {
  const folder = makeTempFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const warnings: string[] = [];
  const logger = { warn: (_fields: object | string, message?: string) => void warnings.push(message ?? '') };
  const material = await readTlsMaterial({ ...names, ...section }, folder, logger as never);
  return { material, warnings };
}

test('a certificate with its key is read, with the authorities of clients where they are named', async (t) => {
  const files = { 'server.pem': good.cert, 'server.key': good.key, 'ca.pem': authority.cert };
  assert.deepEqual((await read(t, files)).material, { cert: good.cert, key: good.key, clientCa: null });
  const mutual = await read(t, files, { client_ca: 'ca.pem' });
  assert.deepEqual([mutual.material?.clientCa, mutual.warnings], [authority.cert, []]);
  assert.equal((await read(t, {}, { cert: null, key: null })).material, null);
});

test('a certificate that is out of its time is used, and told to the log', async (t) => {
  const day = 86_400_000;
  const dates = { notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) };
  const { cert, key } = authority.issue(dates);
  const { material, warnings } = await read(t, { 'server.pem': cert, 'server.key': key });
  assert.equal(material?.cert, cert);
  assert.match(warnings.join(), /the certificate in server\.pem is out of its time/);
});

const passphrase = randomBytes(8).toString('hex');
const locked = createPrivateKey(good.key)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
  .toString();

for (const [what, files, section, text] of [
  [
    'no certificate file',
    { 'server.key': good.key },
    {},
    'tls.cert: the file server.pem cannot be read: there is no such file',
  ],
  [
    'no key file',
    { 'server.pem': good.cert },
    {},
    'tls.key: the file server.key cannot be read: there is no such file',
  ],
  ['a folder', {}, { cert: '.', key: '.' }, 'tls.cert: the file . cannot be read: this is a folder'],
  [
    'a certificate that is none',
    { 'server.pem': 'nonsense', 'server.key': good.key },
    {},
    'tls.cert: the file server.pem does not begin with a certificate in PEM',
  ],
  [
    'the key in place of the certificate',
    { 'server.pem': good.key, 'server.key': good.key },
    {},
    'tls.cert: the file server.pem does not begin with a certificate in PEM',
  ],
  [
    'a key that is none',
    { 'server.pem': good.cert, 'server.key': 'nonsense' },
    {},
    'tls.key: the file server.key holds no private key in PEM',
  ],
  [
    'the certificate in place of the key',
    { 'server.pem': good.cert, 'server.key': good.cert },
    {},
    'tls.key: the file server.key holds no private key in PEM',
  ],
  [
    'the key of another certificate',
    { 'server.pem': good.cert, 'server.key': authority.issue().key },
    {},
    'tls.key: the file server.key is not the key of the certificate in tls.cert',
  ],
  [
    'a key with a passphrase',
    { 'server.pem': good.cert, 'server.key': locked },
    {},
    'tls.key: the file server.key is locked with a passphrase: store it without one',
  ],
  [
    'authorities that are none',
    { 'server.pem': good.cert, 'server.key': good.key, 'ca.pem': 'x' },
    { client_ca: 'ca.pem' },
    'tls.client_ca: the file ca.pem does not begin with a certificate in PEM',
  ],
  [
    'a file of two megabytes',
    { 'server.pem': 'x'.repeat(2_000_000), 'server.key': good.key },
    {},
    'tls.cert: the file server.pem is over 1 MiB, which no PEM file is',
  ],
] as const) {
  test(`${what} is refused in words that repeat nothing of the files`, async (t) => {
    await assert.rejects(read(t, files, section), (error) => {
      assert.ok(error instanceof ArrowportError);
      assert.deepEqual([error.code, error.message], ['CONFIG_INVALID', text]);
      return true;
    });
  });
}
