import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryGovernor, restingBytes } from '../../../src/backends/duckdb/memory-governor.ts';

test('a floor that was raised for a load out of memory goes down again, also beside running loads', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const limits: number[] = [];
  let refusals = 1;
  const governor = new MemoryGovernor({
    threads: 2,
    async setLimit(bytes) {
      // What DuckDB does with memory that it cannot put away yet.
      if (bytes < (limits.at(-1) ?? 0) && refusals-- > 0) throw new Error('could not free up enough memory');
      limits.push(bytes);
    },
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await governor.makeRoom({}, 16);
  const beside = limits.at(-1) ?? 0;
  await governor.raiseFloor();
  await governor.raiseFloor();
  assert.equal(limits.at(-1), beside + restingBytes, 'loads of one squeeze raise it once');
  t.mock.timers.tick(30_000);
  await settled();
  assert.equal(limits.at(-1), beside + restingBytes, 'refused');
  t.mock.timers.tick(5_000);
  await settled();
  assert.equal(limits.at(-1), beside);
  governor.close();
});
