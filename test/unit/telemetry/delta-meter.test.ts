import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeltaMeter } from '../../../src/telemetry/delta-meter.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const commit = {
  table: 't',
  version: 3,
  batches: 2,
  files: 1,
  bytes: 500,
  retries: 1,
  shared: false,
  writeSeconds: 0.1,
  commitSeconds: 0.01,
};

test('the size of a table is asked for once after it has changed', async () => {
  const metrics = createMetrics();
  const meter = createDeltaMeter(metrics);
  const asked: string[] = [];
  meter.watchTables(async (table) => {
    asked.push(table);
    return { version: 4, file_count: 7, total_size_bytes: 900 };
  });
  await meter.refresh();
  meter.committed(commit);
  await meter.refresh();
  await meter.refresh();
  assert.deepEqual(asked, ['t']);
  meter.touched('t');
  await meter.refresh();
  assert.deepEqual(asked, ['t', 't']);
  const { text } = await metrics.text();
  assert.match(text, /^arrowport_delta_table_files\{table="t"\} 7$/m);
  assert.match(text, /^arrowport_delta_table_version\{table="t"\} 4$/m);
  assert.match(text, /^arrowport_delta_commit_retries_total 1$/m);
});

test('a commit that several loads share counts once, their batches all', async () => {
  const metrics = createMetrics();
  const meter = createDeltaMeter(metrics);
  meter.committed(commit);
  meter.committed({ ...commit, files: 0, bytes: 0, retries: 0, shared: true });
  const { text } = await metrics.text();
  assert.match(text, /^arrowport_delta_commits_total\{outcome="committed"\} 1$/m);
  assert.match(text, /^arrowport_delta_batches_flushed_total 4$/m);
  assert.match(text, /^arrowport_delta_files_created_total 1$/m);
});

test('a table that cannot be read is asked for again, and hinders no scrape', async () => {
  const meter = createDeltaMeter(createMetrics());
  let asked = 0;
  meter.watchTables(async () => {
    asked++;
    throw new Error('gone');
  });
  meter.committed(commit);
  await meter.refresh();
  await meter.refresh();
  assert.equal(asked, 2);
});
