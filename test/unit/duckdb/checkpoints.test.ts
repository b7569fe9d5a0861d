import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Checkpoints } from '../../../src/backends/duckdb/checkpoints.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

/** A checkpoint that ends when it is told to, over a log of as many bytes as it is told. */
function scene(t: Parameters<typeof makeTempFolder>[0]) {
  const logPath = join(makeTempFolder(t), 'rows.duckdb.wal');
  const said: string[] = [];
  let end = Promise.withResolvers<void>();
  const checkpoints = new Checkpoints({
    logPath,
    threshold: 100,
    checkpoint: async () => {
      said.push('begins');
      await end.promise;
      rmSync(logPath, { force: true });
      said.push('ends');
    },
  });
  return {
    checkpoints,
    said,
    grow: (bytes: number) => writeFileSync(logPath, Buffer.alloc(bytes)),
    endIt: () => end.resolve(),
    failIt: (error: Error) => end.reject(error),
    again: () => {
      end = Promise.withResolvers<void>();
    },
  };
}

const turns = async () => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
};

test('a checkpoint begins once the log is long enough and nobody writes, and writers wait until it has ended', async (t) => {
  const { checkpoints, said, grow, endIt } = scene(t);
  grow(99);
  await checkpoints.write(async () => void said.push('first'));
  assert.deepEqual(said, ['first']);
  grow(100);
  const work = Promise.withResolvers<void>();
  let hurried = false;
  const second = checkpoints.write(
    async () => {
      said.push('second');
      await work.promise;
    },
    () => {
      hurried = true;
    },
  );
  checkpoints.noteCommit();
  const third = checkpoints.write(async () => void said.push('third'));
  await turns();
  assert.deepEqual(said, ['first', 'second'], 'whoever writes is waited for, whoever comes later waits');
  assert.ok(hurried, 'and asked to end early');
  work.resolve();
  await second;
  await turns();
  assert.deepEqual(said, ['first', 'second', 'begins']);
  endIt();
  await third;
  assert.deepEqual(said, ['first', 'second', 'begins', 'ends', 'third']);
  await checkpoints.close();
});

test('checkpoints queue up with commits; a failure is told, one that a transaction keeps off is not', async (t) => {
  const { checkpoints, said, grow, failIt, again } = scene(t);
  const failures: unknown[] = [];
  checkpoints.join(
    (work) => {
      said.push('queued');
      return work();
    },
    (thrown) => failures.push(thrown),
  );
  grow(1000);
  const broken = new Error('IO Error: Checkpoint failed');
  checkpoints.noteCommit();
  failIt(broken);
  await turns();
  assert.deepEqual([said, failures], [['queued', 'begins'], [broken]]);
  again();
  checkpoints.noteCommit();
  failIt(
    new Error('TransactionContext Error: Cannot CHECKPOINT: there are other write transactions active.'),
  );
  await turns();
  assert.deepEqual(failures, [broken]);
  await checkpoints.write(async () => void said.push('written'));
  assert.equal(said.at(-1), 'written');
  await checkpoints.close();
});
