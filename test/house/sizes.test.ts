import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilesUnder, readSources } from './source-files.ts';

const mostLines = 400;
const usualLines = 200;

const countLines = (text: string) => text.trimEnd().split('\n').length;

test(`no source file is longer than ${mostLines} lines`, () => {
  const files = [
    ...readSources(),
    ...readFilesUnder('scripts', ['.ts', '.mjs']),
    ...readFilesUnder('bench', ['.ts', '.py']),
  ];
  const long = files.filter(({ text }) => countLines(text) > mostLines);
  assert.deepEqual(
    long.map(({ path, text }) => `${path}: ${countLines(text)}`),
    [],
  );
});

test(`four source files of five are shorter than ${usualLines} lines`, () => {
  const sources = readSources();
  const long = sources.filter(({ text }) => countLines(text) > usualLines);
  assert.ok(
    long.length <= sources.length / 5,
    `${long.length} of ${sources.length} are longer:\n${long.map(({ path }) => path).join('\n')}`,
  );
});
