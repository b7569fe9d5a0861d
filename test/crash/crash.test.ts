import assert from 'node:assert/strict';
import { platform } from 'node:os';
import { test } from 'node:test';
import { skipWithoutPython } from '../support/python.ts';
import { runCrashes } from './crash-run.ts';

const skip = platform() === 'linux' ? skipWithoutPython : 'workers are found by /proc, which only Linux has';

test('twenty rounds of kill -9 lose nothing, double nothing and leave no load in part', {
  skip,
}, async (t) => {
  const seed = Number(process.env['ARROWPORT_CRASH_SEED'] ?? 1);
  t.diagnostic(`seed ${seed}; others come with ARROWPORT_CRASH_SEED`);
  const report = await runCrashes(t, { seed, rounds: 20, roundsPerComparison: 20 });
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.complaints, []);
  assert.equal(report.rounds, 20);
});
