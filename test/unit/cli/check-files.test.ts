import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createTestAuthority } from '../../support/certificates.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { runCli } from './run-cli.ts';

const digest = 'a'.repeat(64);
const tokens = `tokens:\n  - {name: t, sha256: "${digest}", scopes: [ingest]}\n`;

/** Makes a folder with a configuration in it, beside the files that are given. */
function makeFolder(
  owner: CleanupOwner,
  config: string,
  files: Readonly<Record<string, string>> = {},
): string {
  const folder = makeTempFolder(owner);
  for (const [name, text] of Object.entries({ 'a.yaml': config, ...files })) {
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

describe('check looks for the files that a configuration names', () => {
  it('and says nothing of those that the server makes, and makes none itself', async (t) => {
    const config = `db_path: ./made.duckdb
audit: {file: made.jsonl}
delta_config: {table_path: made/tables}
duckdb_extensions: [httpfs]
`;
    const folder = makeFolder(t, config);
    const { code, stderr } = await runCli(['check', 'a.yaml'], { cwd: folder });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(readdirSync(folder), ['a.yaml']);
  });

  it('and names each that is not there at the place of its option, with what to do', async (t) => {
    const config = `auth:
  tokens_file: tokens.yaml
  jwt: {issuer: i, audience: a, key_file: keys.json}
tls: {cert: c.pem, key: k.pem, client_ca: ca.pem}
db_path: missing/a.duckdb
audit: {file: missing/audit.jsonl}
duckdb_extensions: [./x.duckdb_extension]
delta_config:
  table_path: a.yaml/tables
`;
    const folder = makeFolder(t, config);
    const { code, stdout, stderr } = await runCli(['check', 'a.yaml'], { cwd: folder });
    const add = 'put it there, or correct the path';
    const create = 'create it, or give another path';
    const tokensAdd = 'make it (arrowport token create prints its entries), or correct the path';
    assert.deepEqual(stderr.trim().split('\n'), [
      `a.yaml:2:16: auth.tokens_file: there is no file ${folder}/tokens.yaml: ${tokensAdd}`,
      `a.yaml:3:43: auth.jwt.key_file: there is no file ${folder}/keys.json: ${add}`,
      `a.yaml:4:13: tls.cert: there is no file ${folder}/c.pem: ${add}`,
      `a.yaml:4:25: tls.key: there is no file ${folder}/k.pem: ${add}`,
      `a.yaml:4:43: tls.client_ca: there is no file ${folder}/ca.pem: ${add}`,
      `a.yaml:5:10: db_path: the folder of ${folder}/missing/a.duckdb does not exist: ${create}`,
      `a.yaml:6:15: audit.file: the folder of ${folder}/missing/audit.jsonl does not exist: ${create}`,
      `a.yaml:7:21: duckdb_extensions.0: there is no file ${folder}/x.duckdb_extension: ${add}`,
      `a.yaml:9:15: delta_config.table_path: ${folder}/a.yaml/tables cannot be made: something above it is a file; give another path`,
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.deepEqual(readdirSync(folder), ['a.yaml']);
  });

  it('but not where they are on another machine', async (t) => {
    const folder = makeFolder(t, 'auth: {tokens_file: /nowhere/tokens.yaml}\n');
    const { code, stdout } = await runCli(['check', '--no-files', 'a.yaml'], { cwd: folder });
    assert.deepEqual([code, stdout], [0, 'OK a.yaml: 0 routes\n']);
  });

  it('and reads tokens, keys and certificates as the server would', async (t) => {
    const { cert, key } = createTestAuthority().issue();
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = createTestAuthority().issue();
    const config = `auth:
  tokens_file: tokens.yaml
  jwt: {issuer: i, audience: a, key_file: keys.json}
tls: {cert: c.pem, key: k.pem}
`;
    const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const files = { 'c.pem': cert, 'k.pem': key, 'tokens.yaml': tokens, 'keys.json': publicPem };
    const bad = {
      'c.pem': cert,
      'k.pem': other.key,
      'tokens.yaml': tokens.replace('ingest', 'drink'),
      'keys.json': 'secret-thing',
    };
    const good = makeFolder(t, config, files);
    const fine = await runCli(['check', 'a.yaml'], { cwd: good });
    assert.deepEqual([fine.code, fine.stderr], [0, '']);
    const { code, stderr } = await runCli(['check', '--json', 'a.yaml'], {
      cwd: makeFolder(t, config, bad),
    });
    assert.deepEqual([code, stderr], [1, '']);
    const text = (await runCli(['check', 'a.yaml'], { cwd: makeFolder(t, config, bad) })).stderr;
    const lines = text.trim().split('\n');
    assert.equal(lines.length, 3, text);
    assert.match(
      lines[0] ?? '',
      /^a\.yaml:2:16: auth\.tokens_file: tokens\.yaml:2:\d+: .*ingest, read or admin/,
    );
    assert.match(lines[1] ?? '', /^a\.yaml:3:43: auth\.jwt\.key_file: keys\.json: /);
    assert.match(
      lines[2] ?? '',
      /^a\.yaml:4:25: tls\.key: the file k\.pem is not the key of the certificate/,
    );
    assert.doesNotMatch(text, /secret-thing/);
  });

  it('and finds folders where files belong, and files where folders do', async (t) => {
    const folder = makeFolder(
      t,
      'db_path: folder\naudit: {file: folder}\nauth: {tokens_file: folder}\ndelta_config: {table_path: a.yaml}\n',
    );
    mkdirSync(join(folder, 'folder'));
    const { code, stderr } = await runCli(['check', 'a.yaml'], { cwd: folder });
    assert.equal(code, 1);
    assert.equal(stderr.match(/folder is a folder, and a file is needed here/g)?.length, 3, stderr);
    assert.match(stderr, /a\.yaml:4:28: delta_config\.table_path: .* is a file, and a folder is needed here/);
  });

  it('and says what its user may not read or write', {
    skip: process.getuid?.() === 0 && 'root may read and write anything',
  }, async (t) => {
    const folder = makeFolder(t, 'db_path: shut/a.duckdb\nauth: {tokens_file: tokens.yaml}\n', {
      'tokens.yaml': tokens,
    });
    mkdirSync(join(folder, 'shut'), 0o500);
    chmodSync(join(folder, 'tokens.yaml'), 0);
    const { code, stderr } = await runCli(['check', 'a.yaml'], { cwd: folder });
    assert.equal(code, 1);
    assert.match(stderr, /a\.yaml:1:10: db_path: the folder of .* cannot be written: permission denied/);
    assert.match(stderr, /a\.yaml:2:21: auth\.tokens_file: .* cannot be read: permission denied/);
  });

  it('and repeats nothing that came from the environment', async (t) => {
    const folder = makeFolder(t, `auth: {tokens_file: "\${PLACE}"}\n`);
    const { code, stderr } = await runCli(['check', 'a.yaml'], { cwd: folder, env: { PLACE: 'hunter2' } });
    assert.equal(code, 1);
    assert.match(stderr, /^a\.yaml:1:21: auth\.tokens_file: there is no file/);
    assert.doesNotMatch(stderr, /hunter2/);
  });
});
