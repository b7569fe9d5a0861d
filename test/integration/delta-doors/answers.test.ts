import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { scrape } from '../metric-samples.ts';
import { getJson } from '../producers.ts';
import { commit, flightDoor, httpDoor, startDeltaServer } from './delta-server.ts';

const needsPython = { skip: skipWithoutPython };
const rows = (from: number) => arrowBytes(`table = pa.table({"id": np.arange(${from}, ${from + 10})})`);

test('a table that is not there is named, over every door', needsPython, async (t) => {
  const server = await startDeltaServer(t);
  for (const door of [httpDoor(server), flightDoor(server)]) {
    const { code, body } = await door.run('info', 'nowhere');
    assert.equal(code, 'TABLE_NOT_FOUND', door.name);
    assert.match(String(body['detail']), /"nowhere"/, door.name);
  }
});

test('GET /streams shows the tables that streams without a route have made', needsPython, async (t) => {
  const server = await startDeltaServer(t, 'storage_backend: delta\nstreams: {routed: {}}\n');
  await commit(server, '/ingest/routed', await rows(0));
  await commit(server, '/ingest/free.stream', await rows(0));
  const { body } = await getJson<{ streams: readonly Record<string, unknown>[] }>(server, '/streams');
  assert.deepEqual(
    body.streams.map(({ stream, storage_backend, row_count, schema }) => [
      stream,
      storage_backend,
      row_count,
      (schema as { name: string }[]).map(({ name }) => name),
    ]),
    [
      ['routed', 'delta', 10, ['id']],
      ['free.stream', 'delta', 10, ['id']],
    ],
  );
});

test('versions whose files or whose log are gone are not found', needsPython, async (t) => {
  const server = await startDeltaServer(t);
  for (const from of [0, 10, 20]) await commit(server, '/delta/t?mode=overwrite', await rows(from));
  const door = httpDoor(server);
  const listed = await door.run('vacuum', 't', { retention_hours: 0, force: true });
  const files = listed.body['files'] as string[];
  assert.equal(files.length, 2);
  for (const file of files) assert.match(file, /^part-[^/]+\.parquet$/);
  const done = await door.run('vacuum', 't', { retention_hours: 0, force: true, dry_run: false });
  assert.deepEqual([...(done.body['files'] as string[])].sort(), [...files].sort());
  for (const { name, run } of [door, flightDoor(server)]) {
    assert.equal((await run('restore', 't', { version: 0 })).code, 'VERSION_NOT_FOUND', name);
  }
  const read = await fetch(`${server.url}/delta/t/version/0`);
  assert.deepEqual([read.status, await codeOf(read)], [404, 'VERSION_NOT_FOUND']);
  await door.run('checkpoint', 't');
  await rm(join(server.tablePath('t'), '_delta_log', '00000000000000000000.json'));
  const early = await fetch(`${server.url}/delta/t/version/1`);
  assert.deepEqual([early.status, await codeOf(early)], [404, 'VERSION_NOT_FOUND']);
  assert.equal((await fetch(`${server.url}/delta/t/rows`)).status, 200);
});

test('HEAD answers the headers of the rows, and what is wrong with the request', needsPython, async (t) => {
  const server = await startDeltaServer(t);
  await commit(server, '/delta/t', await rows(0));
  const head = await fetch(`${server.url}/delta/t/rows`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('arrowport-table-version')], [200, '0']);
  assert.equal((await head.arrayBuffer()).byteLength, 0);
  for (const [path, status] of [
    ['/delta/nowhere/rows', 404],
    ['/delta/t/version/9', 404],
    ['/delta/t/rows?columns=nothing', 422],
  ] as const) {
    assert.equal((await fetch(`${server.url}${path}`, { method: 'HEAD' })).status, status, path);
  }
});

test('refused Flight actions are counted among the errors', needsPython, async (t) => {
  const server = await startDeltaServer(t);
  const count = async () => (await scrape(server)).sum('arrowport_errors_total', 'TABLE_NOT_FOUND');
  assert.equal(await count(), 0);
  await flightDoor(server).run('info', 'nowhere');
  assert.equal(await count(), 1);
});

async function codeOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { code: string }).code;
}
