import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueToken } from '../../../src/auth/issue-token.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { patienceMs } from '../../support/patience.ts';
import { runPython, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { cleanEnvironment, mainPath } from '../../unit/cli/run-cli.ts';
import { arrowStream } from '../producers.ts';
import { askEncrypted } from './encrypted.ts';
import { bearer, makeTokens } from './tokens.ts';

const authority = createTestAuthority();
const tokens = makeTokens({
  all: { scopes: ['ingest', 'read', 'admin'] },
  press: { scopes: ['ingest'], streams: ['sensors'] },
});
const storageSecret = 'c3RvcmFnZS1zZWNyZXQtb2YtdGhlLXRlc3Q';

/** Everything that must never be seen outside, and pieces of it. */
function listSecrets(key: string, unknown: string): readonly string[] {
  const { all, press } = tokens.secrets;
  const keyBody = key.split('\n').slice(1, -2);
  return [all, press, unknown, storageSecret, ...keyBody].flatMap((secret) => [
    secret,
    secret.slice(0, 24),
    secret.slice(-24),
    Buffer.from(secret).toString('base64').slice(0, 32),
  ]);
}

const flightProgram = `
import base64, sys
import pyarrow as pa, pyarrow.flight as fl
url, ca, *secrets = sys.argv[1:]
table = pa.table({'id': [1]})
for secret in secrets:
    for value in ['Bearer ' + secret, 'Basic ' + base64.b64encode(('x:' + secret).encode()).decode(), secret, 'Bearer ' + secret + ' ' + secret]:
        client = fl.FlightClient(url, tls_root_certs=ca)
        options = fl.FlightCallOptions(headers=[(b'authorization', value.encode())], timeout=200)
        for path in [('sensors',), ('other',)]:
            try:
                writer, reader = client.do_put(fl.FlightDescriptor.for_path(*path), table.schema, options)
                writer.write_table(table)
                writer.done_writing()
                print(reader.read().to_pybytes())
                writer.close()
            except Exception as error:
                print('error', str(error).replace(value, '') )
        for name in ['reload', 'healthcheck', 'list']:
            try:
                print([r.body.to_pybytes() for r in client.do_action(fl.Action(name, b''), options)])
            except Exception as error:
                print('error', str(error))
    try:
        fl.FlightClient(url, tls_root_certs=ca).authenticate_basic_token('someone', secret)
    except Exception as error:
        print('error', str(error))
`;

test('nothing the server writes, answers or shows repeats a secret it was given', {
  skip: skipWithoutPython,
}, async (t) => {
  const certificate = authority.issue();
  const unknown = issueToken().token;
  const secrets = listSecrets(certificate.key, unknown);
  const files = { 'tokens.yaml': tokens.yaml, 'server.pem': certificate.cert, 'server.key': certificate.key };
  const server = await startServer(t, {
    config: `auth: {tokens_file: tokens.yaml}
tls: {cert: server.pem, key: server.key}
audit: {file: audit.jsonl}
log: {level: trace}
delta_config: {table_path: ./delta, storage_options: {AWS_SECRET_ACCESS_KEY: "\${STORAGE_SECRET}"}}
streams: {lake: {storage_backend: delta}}
`,
    files,
    env: { STORAGE_SECRET: storageSecret },
  });
  const seen: string[] = [];
  const { cert: ca } = authority;
  const rows = await arrowBytes('table = pa.table({"id": range(3)})');
  const asked = [
    ['GET', '/streams'],
    ['GET', '/metrics'],
    ['GET', '/health/ready'],
    ['GET', '/openapi.json'],
    ['GET', '/delta'],
    ['GET', '/delta/lake'],
    ['POST', '/ingest/sensors'],
    ['POST', '/ingest/lake'],
    ['POST', '/ingest/no such name'.replaceAll(' ', '%20')],
    ['POST', '/delta/lake/vacuum'],
    ['POST', '/admin/reload'],
    ['GET', '/none'],
  ] as const;
  for (const token of [tokens.secrets.all, tokens.secrets.press, unknown]) {
    for (const authorization of [`Bearer ${token}`, `Basic ${token}`, token]) {
      for (const [method, path] of asked) {
        const headers = { authorization, ...(method === 'POST' ? { 'content-type': arrowStream } : {}) };
        const body = path.includes('/ingest/') ? { body: rows } : {};
        const answer = await askEncrypted(`${server.url}${path}`, { ca, method, headers, ...body });
        seen.push(JSON.stringify(answer.headers), answer.text);
      }
    }
  }
  const flight = await runPython(flightProgram, [
    server.flightUrl,
    ca,
    tokens.secrets.all,
    tokens.secrets.press,
    unknown,
  ]);
  assert.equal(flight.code, 0, flight.stderr);
  seen.push(flight.stdout);
  // What is wrong with the files of secrets is told without them.
  writeFileSync(
    join(server.folder, 'tokens.yaml'),
    `tokens: [{name: a, sha256: "${unknown}", scopes: [${unknown}]}]\n`,
  );
  writeFileSync(join(server.folder, 'server.pem'), certificate.key);
  const reload = { ca, method: 'POST', headers: bearer(tokens.secrets.all) };
  seen.push((await askEncrypted(`${server.url}/admin/reload`, reload)).text);
  await sleep(1500);
  seen.push(execFileSync('ps', ['-ww', '-eo', 'args'], { encoding: 'utf8' }));
  assert.equal(await server.stop(), 0);
  seen.push(server.text(), ...server.logs().map((line) => JSON.stringify(line)));
  const written = readdirSync(server.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !['tokens.yaml', 'server.key', 'server.pem'].includes(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  seen.push(...written);
  assert.ok(server.logs().length > 50 && written.some((text) => text.includes('"action":"load"')));
  for (const text of seen) {
    const found = secrets.find((secret) => text.includes(secret));
    assert.equal(found, undefined, `${found} is in: ${text.slice(0, 2000)}`);
  }
});

/** Resolves with what the list of processes shows of one, once it has settled. */
async function showProcess(child: ChildProcess): Promise<string> {
  let shown = '';
  for (let waited = 0; waited < patienceMs; waited += 50) {
    shown = execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(child.pid)], { encoding: 'utf8' });
    if (!shown.includes('--token')) return shown;
    await sleep(50);
  }
  return shown;
}

test('a token on the command line is not in the list of processes', {
  skip: process.platform !== 'linux' && 'needs ps of Linux',
}, async (t) => {
  const { token } = issueToken();
  const args = [mainPath, 'ingest', 'sensors', '-', '--token', token, '--url', 'http://127.0.0.1:9'];
  const child = spawn(process.execPath, args, {
    env: cleanEnvironment(),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const shown = await showProcess(child);
  assert.ok(!shown.includes(token), shown);
});
