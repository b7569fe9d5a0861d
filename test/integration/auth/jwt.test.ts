import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { post } from '../producers.ts';
import { bearer } from './tokens.ts';

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signToken(key: KeyObject, claims: object): string {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const payload = { iss: 'https://issuer.test', aud: 'arrowport', sub: 'press', exp, ...claims };
  const text = `${part({ alg: 'ES256', kid: 'k1' })}.${part(payload)}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

test('JSON Web Tokens of the issuer open both doors as their claims say', {
  skip: skipWithoutPython,
}, async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keySet = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] });
  const issuer = createServer((_request, response) => response.end(keySet));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  t.after(() => issuer.close());
  const { port } = issuer.address() as AddressInfo;
  const server = await startServer(t, {
    config: `auth: {jwt: {issuer: "https://issuer.test", audience: arrowport, jwks_url: "http://127.0.0.1:${port}/", streams_claim: streams}}\n`,
  });
  const good = signToken(privateKey, { scope: 'ingest', streams: ['sensors*'] });
  const expired = signToken(privateKey, { scope: 'ingest', streams: ['sensors*'], exp: 1 });
  const forged = signToken(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, {
    scope: 'ingest',
  });
  const rows = await arrowBytes('table = pa.table({"id": range(3)})');
  const load = async (stream: string, token: string) =>
    (await post(server, stream, rows, bearer(token))).status;
  assert.equal(await load('sensors', good), 200);
  assert.equal(await load('sensors', good), 200);
  assert.equal(await load('events', good), 403);
  assert.equal(await load('sensors', expired), 401);
  assert.equal(await load('sensors', forged), 401);
  const answers = await runPythonJson<string[]>(
    `
import json, sys
import pyarrow as pa, pyarrow.flight as fl
table = pa.table({'id': [1]})
answers = []
for token in sys.argv[2:]:
    client = fl.FlightClient(sys.argv[1])
    try:
        header = client.authenticate_basic_token('anyone', token)
        options = fl.FlightCallOptions(headers=[header])
        for stream in ['sensors', 'events']:
            writer, reader = client.do_put(fl.FlightDescriptor.for_path(stream), table.schema, options)
            writer.write_table(table)
            writer.done_writing()
            reader.read()
            writer.close()
    except Exception as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))`,
    [server.flightUrl, good, expired, forged],
  );
  assert.deepEqual(answers, [
    'FlightUnauthorizedError',
    'FlightUnauthenticatedError',
    'FlightUnauthenticatedError',
  ]);
  const committed = await waitFor('three lines', () => {
    const lines = server.logs().filter(({ msg }) => msg === 'load committed');
    return lines.length >= 3 && lines;
  });
  assert.deepEqual(
    committed.map(({ caller, transport }) => [caller, transport]),
    [
      ['jwt:press', 'http'],
      ['jwt:press', 'http'],
      ['jwt:press', 'flight'],
    ],
  );
});

test('a key file that changes is live by itself; one that holds a private key is refused at the start', async (t) => {
  const pairs = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  const [first, second] = pairs.map(({ publicKey }) =>
    publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  );
  const config = 'auth: {jwt: {issuer: "https://issuer.test", audience: arrowport, key_file: issuer.pem}}\n';
  const server = await startServer(t, { config, files: { 'issuer.pem': first ?? '' } });
  const [one, two] = pairs.map(({ privateKey }) => signToken(privateKey, { scope: 'read' }));
  const status = async (token = '') =>
    (await fetch(`${server.url}/streams`, { headers: bearer(token) })).status;
  assert.deepEqual([await status(one), await status(two)], [200, 401]);
  writeFileSync(join(server.folder, 'next.pem'), second ?? '');
  renameSync(join(server.folder, 'next.pem'), join(server.folder, 'issuer.pem'));
  await waitFor('the second key', async () => (await status(two)) === 200);
  assert.equal(await status(one), 401);
  const privatePem = pairs[0]?.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() ?? '';
  await assert.rejects(
    startServer(t, { config, files: { 'issuer.pem': privatePem } }),
    /auth\.jwt\.key_file: issuer\.pem: this is a private key/,
  );
});
