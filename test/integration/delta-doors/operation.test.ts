import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrowBytes } from '../../support/arrow.ts';
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
    const deadline = Date.now() + 10_000;
    for (;;) {
      const answer = await load(server, '/ingest/s', bytes, { 'idempotency-key': 'k' });
      if (answer.status === 200) break;
      assert.ok(
        ['retryable', 'unknown'].includes(String(answer.body['outcome'])),
        JSON.stringify(answer.body),
      );
      assert.ok(Date.now() < deadline, 'the worker did not come back');
      await sleep(50);
    }
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

    const server = await startServer(t, { env, config: 'streams: {d: {storage_backend: delta}}\n' });
    assert.equal((await load(server, '/ingest/d', await arrowBytes(table))).status, 503);
    const readiness = await getJson(server, '/health/ready');
    assert.equal(readiness.status, 503);
    assert.match(JSON.stringify(readiness.body['reasons']), /Delta worker cannot be started/);
    assert.equal((await load(server, '/ingest/ducks', await arrowBytes(table))).status, 200);
  });

  test('while the environment of the worker is being made the server says so, and takes other loads', async (t) => {
    const folder = makeTempFolder(t);
    const python =
      '#!/bin/sh\n[ "$1" = -c ] && { /bin/sleep 1; echo 3.12.0-test; exit; }\nexec /bin/sleep 2\n';
    for (const name of ['python3', 'python', 'uv'])
      writeFileSync(join(folder, name), name === 'uv' ? '#!/bin/sh\nexit 1\n' : python, { mode: 0o755 });
    const config = 'streams: {d: {storage_backend: delta}}\n';
    // It is ready before the first look for a Python has ended.
    const server = await startServer(t, { config, env: { ARROWPORT_CACHE: folder, PATH: folder } });
    let reasons = '';
    for (const deadline = Date.now() + 5000; reasons === '' && Date.now() < deadline; await sleep(20)) {
      const { status, body } = await getJson(server, '/health/ready');
      if (status === 503) reasons = JSON.stringify(body['reasons']);
    }
    assert.match(reasons, /environment of the Delta worker is being made/);
    assert.equal((await load(server, '/ingest/ducks', await arrowBytes(table))).status, 200);
    for (const deadline = Date.now() + 10_000; !reasons.includes('cannot be started'); await sleep(50)) {
      assert.ok(Date.now() < deadline, reasons);
      reasons = JSON.stringify((await getJson(server, '/health/ready')).body['reasons']);
    }
  });

  test('a server that is stopped while that environment is being made does not wait for it', async (t) => {
    const folder = makeTempFolder(t);
    const python =
      '#!/bin/sh\n[ "$1" = -c ] && { /bin/sleep 1; echo 3.12.0-test; exit; }\nexec /bin/sleep 60\n';
    writeFileSync(join(folder, 'python3'), python, { mode: 0o755 });
    const config = 'streams: {d: {storage_backend: delta}}\n';
    const server = await startServer(t, { config, env: { ARROWPORT_CACHE: folder, PATH: folder } });
    while ((await getJson(server, '/health/ready')).status === 200) await sleep(20);
    const startedAt = performance.now();
    assert.equal(await server.stop(), 0);
    assert.ok(performance.now() - startedAt < 5000);
    // What Node keeps of the compiled sources is no part of an environment.
    assert.deepEqual(
      readdirSync(folder).filter((name) => name !== 'compiled'),
      ['python3'],
    );
  });
});

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
