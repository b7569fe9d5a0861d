import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../support/python.ts';
import { fuzzDoors } from './doors.ts';
import { loadSeeds } from './seeds.ts';

// By name, with any count and seed: `node test/fuzz/run.ts doors --count 10000 --seed 1`.
test('300 mutated streams through HTTP and Flight are answered, and never by a fault of the server', async (t) => {
  const outcome = await fuzzDoors(t, await loadSeeds(), { count: 300, seed: 1 });
  t.diagnostic(JSON.stringify(outcome));
  const answers = Object.keys(outcome.answers);
  assert.ok(answers.some((answer) => answer.startsWith('http 200')));
  assert.ok(answers.some((answer) => answer.startsWith('flight 0')));
  assert.ok(answers.some((answer) => answer.startsWith('flight 3')));
});

// By name: `node test/fuzz/run.ts delta --count 10000 --seed 1`.
test('100 mutated streams through the Delta doors are answered, and never by a fault of the server', {
  skip: skipWithoutPython,
}, async (t) => {
  const outcome = await fuzzDoors(t, await loadSeeds(), { doors: 'delta', count: 100, seed: 1 });
  t.diagnostic(JSON.stringify(outcome));
  const answers = Object.keys(outcome.answers);
  assert.ok(answers.some((answer) => answer.startsWith('http 200')));
  assert.ok(answers.some((answer) => answer.startsWith('http 400')));
  assert.ok(answers.some((answer) => answer.startsWith('flight 0')));
});
