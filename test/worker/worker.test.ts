import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerFolder } from '../../src/backends/delta/environment.ts';
import { skipWithoutPython, testPython } from '../support/python.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

function run(args: readonly string[], cwd: string): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(testPython ?? 'python3', [...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  return { code: status, output: `${stdout}${stderr}` };
}

function has(module: string): boolean {
  return skipWithoutPython === false && run(['-c', `import ${module}`], workerFolder).code === 0;
}

const needs = (...modules: readonly string[]) => {
  const missing = modules.find((module) => !has(module));
  return { skip: missing === undefined ? false : `${missing} is not among the test packages` };
};

test("the Delta worker's own tests pass", needs('pytest', 'arro3.io', 'obstore'), (t) => {
  const folder = ['--basetemp', join(makeTempFolder(t), 'pytest')];
  const { code, output } = run(
    ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...folder, import.meta.dirname],
    workerFolder,
  );
  assert.equal(code, 0, output);
});

test("the Delta worker's types hold", needs('mypy', 'arro3.io', 'obstore'), () => {
  const { code, output } = run(
    [
      '-m',
      'mypy',
      '--strict',
      '--cache-dir',
      join(workerFolder, '../../../../node_modules/.cache/mypy'),
      'arrowport_delta',
    ],
    workerFolder,
  );
  assert.equal(code, 0, output);
});

test('the Delta worker and its tests follow the rules of ruff', needs('ruff'), () => {
  const tests = join(import.meta.dirname);
  for (const args of [
    ['check', '--no-cache', 'arrowport_delta'],
    [
      'check',
      '--no-cache',
      '--config',
      join(workerFolder, 'pyproject.toml'),
      '--ignore',
      'D103,PLR2004',
      tests,
    ],
  ]) {
    const { code, output } = run(['-m', 'ruff', ...args], workerFolder);
    assert.equal(code, 0, output);
  }
});
