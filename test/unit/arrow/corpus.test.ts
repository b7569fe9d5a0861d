import assert from 'node:assert/strict';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import { corpusFolder, skipWithoutCorpus } from '../../support/corpus.ts';
import { touchArray } from './array-values.ts';
import { assertColumn, assertDictionaries, readIntegrationJson } from './integration-json.ts';
import { CountingResources, decodeStream } from './stream-fixtures.ts';

const cases = skipWithoutCorpus === false ? listCases() : [];

function listCases(): string[] {
  return readdirSync(corpusFolder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.stream'))
    .map((path) => path.slice(0, -'.stream'.length))
    .sort();
}

async function assertDecodes(path: string, format: 'stream' | 'file' | 'sniff', json: string): Promise<void> {
  const truth = readIntegrationJson(json);
  const resources = new CountingResources();
  const stream = await openIpcBody(createReadStream(path, { highWaterMark: 1000 }), format, resources);
  let batches = 0;
  let last: ArrayData[] = [];
  await decodeStream(stream, (columns, rows) => {
    const batch = truth.batches[batches++];
    assert.ok(batch !== undefined, 'there are as many batches as in the JSON');
    assert.equal(rows, batch.count);
    for (const [index, column] of columns.entries()) {
      const expected = batch.columns[index];
      assert.ok(expected !== undefined);
      assertColumn(column, expected, column.field.name);
      touchArray(column);
    }
    last = columns;
  });
  assert.equal(batches, truth.batches.length);
  assertDictionaries(truth, last);
  assert.equal(resources.leases, 0);
}

test('the gold corpus is there', { skip: skipWithoutCorpus }, () => {
  assert.ok(cases.length >= 30, `${cases.length} cases`);
});

for (const name of cases) {
  const base = join(corpusFolder, name);
  test(`${name} decodes to its true values as a stream and as a file`, async () => {
    await assertDecodes(`${base}.stream`, 'stream', `${base}.json.gz`);
    await assertDecodes(`${base}.arrow_file`, 'file', `${base}.json.gz`);
    await assertDecodes(`${base}.arrow_file`, 'sniff', `${base}.json.gz`);
  });
}
