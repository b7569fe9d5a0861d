import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TableLock } from '../../../src/backends/duckdb/table-lock.ts';

test('whoever waits for a table ends with its client, and holds nobody back after that', async () => {
  const lock = new TableLock();
  const letGo = await lock.share();
  const gone = new AbortController();
  const excluded = lock.exclude(60_000, gone.signal);
  const goneBefore = new AbortController();
  const behind = lock.share(goneBefore.signal);
  const late = lock.share();
  goneBefore.abort(new Error('the client is gone'));
  await assert.rejects(behind, /the client is gone/);
  gone.abort(new Error('the client is gone'));
  await assert.rejects(excluded, /the client is gone/);
  const letGoLate = await late;
  await assert.rejects(lock.share(gone.signal), /the client is gone/);
  letGo();
  letGoLate();
  const alone = await lock.exclude(10);
  await assert.rejects(lock.exclude(10), { code: 'COMMIT_CONFLICT' });
  alone();
  (await lock.share())();
});
