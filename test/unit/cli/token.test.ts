import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTokens } from '../../../src/config/tokens-file.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { runCli } from './run-cli.ts';

const create = (args: readonly string[], cwd?: string) =>
  runCli(['token', 'create', ...args], cwd === undefined ? {} : { cwd });
const digestOf = (token: string) => createHash('sha256').update(token).digest('hex');

test('a token is printed with its entry, which is one of the tokens file', async () => {
  const { code, stdout, stderr } = await create([]);
  assert.equal(code, 0, stderr);
  const [token = '', ...entry] = stdout.split('\n');
  assert.match(token, /^arrowport_[A-Za-z0-9_-]{43}$/);
  const yaml = `tokens:\n${entry.join('\n')}`;
  const [parsed] = checkTokens(yaml, 'tokens.yaml');
  assert.deepEqual([parsed?.sha256, parsed?.scopes], [digestOf(token), ['ingest']]);
  assert.ok(!entry.join('\n').includes(token));
});

test('options say what the token allows, for what, and until when; --json prints them', async () => {
  const args = [
    '--name',
    'press',
    '--scopes',
    'read, ingest',
    '--streams',
    'a*,b',
    '--expires',
    '90d',
    '--json',
  ];
  const { code, stdout, stderr } = await create(args);
  assert.equal(code, 0, stderr);
  const { token, sha256, expires, ...rest } = JSON.parse(stdout) as Record<string, string>;
  assert.equal(sha256, digestOf(token ?? ''));
  const days = (Date.parse(expires ?? '') - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days < 90.1, expires);
  assert.deepEqual(rest, { name: 'press', scopes: ['ingest', 'read'], streams: ['a*', 'b'], file: null });
});

test('entries are put into a file behind those it has, readable by its owner only; then it is not printed', async (t) => {
  const folder = makeTempFolder(t);
  for (const name of ['a', 'b']) {
    const { code, stdout, stderr } = await create(['--file', 'tokens.yaml', '--name', name], folder);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^arrowport_\S+\n$/);
    assert.match(stderr, new RegExp(`Its entry "${name}" is in tokens\\.yaml`));
  }
  const path = join(folder, 'tokens.yaml');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const text = readFileSync(path, 'utf8');
  assert.deepEqual(
    checkTokens(text, 'tokens.yaml').map(({ name }) => name),
    ['a', 'b'],
  );
  assert.doesNotMatch(text, /arrowport_/);
});

test('a file that does not check, or has the name already, is left as it is, and no token is printed', async (t) => {
  const folder = makeTempFolder(t);
  const path = join(folder, 'tokens.yaml');
  for (const text of ['tokens: 1\n', `tokens: [{name: a, sha256: "${'0'.repeat(64)}", scopes: [read]}]\n`]) {
    writeFileSync(path, text);
    const { code, stdout, stderr } = await create(['--file', 'tokens.yaml', '--name', 'a'], folder);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^refused: CONFIG_INVALID: tokens\.yaml:\d+:\d+: tokens/);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('a file that cannot be written is named as it was given', async () => {
  const { code, stdout, stderr } = await runCli(['token', 'create', '--file', 'no-such-folder/tokens.yaml']);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /no-such-folder\/tokens\.yaml cannot be written: there is no such folder\n$/);
});

test('a wrong option is a usage error, and makes no file', async (t) => {
  const folder = makeTempFolder(t);
  for (const args of [
    ['--scopes', 'write'],
    ['--scopes', ''],
    ['--streams', ','],
    ['--expires', 'soon'],
    ['--expires', '2020-01-01T00:00:00Z'],
    ['--expires', '2030-01-01'],
  ]) {
    const { code, stdout } = await create([...args, '--file', 'tokens.yaml'], folder);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
  }
  const { code } = await create(['--streams', 'a b', '--file', 'tokens.yaml'], folder);
  assert.equal(code, 1);
  assert.equal(existsSync(join(folder, 'tokens.yaml')), false);
});
