import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLines, readFilesUnder, readSources, type SourceFile, withoutComments } from './source-files.ts';

const sources = readSources();
const tests = readFilesUnder('test', ['.ts']);
const scripts = [...readFilesUnder('bench', ['.ts']), ...readFilesUnder('scripts', ['.ts', '.mjs'])];
const code = [...sources, ...tests, ...scripts];
const thisFile = 'test/house/words.test.ts';

function findInCode(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files
    .filter(({ path }) => path !== thisFile)
    .flatMap((file) => findLines(file, pattern, withoutStrings(withoutComments(file.text))));
}

function withoutStrings(text: string): string {
  return text.replace(/'(\\.|[^'\\\n])*'|"(\\.|[^"\\\n])*"|`[^`$\n]*`/g, "''");
}

test('nothing is typed any', () => {
  assert.deepEqual(findInCode(code, /(:|\bas|<|,|\|)\s*any\b\s*([,;)>\]|&=]|$)/), []);
});

test('no value is declared present with an exclamation mark', () => {
  assert.deepEqual(findInCode(sources, /[\w)\]]!(\.|\[|\(|;|,|\)|$)/), []);
});

test('no module has a default export', () => {
  assert.deepEqual(findInCode(code, /^\s*export default\b/), []);
});

test('no checker is silenced', () => {
  const silenced = /@ts-(ignore|expect-error|nocheck)|biome-ignore|eslint-disable/;
  const found = code.filter(({ path }) => path !== thisFile).flatMap((file) => findLines(file, silenced));
  assert.deepEqual(found, []);
});

test('no file or folder is named for having no name', () => {
  const vague = /(^|\/)(utils?|helpers?|commons?|misc|managers?)(\/|\.|$)|-(utils?|helpers?|manager)\./;
  assert.deepEqual(
    code.filter(({ path }) => vague.test(path)).map(({ path }) => path),
    [],
  );
});

test('files are named in kebab-case', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.(ts|mjs)$/;
  assert.deepEqual(
    code.map(({ path }) => path).filter((path) => !kebab.test(path.split('/').at(-1) ?? '')),
    [],
  );
});

test('only the configuration and the process entry read the environment', () => {
  const files = sources.filter(({ path }) => !/^src\/(config\/|main\.ts$)/.test(path));
  assert.deepEqual(findInCode(files, /\bprocess\.env\b/), []);
});

test('only the command line writes to the console', () => {
  const files = sources.filter(({ path }) => !/^src\/(cli\/|main\.ts$)/.test(path));
  assert.deepEqual(findInCode(files, /\bconsole\.|\bprocess\.(stdout|stderr)\b/), []);
});

test('nothing is left to do without an issue that says so', () => {
  const found = code
    .filter(({ path }) => path !== thisFile)
    .flatMap((file) => findLines(file, /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/));
  assert.deepEqual(found, []);
});

test('no path of a machine and no registry host is written down', () => {
  const texts = [
    ...readFilesUnder('.', [
      '.ts',
      '.mjs',
      '.py',
      '.md',
      '.yaml',
      '.yml',
      '.json',
      '.txt',
      '.lock',
      '.toml',
      'Dockerfile',
    ]),
  ].filter(({ path }) => path !== thisFile && path !== 'docs/reference/errors.md');
  const machine =
    /(^|[\s'"`(=:])\/(work|root|home\/\w+|Users\/\w+)\/|registry\.npmjs\.org|files\.pythonhosted\.org/;
  assert.deepEqual(
    texts.flatMap((file) => findLines(file, machine)),
    [],
  );
});
