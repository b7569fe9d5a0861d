import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../../../src/backends/duckdb/native/garbage.ts';

const megabytes = () => getHeapStatistics().used_heap_size / 2 ** 20;

/** Objects of some 100 MB that nobody refers to once it has returned. */
function litter(): number {
  const objects = Array.from({ length: 1_000_000 }, (_, index) => ({ index, pair: [index, index + 1] }));
  return objects.length;
}

test('garbage that has become much is collected, by a collector that nobody else gets', () => {
  collectGarbage();
  const before = megabytes();
  assert.equal(litter(), 1_000_000);
  collectGarbage();
  const after = megabytes();
  assert.ok(after < before + 30, `${before} MB before, ${after} MB after`);
  assert.equal('gc' in globalThis, false);
});
