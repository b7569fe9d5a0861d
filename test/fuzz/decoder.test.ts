import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzDecoder } from './decoder.ts';
import { loadSeeds } from './seeds.ts';

// By name, with any count and seed: `node test/fuzz/run.ts decoder --count 1000000 --seed 1`.
test('20,000 mutated streams and files decode safely or are refused by a code', async (t) => {
  const outcome = await fuzzDecoder(await loadSeeds(), { count: 20_000, seed: 1 });
  t.diagnostic(JSON.stringify(outcome));
  assert.ok(outcome.decoded > 1000, 'a good part of the mutants still says something');
  assert.ok((outcome.refused['IPC_MALFORMED'] ?? 0) > 5000);
  assert.ok(outcome.rssMbAfter < outcome.rssMbBefore + 200, 'memory does not grow');
});
