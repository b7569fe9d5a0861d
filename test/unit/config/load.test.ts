import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LoadConfigOptions, loadConfig } from '../../../src/config/load.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

/** A folder with these files in it. */
function makeFolder(context: TestContext, files: Readonly<Record<string, string | Buffer>> = {}): string {
  const folder = makeTempFolder(context);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

const faultOf = async (options: LoadConfigOptions) => {
  const error: unknown = await loadConfig(options).then(
    () => assert.fail('the configuration was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error && 'code' in error);
  assert.equal(error.code, 'CONFIG_INVALID');
  return error.message;
};

test('without any file the built-in defaults are taken, and the file that may come is watched', async (context) => {
  const cwd = makeFolder(context);
  const { config, path, files } = await loadConfig({ cwd, env: {} });
  assert.equal(config.host, '127.0.0.1');
  assert.equal(path, null);
  assert.deepEqual(files, [join(cwd, 'arrowport.yaml')]);
});

test('the given file wins over ARROWPORT_CONFIG, and that over the one in the working directory', async (context) => {
  const cwd = makeFolder(context, { 'arrowport.yaml': 'port: 1', 'b.yaml': 'port: 2', 'c.yaml': 'port: 3' });
  const portOf = async (options: LoadConfigOptions) => (await loadConfig({ cwd, ...options })).config.port;
  assert.equal(await portOf({ env: {} }), 1);
  assert.equal(await portOf({ env: { ARROWPORT_CONFIG: '' } }), 1);
  assert.equal(await portOf({ env: { ARROWPORT_CONFIG: 'b.yaml' } }), 2);
  assert.equal(await portOf({ env: { ARROWPORT_CONFIG: 'b.yaml' }, path: join(cwd, 'c.yaml') }), 3);
  const { path, files } = await loadConfig({ cwd, env: {}, path: 'c.yaml' });
  assert.equal(path, join(cwd, 'c.yaml'));
  assert.deepEqual(files, [join(cwd, 'c.yaml')]);
});

test('a file that was named and is not there is told, with who named it', async (context) => {
  const cwd = makeFolder(context);
  assert.match(await faultOf({ cwd, env: {}, path: 'no.yaml' }), /^no\.yaml: there is no such file/);
  assert.match(
    await faultOf({ cwd, env: { ARROWPORT_CONFIG: 'no.yaml' } }),
    /^no\.yaml: there is no such file, and ARROWPORT_CONFIG names it$/,
  );
});

test('problems name the file as it was given', async (context) => {
  const cwd = makeFolder(context, { 'arrowport.yaml': 'port: x' });
  assert.match(await faultOf({ cwd, env: {} }), /^arrowport\.yaml:1:7: port: /);
  const path = join(cwd, 'arrowport.yaml');
  assert.ok((await faultOf({ cwd, env: {}, path })).startsWith(`${path}:1:7: port: `));
});

test('what is no regular file is refused at once, pipes too', async (context) => {
  const cwd = makeFolder(context);
  mkdirSync(join(cwd, 'folder'));
  execFileSync('mkfifo', [join(cwd, 'pipe')]);
  for (const path of ['folder', 'pipe', '/dev/zero']) {
    assert.equal(await faultOf({ cwd, env: {}, path }), `${path}: this is not a regular file`);
  }
});

test('a file over 1 MiB and one that is not UTF-8 are refused', async (context) => {
  const cwd = makeFolder(context, {
    'large.yaml': '#'.repeat(1_048_577),
    'full.yaml': '#'.repeat(1_048_576),
    'latin.yaml': Buffer.from([0x68, 0x3a, 0x20, 0xe4]),
  });
  assert.match(await faultOf({ cwd, env: {}, path: 'large.yaml' }), /over 1 MiB/);
  assert.match(await faultOf({ cwd, env: {}, path: 'latin.yaml' }), /not UTF-8/);
  assert.equal((await loadConfig({ cwd, env: {}, path: 'full.yaml' })).config.port, 8888);
});

test('a file behind a symlink is read', async (context) => {
  const cwd = makeFolder(context, { 'real.yaml': 'port: 5' });
  symlinkSync('real.yaml', join(cwd, 'arrowport.yaml'));
  assert.equal((await loadConfig({ cwd, env: {} })).config.port, 5);
});

test('each variable stands over its key, and the command line over both', async (context) => {
  const cwd = makeFolder(context, {
    'arrowport.yaml': 'port: 1\nhost: a\ndb_path: file.db\nstorage_backend: duckdb\ncompression: {level: 9}',
  });
  const env = {
    ARROWPORT_DB: '/env.db',
    ARROWPORT_PORT: '4000',
    ARROWPORT_COMPRESSION: 'lz4',
    ARROWPORT_STORAGE_BACKEND: 'delta',
  };
  const { config } = await loadConfig({ cwd, env });
  assert.equal(config.db_path, '/env.db');
  assert.equal(config.port, 4000);
  assert.equal(config.storage_backend, 'delta');
  assert.deepEqual(config.compression, { algorithm: 'lz4', level: null });
  const flags = { db_path: ':memory:', host: '::1', port: 0 };
  const { config: over } = await loadConfig({ cwd, env, overrides: flags });
  assert.deepEqual([over.db_path, over.host, over.port], [':memory:', '::1', 0]);
});

test('a variable stands over a value that does not check, and an empty one over nothing', async (context) => {
  const cwd = makeFolder(context, { 'arrowport.yaml': 'port: x\ncompression: fast' });
  const env = { ARROWPORT_PORT: '7', ARROWPORT_COMPRESSION: 'none', ARROWPORT_DB: '' };
  const { config } = await loadConfig({ cwd, env });
  assert.equal(config.port, 7);
  assert.equal(config.db_path, './arrowport.duckdb');
});

test('the spellings of ARROWPORT_COMPRESSION are codec and codec:level', async (context) => {
  const cwd = makeFolder(context);
  const compressionOf = async (text: string) =>
    (await loadConfig({ cwd, env: { ARROWPORT_COMPRESSION: text } })).config.compression;
  assert.deepEqual(await compressionOf('zstd'), { algorithm: 'zstd', level: 3 });
  assert.deepEqual(await compressionOf('zstd:19'), { algorithm: 'zstd', level: 19 });
  assert.deepEqual(await compressionOf('lz4:12'), { algorithm: 'lz4', level: 12 });
  assert.deepEqual(await compressionOf('none'), { algorithm: 'none', level: null });
  for (const text of [
    'gzip',
    'zstd:',
    'zstd:99',
    'zstd:3:4',
    'zstd:x',
    'lz4:13',
    'none:1',
    ':3',
    'ZSTD',
    ' ',
  ]) {
    assert.match(
      await faultOf({ cwd, env: { ARROWPORT_COMPRESSION: text } }),
      /^ARROWPORT_COMPRESSION: /,
      text,
    );
  }
});

test('variables and flags that do not check are named, and their values are not', async (context) => {
  const cwd = makeFolder(context);
  const env = { ARROWPORT_PORT: '70000', ARROWPORT_STORAGE_BACKEND: 'duck' };
  assert.deepEqual((await faultOf({ cwd, env, overrides: { host: '' } })).split('\n').sort(), [
    '--host: expected text',
    'ARROWPORT_PORT: expected a whole number from 0 to 65535',
    'ARROWPORT_STORAGE_BACKEND: expected one of duckdb, delta',
  ]);
  for (const port of ['x', '1.5', '-1', '0x50', '8 8']) {
    assert.match(
      await faultOf({ cwd, env: { ARROWPORT_PORT: port } }),
      /^ARROWPORT_PORT: expected a whole/,
      port,
    );
  }
});

test('the streams of ARROWPORT_STREAMS_PATH stand in the place of those in the file, and it is watched', async (context) => {
  const cwd = makeFolder(context, {
    'arrowport.yaml': 'port: 1\nstreams: {a: {}}',
    'streams.yaml': `streams:\n  b: {target_table: "\${T}"}\n`,
  });
  const { config, files } = await loadConfig({
    cwd,
    env: { ARROWPORT_STREAMS_PATH: 'streams.yaml', T: 'x' },
  });
  assert.deepEqual(Object.keys(config.streams), ['b']);
  assert.equal(config.streams['b']?.target_table, 'x');
  assert.equal(config.port, 1);
  assert.deepEqual(files, [join(cwd, 'arrowport.yaml'), join(cwd, 'streams.yaml')]);
});

test('problems in the streams file are told at their place in it', async (context) => {
  const cwd = makeFolder(context, {
    'arrowport.yaml': 'storage_backend: delta\nprot: 1',
    's.yaml': 'streams:\n  b: {chunk_size: x}\n  c: {target_table: "a b"}\n',
  });
  assert.deepEqual((await faultOf({ cwd, env: { ARROWPORT_STREAMS_PATH: 's.yaml' } })).split('\n').sort(), [
    'arrowport.yaml:2:1: prot: there is no such key; did you mean port?',
    's.yaml:2:19: streams.b.chunk_size: expected a whole number of rows from 1 to 100000000; found text',
    's.yaml:3:21: streams.c.target_table: expected a Delta table name: 1 to 128 of A-Z a-z 0-9 _ - ., the first a letter, a digit or _',
  ]);
});

test('a streams file that is missing, empty or holds other keys is refused', async (context) => {
  const cwd = makeFolder(context, {
    'empty.yaml': '',
    'more.yaml': 'port: 1\nstreams: {}\n',
    'none.yaml': 'streams:\n',
  });
  const env = (name: string) => ({ ARROWPORT_STREAMS_PATH: name });
  assert.match(await faultOf({ cwd, env: env('no.yaml') }), /^no\.yaml: .* ARROWPORT_STREAMS_PATH names it/);
  assert.match(
    await faultOf({ cwd, env: env('empty.yaml') }),
    /^empty\.yaml:1:1: .* needs a streams: section/,
  );
  assert.match(await faultOf({ cwd, env: env('more.yaml') }), /^more\.yaml:1:1: port: only streams is read/);
  assert.deepEqual((await loadConfig({ cwd, env: env('none.yaml') })).config.streams, {});
});
