import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommitLane } from '../../../src/backends/duckdb/commit-lane.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';

/** A lane at 100 bytes of at most 200, and every limit it has set. */
function createLane(): { lane: CommitLane; limits: number[] } {
  const limits: number[] = [];
  const lane = new CommitLane(100, 200, async (bytes) => {
    limits.push(bytes);
  });
  return { lane, limits };
}

test('commits run one at a time, each with memory that nothing else has', async () => {
  const { lane, limits } = createLane();
  let running = 0;
  const commits = Array.from({ length: 5 }, (_, index) =>
    lane.run(30, async () => {
      running += 1;
      assert.equal(running, 1);
      assert.equal(limits.at(-1), 130);
      await Promise.resolve();
      running -= 1;
      return index;
    }),
  );
  assert.deepEqual(await Promise.all(commits), [0, 1, 2, 3, 4]);
  await waitFor('the limit lowered', () => limits.at(-1) === 100);
  const raises = limits.filter((limit) => limit === 130).length;
  // Once, but for a machine that stands still between the commits.
  assert.ok(raises < 5, `a crowd raises the limit ${raises} times`);
  assert.equal(limits.length, 2 * raises, 'it goes down behind each raise');
});

test('once memory ran out the limit goes down behind every commit', async () => {
  const { lane, limits } = createLane();
  lane.noteShortage();
  await lane.run(30, async () => undefined);
  await lane.run(500, async () => undefined);
  assert.deepEqual(limits, [130, 100, 200, 100], 'never beyond the ceiling');
});

test('a limit that is changed beside a commit holds behind it', async () => {
  const { lane, limits } = createLane();
  lane.noteShortage();
  await lane.run(30, () => lane.setBase(120));
  assert.deepEqual(limits, [130, 150, 120]);
});

test('a limit that cannot go down at once does so later, and is not raised without end meanwhile', async () => {
  const limits: number[] = [];
  let isFull = true;
  const lane = new CommitLane(100, 1000, async (bytes) => {
    if (isFull && bytes < (limits.at(-1) ?? 100)) throw new Error('could not free up enough memory');
    limits.push(bytes);
  });
  lane.noteShortage();
  for (let count = 0; count < 10; count += 1) await lane.run(30, async () => undefined);
  assert.deepEqual(limits, [130, 160, 190, 220]);
  isFull = false;
  await waitFor('the limit lowered', () => limits.at(-1) === 100);
  lane.close();
});

test('behind a commit that made DuckDB give the database up, none is tried: they surely did not happen', async () => {
  const { lane } = createLane();
  const first = lane.run(30, async () => {
    throw new ArrowportError('COMMIT_UNKNOWN', 'The database failed while it committed.', {
      cause: new Error('INTERNAL Error: Could not find node in column segment tree!'),
    });
  });
  let tried = false;
  const second = lane.run(30, async () => {
    tried = true;
  });
  await assert.rejects(first, { code: 'COMMIT_UNKNOWN' });
  await assert.rejects(second, { code: 'BACKEND_UNAVAILABLE' });
  assert.equal(tried, false);
});
