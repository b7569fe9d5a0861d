import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { askTable } from '../delta/python-readers.ts';
import {
  commit,
  createCleanups,
  type DeltaServer,
  flightDoor,
  httpDoor,
  startDeltaServer,
  type VerbDoor,
} from './delta-server.ts';

const source = (from: number) =>
  `table = pa.table({"id": np.arange(${from}, ${from + 100}), "part": ["a", "b"] * 50, "v": np.arange(100) / 4})`;

describe('every verb', { skip: skipWithoutPython }, () => {
  let server: DeltaServer;
  const cleanups = createCleanups();
  before(async () => {
    server = await startDeltaServer(cleanups);
  });
  after(() => cleanups.run());

  const doors: readonly (readonly [string, () => VerbDoor])[] = [
    ['http', () => httpDoor(server)],
    ['flight', () => flightDoor(server)],
  ];
  for (const [kind, open] of doors) {
    test(`describes, looks after and changes a table over ${kind}`, async () => {
      const door = open();
      const table = `verbs_${kind}`;
      for (const from of [0, 100, 200])
        await commit(server, `/delta/${table}?partition_by=part`, await arrowBytes(source(from)));
      const run = async (verb: string, options?: object) => {
        const { code, body } = await door.run(verb, table, options);
        assert.equal(code, null, `${verb}: ${JSON.stringify(body)}`);
        return body;
      };

      const { tables } = (await run('list')) as { tables: { name: string }[] };
      const listed = tables.find(({ name }) => name === table);
      assert.deepEqual(Object.keys(listed ?? {}), ['name', 'version', 'files', 'bytes', 'rows']);
      const info = await run('info');
      assert.deepEqual(
        [info['table'], info['version'], info['file_count'], info['row_count'], info['partitions']],
        [table, 2, 6, 300, ['part']],
      );
      assert.ok(Number(info['total_size_bytes']) > 0);
      assert.deepEqual(
        (info['schema'] as { fields: { name: string }[] }).fields.map(({ name }) => name),
        ['id', 'part', 'v'],
      );
      const { history } = (await run('history', { limit: 2 })) as { history: { version: number }[] };
      assert.deepEqual(
        history.map(({ version }) => version),
        [2, 1],
      );

      const optimized = await run('optimize', { partition: { part: 'a' } });
      assert.deepEqual([optimized['version'], optimized['changed']], [3, true]);
      assert.equal((await run('info'))['file_count'], 4);
      assert.equal((await run('z-order', { columns: ['id'] }))['changed'], true);
      assert.deepEqual(await run('vacuum'), { files: [], deleted: 0, dry_run: true });
      const listedOnly = await run('vacuum', { retention_hours: 0, force: true });
      assert.ok((listedOnly['files'] as string[]).length >= 6);
      assert.equal(listedOnly['deleted'], 0);

      const deleted = await run('delete', { predicate: "id < 10 and part = 'a'" });
      assert.equal((deleted['metrics'] as Record<string, unknown>)['num_deleted_rows'], 5);
      assert.equal((await run('delete', { predicate: 'id < 0' }))['changed'], false);
      const updated = await run('update', { updates: { v: 'v + 1000' }, predicate: 'id >= 290' });
      assert.equal((updated['metrics'] as Record<string, unknown>)['num_updated_rows'], 10);
      assert.deepEqual(
        await askTable(
          server.tablePath(table),
          'answer = [len(rows), min(r["id"] for r in rows), sum(r["v"] > 999 for r in rows)]',
        ),
        [295, 1, 10],
      );

      const restored = await run('restore', { version: 2 });
      assert.equal(restored['restored_version'], 2);
      assert.equal((await run('info'))['row_count'], 300);
      const { version } = await run('checkpoint');
      assert.equal(version, restored['version']);
      assert.equal((await run('clean-log'))['version'], version);
      const set = await run('properties', {
        properties: { 'delta.logRetentionDuration': 'interval 3 days' },
      });
      assert.equal(
        (set['properties'] as Record<string, string>)['delta.logRetentionDuration'],
        'interval 3 days',
      );
      const vacuumed = await run('vacuum', { retention_hours: 0, force: true, dry_run: false });
      assert.equal(vacuumed['deleted'], (vacuumed['files'] as string[]).length);
      assert.ok(Number(vacuumed['deleted']) > 0);
      const again = { retention_hours: 0, force: true, dry_run: false };
      assert.deepEqual(await run('vacuum', again), { files: [], deleted: 0, dry_run: false });
      assert.deepEqual((await run('vacuum', { retention_hours: Number.MAX_SAFE_INTEGER }))['files'], []);
      assert.deepEqual(await askTable(server.tablePath(table), 'answer = len(rows)'), 300);
    });

    test(`refuses what cannot be done over ${kind}, and changes nothing`, async () => {
      const door = open();
      const table = `refused_${kind}`;
      await commit(server, `/delta/${table}`, await arrowBytes(source(0)));
      const cases: readonly (readonly [string, string, object, string])[] = [
        ['info', 'nowhere', {}, 'TABLE_NOT_FOUND'],
        ['info', '../etc', {}, 'STREAM_NAME_INVALID'],
        ['info', '_delta_log', {}, 'OPTION_INVALID'],
        ['history', 'nowhere', {}, 'TABLE_NOT_FOUND'],
        ['vacuum', table, { retention_hours: 1 }, 'OPTION_INVALID'],
        ['vacuum', table, { dryrun: true }, 'OPTION_INVALID'],
        ['vacuum', table, { dry_run: 'no' }, 'OPTION_INVALID'],
        ['optimize', table, { target_size: 0 }, 'OPTION_INVALID'],
        ['optimize', table, { partition: { part: 'a' } }, 'OPTION_INVALID'],
        ['z-order', table, {}, 'OPTION_INVALID'],
        ['z-order', table, { columns: ['nothing'] }, 'OPTION_INVALID'],
        ['restore', table, {}, 'OPTION_INVALID'],
        ['restore', table, { version: 0, timestamp: '2020-01-01T00:00:00Z' }, 'OPTION_INVALID'],
        ['restore', table, { version: 41 }, 'VERSION_NOT_FOUND'],
        ['delete', table, {}, 'OPTION_INVALID'],
        ['delete', table, { predicate: 'id = = 1' }, 'OPTION_INVALID'],
        ['delete', table, { predicate: 'id in (select 1)' }, 'OPTION_INVALID'],
        // What the engine would take for every row, and what it gives up on once it meets rows.
        ...[
          '1',
          "'x'",
          'id',
          'nothing = 1',
          'id = 1e400',
          "id < date '2026-01-01'",
          'id = (1, 2)',
          'part.x = 1',
          'id / 0 = 1',
        ].map((predicate) => ['delete', table, { predicate }, 'OPTION_INVALID'] as const),
        ['update', table, { updates: { v: '1' }, predicate: '1' }, 'OPTION_INVALID'],
        ['update', table, { updates: { v: "'x'" } }, 'OPTION_INVALID'],
        ['vacuum', table, { retention_hours: 1.5 }, 'OPTION_INVALID'],
        ['properties', table, { properties: { 'delta.checkpointInterval': 'often' } }, 'OPTION_INVALID'],
        ['properties', table, { properties: { 'delta.minReaderVersion': '3' } }, 'OPTION_INVALID'],
        ['delete', 'nowhere', { predicate: 'true' }, 'TABLE_NOT_FOUND'],
        ['update', table, { updates: {} }, 'OPTION_INVALID'],
        ['update', table, { updates: { nothing: '1' } }, 'OPTION_INVALID'],
        ['properties', table, { properties: {} }, 'OPTION_INVALID'],
        ['checkpoint', table, { now: true }, 'OPTION_INVALID'],
      ];
      for (const [verb, name, options, code] of cases) {
        const refused = await door.run(verb, name, options);
        assert.equal(
          refused.code,
          code,
          `${verb} ${JSON.stringify(options)}: ${JSON.stringify(refused.body)}`,
        );
      }
      assert.deepEqual((await door.run('info', table)).body['version'], 0);
    });
  }

  test('a body that is no JSON object is refused, and one of another type', async () => {
    const post = async (body: string, type: string) => {
      const response = await fetch(`${server.url}/delta/any/optimize`, {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
      return ((await response.json()) as Record<string, unknown>)['code'];
    };
    assert.equal(await post('{', 'application/json'), 'OPTION_INVALID');
    assert.equal(await post('[]', 'application/json'), 'OPTION_INVALID');
    assert.equal(await post('a: 1', 'text/yaml'), 'MEDIA_TYPE_UNSUPPORTED');
    assert.equal(await post(`"${'x'.repeat(1 << 20)}"`, 'application/json'), 'BODY_TOO_LARGE');
  });
});
