import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../support/python.ts';
import { type CrowdKind, runCrowd } from './crowd.ts';

const kinds: readonly (readonly [CrowdKind, string])[] = [
  ['http', 'over HTTP'],
  ['http-zstd', 'over HTTP with zstd buffers'],
  ['http-small', 'over HTTP in small batches'],
  ['flight', 'over Flight'],
  ['delta', 'into a Delta table'],
];

/** What the process takes with nothing to do, beside what the budget and DuckDB's limit speak of. */
const overheadMb = 150;

// The long form, 100 clients of 100 MB against 256 MB: `node test/pressure/run.ts`.
for (const [kind, name] of kinds) {
  test(`16 clients of 12 MB each against a budget of 48 MB, ${name}: all arrive whole, in bounded memory`, {
    skip: skipWithoutPython,
  }, async (t) => {
    const plan = { kind, clients: 16, megabytes: 12, budgetMb: 48, engineMb: 192 };
    const outcome = await runCrowd(t, plan);
    t.diagnostic(JSON.stringify({ ...outcome, deliveries: outcome.deliveries.length }));
    assert.equal(outcome.rowsThere, plan.clients * outcome.rowsEach);
    assert.ok(
      outcome.inflightMb <= 1.5 * plan.budgetMb,
      'the budget is kept, but for the load that must go on',
    );
    const grownMb = outcome.peakMb - outcome.restingMb;
    assert.ok(grownMb < 2 * plan.budgetMb + plan.engineMb + overheadMb, `${grownMb} MB more than at rest`);
  });
}
