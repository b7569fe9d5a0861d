import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { scrape } from '../metric-samples.ts';
import { getJson } from '../producers.ts';
import { commit, httpDoor, load, startDeltaServer } from './delta-server.ts';

const table = 'table = pa.table({"id": np.arange(1000), "part": ["a", "b"] * 500})';
const other = 'table = pa.table({"id": ["text"], "part": ["a"]})';

describe('the Delta side of a server', { skip: skipWithoutPython }, () => {
  test('moves every documented metric of Delta', async (t) => {
    const server = await startDeltaServer(t);
    const before = await scrape(server);
    assert.equal(before.sum('arrowport_delta_commits_total', 'outcome="committed"'), 0);
    const bytes = await arrowBytes(table);
    await commit(server, '/delta/m?partition_by=part', bytes);
    await commit(server, '/delta/m', bytes, { 'idempotency-key': 'k' });
    await commit(server, '/delta/m', bytes, { 'idempotency-key': 'k' });
    assert.equal((await load(server, '/delta/m', await arrowBytes(other))).status, 409);
    const after = await scrape(server);
    const moved: readonly (readonly [string, string, number])[] = [
      ['arrowport_delta_table_version', 'table="m"', 1],
      ['arrowport_delta_table_files', 'table="m"', 4],
      ['arrowport_delta_records_written_total', '', 2000],
      ['arrowport_delta_commits_total', 'outcome="committed"', 2],
      ['arrowport_delta_commits_total', 'outcome="aborted"', 1],
      ['arrowport_delta_files_created_total', '', 4],
      ['arrowport_delta_batches_flushed_total', '', 2],
      ['arrowport_delta_commit_latency_seconds', '', 2],
      ['arrowport_delta_write_latency_seconds', '', 2],
      ['arrowport_transactions_total', 'storage_backend="delta",outcome="committed"', 2],
      ['arrowport_rows_processed_total', 'storage_backend="delta"', 2000],
    ];
    for (const [name, labels, value] of moved)
      assert.equal(after.sum(name, labels), value, `${name}{${labels}}`);
    for (const name of ['arrowport_delta_table_size_bytes', 'arrowport_delta_bytes_written_total'])
      assert.ok(after.sum(name) > 1000, name);
    assert.ok(after.sum('arrowport_delta_batch_rows_sum') >= 2000);
    const { code } = await httpDoor(server).run('optimize', 'm');
    assert.equal(code, null);
    const optimized = await scrape(server);
    assert.equal(optimized.sum('arrowport_delta_table_files'), 2);
    assert.equal(optimized.sum('arrowport_delta_table_version'), 2);
  });

  test('a worker that dies is started again and counted, and the server stays', async (t) => {
    const server = await startDeltaServer(t, 'storage_backend: delta\n');
    const bytes = await arrowBytes(table);
    await commit(server, '/ingest/s', bytes);
    assert.equal((await scrape(server)).sum('arrowport_worker_restarts_total'), 0);
    process.kill(workerOf(server.pid), 'SIGKILL');
    await waitFor('a worker that commits', async () => {
      const answer = await load(server, '/ingest/s', bytes, { 'idempotency-key': 'k' });
      if (answer.status === 200) return true;
      const outcome = String(answer.body['outcome']);
      assert.ok(['retryable', 'unknown'].includes(outcome), JSON.stringify(answer.body));
      return false;
    });
    assert.equal((await scrape(server)).sum('arrowport_worker_restarts_total'), 1);
    assert.equal((await getJson(server, '/delta/s')).body['row_count'], 2000);
    const worker = workerOf(server.pid);
    assert.equal(await server.stop(), 0);
    assert.ok(!existsSync(`/proc/${worker}`), 'the worker outlived the server');
  });

  test('a server without Delta routes starts no worker before one is asked for', async (t) => {
    const server = await startDeltaServer(t);
    assert.equal(findWorker(server.pid), undefined);
    assert.deepEqual((await getJson(server, '/delta')).body, { tables: [] });
    assert.notEqual(findWorker(server.pid), undefined);
  });

  test('without a Python the server is there, and says what Delta wants', async (t) => {
    const folder = makeTempFolder(t);
    for (const name of ['python3', 'python'])
      writeFileSync(join(folder, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const env = { ARROWPORT_CACHE: folder, PATH: folder };
    const plain = await startServer(t, { env });
    const { status, body } = await load(plain, '/delta/t', await arrowBytes(table));
    assert.deepEqual([status, body['code'], body['outcome']], [503, 'BACKEND_UNAVAILABLE', 'retryable']);
    assert.match(String(body['detail']), /Python/);
    assert.equal((await getJson(plain, '/health/ready')).status, 200, 'no route needs the worker');

    const config = 'streams: {d: {storage_backend: delta}}\n';
    const server = await startServer(t, { env, config, mayBeUnready: true });
    assert.equal((await load(server, '/ingest/d', await arrowBytes(table))).status, 503);
    const readiness = await getJson(server, '/health/ready');
    assert.equal(readiness.status, 503);
    assert.match(JSON.stringify(readiness.body['reasons']), /Delta worker cannot be started/);
    assert.equal((await load(server, '/ingest/ducks', await arrowBytes(table))).status, 200);
  });

  test('while the environment of the worker is being made the server says so, and takes other loads', async (t) => {
    const folder = makeTempFolder(t);
    const release = placeSlowPython(folder);
    writeFileSync(join(folder, 'uv'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const config = 'streams: {d: {storage_backend: delta}}\n';
    // It is ready before the first look for a Python has ended.
    const server = await startServer(t, { config, env: { ARROWPORT_CACHE: folder, PATH: folder } });
    release('look');
    const reasons = async () =>
      JSON.stringify((await getJson(server, '/health/ready')).body['reasons'] ?? '');
    await waitFor('the reason', async () =>
      (await reasons()).includes('environment of the Delta worker is being made'),
    );
    assert.equal((await load(server, '/ingest/ducks', await arrowBytes(table))).status, 200);
    release('build');
    await waitFor('another reason', async () => (await reasons()).includes('cannot be started'));
  });

  test('a server that is stopped while that environment is being made does not wait for it', async (t) => {
    const folder = makeTempFolder(t);
    const release = placeSlowPython(folder);
    const config = 'streams: {d: {storage_backend: delta}}\n';
    const server = await startServer(t, { config, env: { ARROWPORT_CACHE: folder, PATH: folder } });
    release('look');
    await waitFor('the making', async () => (await getJson(server, '/health/ready')).status !== 200);
    assert.equal(await server.stop(), 0);
    // What Node keeps of the compiled sources is no part of an environment.
    const placed = ['compiled', 'look', 'python', 'python3'];
    assert.deepEqual(
      readdirSync(folder).filter((name) => !placed.includes(name)),
      [],
    );
  });
});

/** Places a Python that tells its version, and then makes no environment, each when it is released for that. */
function placeSlowPython(folder: string): (step: 'look' | 'build') => void {
  const program = `#!/bin/sh
folder=\${0%/*}
hold() { while [ -d "$folder" ] && [ ! -e "$folder/$1" ]; do /bin/sleep 0.05; done; }
[ "$1" = -c ] && { hold look; echo 3.12.0-test; exit; }
hold build
`;
  for (const name of ['python3', 'python']) writeFileSync(join(folder, name), program, { mode: 0o755 });
  return (step) => writeFileSync(join(folder, step), '');
}

function findWorker(serverPid: number): number | undefined {
  const children = execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent]) => Number(parent) === serverPid)
    .filter((words) => words.includes('arrowport_delta'));
  const [pid] = children[0] ?? [];
  return pid === undefined ? undefined : Number(pid);
}

function workerOf(serverPid: number): number {
  const pid = findWorker(serverPid);
  assert.ok(pid !== undefined, 'no worker runs');
  return pid;
}
