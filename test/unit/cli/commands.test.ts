import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../../support/repository.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { cleanEnvironment, runCli } from './run-cli.ts';

const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
  version: string;
};
const commands = ['serve', 'check', 'ingest', 'streams', 'schema', 'version'];

test('the help lists every command', async () => {
  const { code, stdout, stderr } = await runCli(['--help']);
  assert.equal(code, 0);
  assert.equal(stderr, '');
  for (const command of commands) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
});

test('every command has a help with an example and --json', async () => {
  for (const command of commands) {
    const { code, stdout } = await runCli([command, '--help']);
    assert.equal(code, 0, command);
    assert.match(stdout, new RegExp(`Example:\n  \\$ .*arrowport ${command}`), command);
    assert.match(stdout, /--json/, command);
  }
});

test('a wrong command line is one line on standard error and exit code 2', async () => {
  const wrong: [string[], RegExp][] = [
    [['nope'], /^usage: unknown command 'nope'.* \(see arrowport --help\)\n$/],
    [['serve', '--nope'], /^usage: unknown option '--nope'.* \(see arrowport serve --help\)\n$/],
    [['serve', '--port', '70000'], /^usage: .*--port.* use 0 to 65535\. \(see arrowport serve --help\)\n$/],
    [['delta', 'read', '--nope'], /^usage: unknown option '--nope'.* \(see arrowport delta read --help\)\n$/],
    [['check'], /^usage: missing required argument 'file' \(see arrowport check --help\)\n$/],
    [['ingest', 'sensors'], /^usage: missing required argument 'files'/],
    [['ingest', 'sensors', 'a', '--transport', 'ftp'], /^usage: .*--transport.*http, flight/],
    [['ingest', 'sensors', 'a', '--compression', 'gzip'], /^usage: .*--compression.* zstd, lz4 or none/],
    [['ingest', 'sensors', 'a', '--batch-rows', '0'], /^usage: .*--batch-rows/],
    [['ingest', 'sensors', '-', '-'], /^usage: .*name - once\n$/],
    [['streams', '--url', 'ftp://host'], /^usage: "ftp:\/\/host" is no server address/],
  ];
  for (const [args, expected] of wrong) {
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, expected);
  }
});

test('without a command the help is printed and the exit code is 2', async () => {
  const { code, stderr } = await runCli([]);
  assert.equal(code, 2);
  assert.match(stderr, /^Usage: arrowport/);
});

test('with --json an error is one JSON problem on standard error', async () => {
  const { code, stderr } = await runCli(['check', '--json', 'nowhere.yaml']);
  assert.equal(code, 1);
  const problem = JSON.parse(stderr) as Record<string, unknown>;
  assert.equal(problem['detail'], 'there is no file nowhere.yaml: check the path');
});

test('version prints the version of the package', async () => {
  assert.equal((await runCli(['version'])).stdout, `arrowport ${version}\n`);
  assert.equal((await runCli(['--version'])).stdout, `${version}\n`);
  const answer = JSON.parse((await runCli(['version', '--json'])).stdout) as Record<string, unknown>;
  assert.equal(answer['arrowport'], version);
  assert.equal(answer['node'], process.versions.node);
});

test('schema prints the JSON Schema of the configuration', async () => {
  const { code, stdout } = await runCli(['schema']);
  assert.equal(code, 0);
  const shipped = readFileSync(join(repositoryRoot, 'config', 'arrowport.schema.json'), 'utf8');
  assert.deepEqual(JSON.parse(stdout), JSON.parse(shipped));
});

test('check lists the routes of a good configuration', async (t) => {
  const folder = makeTempFolder(t);
  writeFileSync(
    join(folder, 'good.yaml'),
    'streams:\n  a: {target_table: b}\n  "m.*": {storage_backend: delta, target_table: m}\n',
  );
  const { code, stdout, stderr } = await runCli(['check', 'good.yaml'], { cwd: folder });
  assert.equal(code, 0);
  assert.equal(stderr, '');
  assert.equal(stdout, 'OK good.yaml: 2 routes\nstream\ttable\tbackend\na\tb\tduckdb\nm.*\tm\tdelta\n');
  const answer = JSON.parse((await runCli(['check', '--json', 'good.yaml'], { cwd: folder })).stdout);
  assert.deepEqual(answer, {
    file: 'good.yaml',
    valid: true,
    routes: [
      { stream: 'a', table: 'b', storage_backend: 'duckdb' },
      { stream: 'm.*', table: 'm', storage_backend: 'delta' },
    ],
    problems: [],
  });
});

test('check names each problem by file, line and column, and exits with 1', async (t) => {
  const folder = makeTempFolder(t);
  writeFileSync(join(folder, 'bad.yaml'), 'port: abc\nstreams:\n  a: {target_tabel: b}\n');
  const { code, stdout, stderr } = await runCli(['check', 'bad.yaml'], { cwd: folder });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^bad\.yaml:1:7: port: .*\nbad\.yaml:3:7: streams\.a\.target_tabel: .*target_table\?\n$/,
  );
  const json = await runCli(['check', '--json', 'bad.yaml'], { cwd: folder });
  assert.equal(json.code, 1);
  const answer = JSON.parse(json.stdout) as { valid: boolean; problems: Record<string, unknown>[] };
  assert.equal(answer.valid, false);
  assert.deepEqual(
    answer.problems.map(({ file, line, column }) => ({ file, line, column })),
    [
      { file: 'bad.yaml', line: 1, column: 7 },
      { file: 'bad.yaml', line: 3, column: 7 },
    ],
  );
});

test('a reader that leaves early is no failure', () => {
  const command = `"${process.execPath}" src/main.ts schema | head -c 10; exit \${PIPESTATUS[0]}`;
  const { status, stderr } = spawnSync('bash', ['-c', command], {
    cwd: repositoryRoot,
    env: cleanEnvironment(),
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
