import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Answer, getJson, post, runFlight } from '../integration/producers.ts';
import { arrowBytes } from '../support/arrow.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { mountSmallDisk, skipWithoutSmallDisk } from './small-disk.ts';

const needs = { skip: skipWithoutPython || skipWithoutSmallDisk };
const small = () => arrowBytes('table = pa.table({"x": np.arange(1000) / 3})');
/** More than the disks of these tests hold. */
const large = () =>
  arrowBytes('table = pa.table({"x": np.random.default_rng(2).random(6_000_000)})', { batchRows: 100_000 });

function assertFull({ status, body, headers }: Answer): void {
  assert.equal(status, 503, JSON.stringify(body));
  assert.equal(body['code'], 'BACKEND_UNAVAILABLE');
  assert.match(String(body['detail']), /^The disk of the database is full: free some of it/);
  assert.ok(Number(headers.get('retry-after')) >= 1);
}

async function rowsOf(server: TestServer, stream: string): Promise<unknown> {
  const { status, body } = await getJson(server, `/streams/${stream}`);
  return status === 404 ? null : body['row_count'];
}

test(
  'a load that the disk cannot hold is refused, leaves nothing and gives its room back',
  needs,
  async (t) => {
    const disk = mountSmallDisk(t, 24);
    const server = await startServer(t, { config: `db_path: ${disk.folder}/rows.duckdb\n` });
    assert.equal((await post(server, 's', await small())).status, 200);
    assertFull(await post(server, 's', await large(), { 'idempotency-key': 'too-large' }));
    assertFull(await post(server, 'first', await large()));
    // What those loads wrote is free again, without a restart.
    assert.equal((await getJson(server, '/health/ready')).status, 200);
    assert.equal((await post(server, 's', await small(), { 'idempotency-key': 'too-large' })).status, 200);
    assert.equal(await rowsOf(server, 's'), 2000);
    assert.equal(await rowsOf(server, 'first'), null);
    assert.equal(await server.stop(), 0);
    assert.equal(existsSync(`${server.dbPath}.wal`), false);
  },
);

test(
  'loads on a full disk are refused over both doors, readiness says why, and a freed disk takes them',
  needs,
  async (t) => {
    const disk = mountSmallDisk(t, 24);
    const server = await startServer(t, { config: `db_path: ${disk.folder}/rows.duckdb\n` });
    const body = await small();
    const key = { 'idempotency-key': 'k' };
    assert.equal((await post(server, 's', body)).status, 200);
    disk.fill();
    const keys = Array.from({ length: 20 }, (_, index) => ({ 'idempotency-key': `full-${index}` }));
    const answers: Answer[] = [];
    for (const each of keys) answers.push(await post(server, 's', body, each));
    // A commit needs little; what room a checkpoint leaves is used before loads are refused.
    assertFull(answers.at(-1) ?? assert.fail());
    assertFull(await post(server, 's', body, key));
    const ready = await getJson(server, '/health/ready');
    assert.equal(ready.status, 503);
    assert.match(JSON.stringify(ready.body), /disk of the database is full; free some of it/);
    const { error } = await runFlight<{ error: string }>(
      server,
      'print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("s"), pa.table({"x": np.arange(1000) / 3}))))',
    );
    assert.match(error, /BACKEND_UNAVAILABLE: The disk of the database is full/);
    assert.equal((await getJson(server, '/health/live')).status, 200);
    const committed = answers.filter(({ status }) => status === 200).length;
    assert.equal(await rowsOf(server, 's'), 1000 * (1 + committed));

    disk.free();
    assert.equal((await getJson(server, '/health/ready')).status, 200);
    const again = await post(server, 's', body, key);
    assert.deepEqual([again.status, again.body['replayed']], [200, false]);
    for (const each of keys) assert.equal((await post(server, 's', body, each)).status, 200);
    assert.equal(await rowsOf(server, 's'), 1000 * (2 + keys.length));
  },
);

test(
  'a checkpoint that finds the disk full closes no load, and the database is opened again by itself',
  needs,
  async (t) => {
    const disk = mountSmallDisk(t, 16);
    const server = await startServer(t, {
      config: `db_path: ${disk.folder}/rows.duckdb\nduckdb: {checkpoint_threshold: 512KB}\n`,
    });
    const body = await arrowBytes('table = pa.table({"x": np.random.default_rng(3).random(30_000)})');
    const attempts: { key: string; status: number; code: unknown }[] = [];
    for (let load = 0; load < 90; load += 1) {
      const key = `load-${load}`;
      const answer = await post(server, 's', body, { 'idempotency-key': key });
      attempts.push({ key, status: answer.status, code: answer.body['code'] });
    }
    const refused = attempts.filter(({ status }) => status !== 200);
    assert.ok(refused.length > 0, `${refused.length} loads met the full disk`);
    for (const { code } of refused) assert.match(String(code), /^(BACKEND_UNAVAILABLE|COMMIT_UNKNOWN)$/);
    assert.notEqual((await getJson(server, '/health/ready')).status, 200);
    const { pid } = server;

    disk.grow(64);
    assert.equal((await getJson(server, '/health/ready')).status, 200);
    for (const { key, status } of attempts) {
      const answer = await post(server, 's', body, { 'idempotency-key': key });
      assert.equal(answer.status, 200);
      if (status === 200) assert.equal(answer.body['replayed'], true);
    }
    assert.equal(server.pid, pid);
    assert.equal(await rowsOf(server, 's'), 30_000 * attempts.length);
  },
);

test('temporary files that fill their disk end the load that made them, and no other', needs, async (t) => {
  const disk = mountSmallDisk(t, 8);
  const server = await startServer(t, {
    config: `duckdb: {memory_limit: 64MB, settings: {temp_directory: ${disk.folder}/spill}}
streams: {s: {schema_mode: merge}}
`,
  });
  assert.equal((await post(server, 's', await small())).status, 200);
  // A load that adds a column is gathered whole, outside the database file.
  const wide = await arrowBytes(
    'table = pa.table({"x": np.zeros(12_000_000), "y": np.random.default_rng(2).random(12_000_000)})',
    { batchRows: 100_000 },
  );
  const refused = await post(server, 's', wide);
  assert.equal(refused.status, 503, JSON.stringify(refused.body));
  assert.equal(refused.body['code'], 'BACKEND_UNAVAILABLE');
  assert.match(String(refused.body['detail']), /temporary files.*full/);
  assert.equal(await rowsOf(server, 's'), 1000);
  assert.equal((await post(server, 's', await small())).status, 200);
  assert.deepEqual(
    readdirSync(join(disk.folder)).filter((name) => name !== 'spill'),
    [],
  );
});
