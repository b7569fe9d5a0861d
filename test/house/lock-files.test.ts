import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };
const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
const installed = Object.entries(lock.packages).filter(([path]) => path !== '');

test('every package of the lock file has a version and a hash, and names no host', () => {
  const wrong = installed.filter(
    ([, entry]) => !entry.version || !entry.integrity || entry.resolved !== undefined,
  );
  assert.deepEqual(
    wrong.map(([path]) => path),
    [],
  );
});

test('every optional package is locked, without which npm ci refuses the lock file', () => {
  const names = new Set(installed.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 13)));
  const wrong = installed.flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !names.has(name))
      .map((name) => `${name} of ${path}`),
  );
  assert.deepEqual(wrong, []);
});

test('dependencies are pinned exactly', () => {
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    for (const [name, version] of Object.entries(manifest[group] ?? {})) {
      assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${group}: ${name}`);
    }
  }
});

test('every requirement of the test Python is pinned with hashes', () => {
  const requirements = read('test/requirements.lock')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.trimStart().startsWith('#'));
  assert.ok(requirements.length > 9);
  for (const line of requirements) assert.match(line, /^[\w.-]+==\S+( ;.*)? .*--hash=sha256:/);
});
