import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../../support/repository.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { cleanEnvironment } from './run-cli.ts';

const launcher = join(repositoryRoot, 'bin', 'arrowport.mjs');

/** A Node.js on this machine that is too old for Arrowport, if there is one. */
const oldNode = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((path) => existsSync(path))
  .find((path) => {
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return Number(/^v(\d+)/.exec(stdout)?.[1] ?? 99) < 24;
  });
const skipWithoutOldNode = oldNode === undefined ? 'every Node.js on the path is new enough' : false;

function run(node: string, path: string, args: readonly string[]) {
  return spawnSync(node, [path, ...args], { env: cleanEnvironment(), encoding: 'utf8' });
}

test('the launcher runs the command line', () => {
  const { status, stdout } = run(process.execPath, launcher, ['version']);
  assert.equal(status, 0);
  assert.match(stdout, /^arrowport \d/);
});

test('under an old Node.js the launcher goes on under the one of the package', {
  skip: skipWithoutOldNode,
}, () => {
  const { status, stdout } = run(oldNode ?? '', launcher, ['version', '--json']);
  assert.equal(status, 0);
  assert.match((JSON.parse(stdout) as { node: string }).node, /^2[4-9]\./);
  assert.equal(run(oldNode ?? '', launcher, ['nope']).status, 2);
});

test('without a new enough Node.js the launcher says what to do', { skip: skipWithoutOldNode }, (t) => {
  const folder = makeTempFolder(t);
  mkdirSync(join(folder, 'bin'));
  const lonely = join(folder, 'bin', 'arrowport.mjs');
  cpSync(launcher, lonely);
  const { status, stderr } = run(oldNode ?? '', lonely, ['version']);
  assert.equal(status, 1);
  assert.match(stderr, /^error: Arrowport needs Node\.js 24 or later and this is \d+\.\S+: .*\n$/);
});

test('an installed package runs its built files', (t) => {
  const folder = join(makeTempFolder(t), 'node_modules', 'arrowport');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'dist'));
  cpSync(launcher, join(folder, 'bin', 'arrowport.mjs'));
  symlinkSync(join(repositoryRoot, 'src'), join(folder, 'src'));
  writeFileSync(join(folder, 'dist', 'main.js'), "console.log('built');\n");
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}\n');
  const { stdout } = run(process.execPath, join(folder, 'bin', 'arrowport.mjs'), []);
  assert.equal(stdout, 'built\n');
});
