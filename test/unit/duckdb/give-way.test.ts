import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadActivity } from '../../../src/backends/duckdb/load-activity.ts';
import { givingWay } from '../../../src/backends/duckdb/query/give-way.ts';

const never = new AbortController().signal;

test('what ran beside loads rests at least as long as it ran', async () => {
  const activity = new LoadActivity();
  const written = Promise.withResolvers<void>();
  const load = activity.write(() => written.promise);
  const beganAt = performance.now();
  let ranFor = 0;
  const work = async () => {
    await sleep(50);
    ranFor = performance.now() - beganAt;
    return 'rows';
  };
  assert.equal(await givingWay(work, () => activity.isBusy(), never), 'rows');
  assert.ok(performance.now() - beganAt >= 2 * ranFor - 5);
  written.resolve();
  await load;
});

test('a load that waits for its rows is no load, and what is stopped rests no longer', async () => {
  const activity = new LoadActivity();
  await activity.write(async () => 1);
  assert.equal(activity.isBusy(), true);
  while (activity.isBusy()) await sleep(10);
  const stopped = new AbortController();
  stopped.abort();
  assert.equal(
    await givingWay(
      () => sleep(50, 'rows'),
      () => true,
      stopped.signal,
    ),
    'rows',
  );
  await assert.rejects(
    givingWay(
      () => Promise.reject(new Error('broken')),
      () => true,
      never,
    ),
    /broken/,
  );
});
