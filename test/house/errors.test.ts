import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorTable } from '../../src/errors.ts';
import { repositoryRoot } from '../support/repository.ts';

const page = readFileSync(join(repositoryRoot, 'docs/reference/errors.md'), 'utf8');
const documented = [...page.matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (\d+) \| (\w+) \| (.*) \|$/gm)];

test('the reference documents every error code, with its outcome and both of its statuses', () => {
  assert.deepEqual(
    documented.map(([, code, outcome, http, grpc]) => ({ code, outcome, http: Number(http), grpc })),
    Object.entries(errorTable).map(([code, { outcome, http, grpc }]) => ({ code, outcome, http, grpc })),
  );
});

test('every error tells the caller what to do', () => {
  for (const [code, { title, remedy }] of Object.entries(errorTable)) {
    assert.match(title, /^[A-Z].*[^.]$/, code);
    assert.match(remedy, /^[A-Z].*\.$/, code);
  }
});

test('statuses fit their outcome', () => {
  for (const [code, { outcome, http }] of Object.entries(errorTable)) {
    const retryable = http === 429 || http === 499 || http >= 500;
    assert.equal(retryable, outcome !== 'rejected', code);
  }
});
