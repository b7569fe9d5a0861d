import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerEnvironment } from '../integration/delta-doors/delta-server.ts';
import { type Answer, getJson, post } from '../integration/producers.ts';
import { arrowBytes } from '../support/arrow.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer } from '../support/server.ts';
import { mountSmallDisk, skipWithoutSmallDisk } from './small-disk.ts';

const needs = { skip: skipWithoutPython || skipWithoutSmallDisk };
const small = () => arrowBytes('table = pa.table({"x": np.arange(1000) / 3})');
/** More than the disks of these tests hold, also in Parquet. */
const large = () =>
  arrowBytes('table = pa.table({"x": np.random.default_rng(2).random(6_000_000)})', { batchRows: 100_000 });

function assertFull({ status, body }: Answer): void {
  assert.equal(status, 503, JSON.stringify(body));
  assert.equal(body['code'], 'BACKEND_UNAVAILABLE');
  assert.match(String(body['detail']), /full/);
}

const parquetFiles = (folder: string) =>
  readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.parquet'));

test(
  'a Delta table on a full disk refuses loads, keeps nothing of them, and takes them once there is room',
  needs,
  async (t) => {
    const disk = mountSmallDisk(t, 24);
    const server = await startServer(t, {
      config: `storage_backend: delta\ndelta_config: {table_path: ${disk.folder}/lake}\n`,
      env: workerEnvironment(),
    });
    const key = { 'idempotency-key': 'too-large' };
    assert.equal((await post(server, 's', await small())).status, 200);
    assertFull(await post(server, 's', await large(), key));
    const folder = join(disk.folder, 'lake', 's');
    assert.equal(parquetFiles(folder).length, 1, 'files of the refused load are gone');
    disk.fill();
    assertFull(await post(server, 's', await small()));
    assertFull(await post(server, 'first', await small()));
    assert.equal((await getJson(server, '/health/live')).status, 200);
    disk.free();
    const again = await post(server, 's', await small(), key);
    assert.deepEqual([again.status, again.body['replayed']], [200, false]);
    assert.equal((await post(server, 'first', await small())).status, 200);
    const { body } = await getJson<Record<string, unknown>>(server, '/delta/s/info');
    assert.deepEqual([body['row_count'], body['version']], [2000, 1]);
    assert.equal(await server.stop(), 0);
  },
);

test('a Delta table on a disk that cannot be written refuses loads until it can', needs, async (t) => {
  const disk = mountSmallDisk(t, 24);
  const server = await startServer(t, {
    config: `storage_backend: delta\ndelta_config: {table_path: ${disk.folder}/lake}\n`,
    env: workerEnvironment(),
  });
  assert.equal((await post(server, 's', await small())).status, 200);
  disk.setWritable(false);
  for (const stream of ['s', 'first']) {
    const { status, body } = await post(server, stream, await small());
    assert.equal(status, 503, JSON.stringify(body));
    assert.equal(body['code'], 'BACKEND_UNAVAILABLE');
  }
  assert.equal((await getJson(server, '/delta/s/info')).body['row_count'], 1000);
  disk.setWritable(true);
  assert.equal((await post(server, 's', await small())).status, 200);
  assert.equal((await post(server, 'first', await small())).status, 200);
});

test('a full disk for temporary files ends the loads that need them, and no other', needs, async (t) => {
  const disk = mountSmallDisk(t, 8);
  const server = await startServer(t, {
    config: 'storage_backend: delta\n',
    env: { ...workerEnvironment(), TMPDIR: disk.folder },
  });
  assert.equal((await post(server, 's', await small())).status, 200);
  // A merge may have to be tried again, so it is kept whole.
  const merge = await fetch(`${server.url}/delta/s/merge?on=x`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.apache.arrow.stream' },
    body: new Uint8Array(await large()),
  });
  const body = (await merge.json()) as Record<string, unknown>;
  assert.equal(merge.status, 503, JSON.stringify(body));
  assert.equal(body['code'], 'BACKEND_UNAVAILABLE');
  assert.equal((await post(server, 's', await small())).status, 200);
  assert.equal((await getJson(server, '/delta/s/info')).body['row_count'], 2000);
});
