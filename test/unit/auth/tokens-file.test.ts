import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTokens } from '../../../src/config/tokens-file.ts';
import { addTokenToFile, appendTokenEntry, formatTokenEntry } from '../../../src/config/tokens-file-entry.ts';
import { toArrowportError } from '../../../src/errors.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const digest = 'ab'.repeat(32);
const secret = 'arrowport_this-must-never-be-repeated-anywhere';
const good = `tokens:\n  - {name: a, sha256: "${digest}", scopes: [ingest]}\n`;

function problemsOf(text: string): string[] {
  try {
    checkTokens(text, 'tokens.yaml');
  } catch (thrown) {
    const error = toArrowportError(thrown);
    assert.equal(error.code, 'CONFIG_INVALID');
    return error.message.split('\n');
  }
  return [];
}

test('an entry has its scopes, all streams and no end unless it says otherwise', () => {
  const [entry] = checkTokens(good, 'tokens.yaml');
  assert.deepEqual(entry, { name: 'a', sha256: digest, scopes: ['ingest'], streams: null, expires: null });
});

test('hashes are read in either case of letters', () => {
  const [entry] = checkTokens(good.replace(digest, digest.toUpperCase()), 'tokens.yaml');
  assert.equal(entry?.sha256, digest);
});

for (const [what, text, problem] of [
  ['an empty file', '', 'tokens.yaml:1:1: expected tokens: and a list of tokens'],
  ['a list without its key', '- a\n', 'tokens.yaml:1:1: expected tokens: and a list of tokens'],
  ['another key', `token: []\n${good}`, 'tokens.yaml:1:1: there is no such key; the keys here are tokens'],
  ['no list', 'tokens: none\n', 'tokens.yaml:1:9: tokens: expected a list of tokens'],
  [
    'a scope that there is not',
    `tokens:\n  - {name: a, sha256: "${digest}", scopes: [write]}\n`,
    'tokens.yaml:2:100: tokens.0.scopes.0: expected ingest, read or admin',
  ],
  [
    'no scopes',
    `tokens:\n  - {name: a, sha256: "${digest}", scopes: []}\n`,
    'tokens.yaml:2:99: tokens.0.scopes: expected at least one of ingest, read, admin',
  ],
  [
    'the token in place of its hash',
    `tokens:\n  - {name: a, sha256: "${secret}", scopes: [read]}\n`,
    'tokens.yaml:2:23: tokens.0.sha256: expected the SHA-256 of the token as 64 hexadecimal digits; never put the token itself into this file',
  ],
  [
    'the token as a key',
    `tokens:\n  - {name: a, sha256: "${digest}", scopes: [read], ${secret}: 1}\n`,
    'tokens.yaml:2:107: tokens.0: there is no such key; the keys here are name, sha256, certificate, scopes, streams, expires',
  ],
  [
    'a pattern with other signs',
    `tokens:\n  - {name: a, sha256: "${digest}", scopes: [read], streams: ["a b"]}\n`,
    'tokens.yaml:2:117: tokens.0.streams.0: expected a stream name, with * for any run of characters',
  ],
  [
    'a day in place of a time',
    `tokens:\n  - {name: a, sha256: "${digest}", scopes: [read], expires: 2030-01-31}\n`,
    'tokens.yaml:2:116: tokens.0.expires: expected a time like 2030-01-31T12:00:00Z',
  ],
  [
    'neither a hash nor a certificate',
    'tokens:\n  - {name: a, scopes: [read]}\n',
    'tokens.yaml:2:5: tokens.0: give either sha256 or certificate',
  ],
  [
    'two entries of one name',
    `${good}  - {name: a, sha256: "${'cd'.repeat(32)}", scopes: [ingest]}\n`,
    'tokens.yaml:3:12: tokens.1.name: another entry above has the same',
  ],
  [
    'two entries of one hash',
    `${good}  - {name: b, sha256: "${digest}", scopes: [admin]}\n`,
    'tokens.yaml:3:23: tokens.1.sha256: another entry above has the same',
  ],
] as const) {
  test(`${what} is refused with its place`, () => {
    assert.deepEqual(problemsOf(text), [problem]);
  });
}

test('broken YAML around a token tells its place, not the token', () => {
  for (const text of [
    `tokens: [{name: "${secret}\n`,
    `tokens:\n  - a: b\n ${secret}\n: "${secret}" "${secret}"`,
  ]) {
    const problems = problemsOf(text);
    assert.match(problems.join('\n'), /^tokens\.yaml:\d+:\d+: not valid YAML/);
    assert.ok(!problems.join('\n').includes(secret), problems.join('\n'));
  }
});

test('an entry that is written is read back as it was, whatever its hash looks like', () => {
  for (const sha256 of ['1'.repeat(64), `${'1'.repeat(30)}e${'2'.repeat(33)}`, digest]) {
    const entry = {
      name: 'x: # "y"',
      sha256,
      scopes: ['ingest', 'admin'] as ('ingest' | 'admin')[],
      streams: ['a*', 'null', '1'],
      expires: '2030-01-31T12:00:00Z',
    };
    const text = `tokens:\n${formatTokenEntry(entry)}`;
    assert.deepEqual(checkTokens(text, 'tokens.yaml'), [entry]);
    assert.deepEqual(checkTokens(appendTokenEntry('', 'tokens.yaml', entry), 'tokens.yaml'), [entry]);
  }
});

test('an entry is put behind those of a file; comments, mode and links stay, and no draft is left', async (t) => {
  const folder = makeTempFolder(t);
  const [path, link] = [join(folder, 'tokens.yaml'), join(folder, 'link.yaml')];
  const entry = {
    name: 'b',
    sha256: 'cd'.repeat(32),
    scopes: ['read'] as 'read'[],
    streams: null,
    expires: null,
  };
  await addTokenToFile(path, 'tokens.yaml', { ...entry, name: 'a', sha256: digest });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  writeFileSync(path, `# who may call\n${readFileSync(path, 'utf8')}`);
  chmodSync(path, 0o640);
  symlinkSync('tokens.yaml', link);
  await addTokenToFile(link, 'link.yaml', entry);
  const text = readFileSync(path, 'utf8');
  assert.match(text, /^# who may call\ntokens:\n/);
  assert.deepEqual(
    checkTokens(text, 'tokens.yaml').map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(statSync(path).mode & 0o777, 0o640);
  await assert.rejects(addTokenToFile(path, 'tokens.yaml', entry), /another entry above has the same/);
  assert.deepEqual(readdirSync(folder).sort(), ['link.yaml', 'tokens.yaml']);
});
