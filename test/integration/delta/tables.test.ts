import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadOptions } from '../../../src/core/delta.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { collect, loadBytes, startDeltaBackend } from './delta-support.ts';

const context = { requestId: 'test' };

async function refused(
  code: ErrorCode,
  run: () => Promise<unknown>,
  ...texts: readonly string[]
): Promise<void> {
  await assert.rejects(
    async () => run(),
    (error: unknown) => {
      assert.ok(error instanceof ArrowportError, String(error));
      assert.equal(error.code, code, error.message);
      for (const text of texts) assert.ok(error.message.includes(text), error.message);
      return true;
    },
  );
}

const rowsOf = (from: number, count: number) =>
  arrowBytes(
    `table = pa.table({'id': pa.array(range(${from}, ${from + count})), 'name': ['n' + str(i) for i in range(${from}, ${from + count})]})`,
  );

describe('Delta tables', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });
  const { tables } = backend;
  const text = async (table: string, options: ReadOptions) =>
    (await collect((await tables.read(table, { format: 'csv', ...options }, context)).bytes))
      .toString()
      .trim();

  it('are listed with version, files, bytes and rows, and what is no table is left out', async () => {
    await loadBytes(backend, 'listed', await rowsOf(0, 3));
    mkdirSync(join(root, 'no_table'));
    writeFileSync(join(root, 'a_file'), '');
    const [listed, ...others] = await tables.list(context);
    assert.deepEqual({ ...listed, bytes: 0 }, { name: 'listed', version: 0, files: 1, bytes: 0, rows: 3 });
    assert.equal(others.length, 0);
    await refused('TABLE_NOT_FOUND', () => tables.info('no_table', context));
  });

  it('tell their history, newest first', async () => {
    await loadBytes(backend, 'storied', await rowsOf(0, 3));
    await tables.delete('storied', { predicate: 'id = 1' }, context);
    const { table, history } = await tables.history('storied', null, context);
    assert.equal(table, 'storied');
    assert.deepEqual(
      history.map((commit) => [commit['version'], commit['operation']]),
      [
        [1, 'DELETE'],
        [0, 'WRITE'],
      ],
    );
    assert.equal((await tables.history('storied', 1, context)).history.length, 1);
  });

  it('are read by version and by time, with columns, filter and limit', async () => {
    await loadBytes(backend, 'timed', await rowsOf(0, 2));
    await sleep(1100);
    const between = new Date().toISOString();
    await sleep(20);
    await loadBytes(backend, 'timed', await rowsOf(2, 2));
    assert.equal((await text('timed', {})).split('\n').length, 5);
    assert.equal((await text('timed', { version: 0 })).split('\n').length, 3);
    assert.equal((await text('timed', { timestamp: between })).split('\n').length, 3);
    assert.equal(await text('timed', { filter: `id > 2 AND name LIKE 'n%'`, columns: ['name'] }), 'name\nn3');
    assert.equal((await text('timed', { limit: 1 })).split('\n').length, 2);
    assert.equal((await text('timed', { limit: 0 })).split('\n').length <= 1, true);
    await refused('VERSION_NOT_FOUND', () => tables.read('timed', { version: 99 }, context), '99');
    await refused('VERSION_NOT_FOUND', () =>
      tables.read('timed', { timestamp: '1999-01-01T00:00:00Z' }, context),
    );
    await refused('OPTION_INVALID', () => tables.read('timed', { timestamp: 'yesterday' }, context));
    await refused('OPTION_INVALID', () => tables.read('timed', { columns: ['nope'] }, context), 'nope');
  });

  it('go out as Arrow, NDJSON, CSV and Parquet with the same rows', async (t) => {
    await loadBytes(backend, 'formats', await rowsOf(0, 1000));
    const folder = makeTempFolder(t);
    const paths: string[] = [];
    for (const format of ['arrow', 'ndjson', 'csv', 'parquet'] as const) {
      const path = join(folder, format);
      writeFileSync(path, await collect((await tables.read('formats', { format }, context)).bytes));
      paths.push(path);
    }
    const answer = await runPythonJson<unknown>(
      `import sys, json, os, polars as pl
a, n, c, p = sys.argv[1:5]
frames = [pl.read_ipc_stream(a), pl.read_ndjson(n), pl.read_csv(c), pl.read_parquet(p)]
first = frames[0].select('id', 'name').sort('id')
print(json.dumps([first.height, [f.select('id', 'name').sort('id').equals(first) for f in frames]]), flush=True)
os._exit(0)`,
      paths,
    );
    assert.deepEqual(answer, [1000, [true, true, true, true]]);
  });

  it('refuse filters that are no expressions over their columns', async () => {
    await loadBytes(backend, 'guarded', await rowsOf(0, 3));
    const bad = [
      'id = (select 1)',
      'id in (select id from guarded)',
      'id = 1; drop table guarded',
      "read_parquet('/etc/passwd')",
      'id = 1 -- comment',
      'exists(select 1)',
      'id =',
      'nope = 1',
      '(id = 1',
      '',
      // The engine takes such a text up to the end of its first expression.
      `id >= 0 name = 'n1'`,
      `true 'x'`,
      'id >= 0, id = 1',
      'id >= 0 as found',
      '(id >= 0) id',
      // A gigabyte for each of a few thousand rows at a time.
      `length(repeat('x', 1000000000)) > 0`,
      `length(repeat(repeat(name, 100), 1000)) > 0`,
    ];
    for (const filter of bad)
      await refused('OPTION_INVALID', () => tables.read('guarded', { filter }, context));
    for (const predicate of bad)
      await refused('OPTION_INVALID', () => tables.delete('guarded', { predicate }, context));
    for (const predicate of bad) {
      await refused('OPTION_INVALID', () =>
        tables.update('guarded', { updates: { name: "'changed'" }, predicate }, context),
      );
    }
    const row = await rowsOf(0, 1);
    for (const replacePredicate of bad) {
      await refused('OPTION_INVALID', () =>
        loadBytes(backend, 'guarded', row, { mode: 'overwrite', replacePredicate }),
      );
    }
    for (const expression of ['id name', '1 2', 'id, 1', '1 as x', 'id +']) {
      await refused('OPTION_INVALID', () =>
        tables.update('guarded', { updates: { id: expression } }, context),
      );
    }
    assert.equal((await tables.info('guarded', context)).version, 0);
    assert.equal((await tables.info('guarded', context)).row_count, 3);
  });

  it('are updated and deleted from by predicate', async () => {
    await loadBytes(backend, 'changed', await rowsOf(0, 4));
    const update = await tables.update(
      'changed',
      { updates: { name: "upper(name) || '!'" }, predicate: 'id < 2' },
      context,
    );
    assert.deepEqual([update.version, update.changed, update.metrics['num_updated_rows']], [1, true, 2]);
    assert.deepEqual((await tables.delete('changed', { predicate: 'id >= 100' }, context)).changed, false);
    await tables.delete('changed', { predicate: 'id in (1, 2)' }, context);
    assert.deepEqual((await text('changed', { columns: ['name'] })).split('\n').sort(), [
      'N0!',
      'n3',
      'name',
    ]);
    await tables.delete('changed', { predicate: 'true' }, context);
    assert.equal((await tables.info('changed', context)).row_count, 0);
    await refused('OPTION_INVALID', () => tables.update('changed', { updates: {} }, context));
    await refused(
      'OPTION_INVALID',
      () => tables.update('changed', { updates: { nope: '1' } }, context),
      'nope',
    );
  });

  it('are restored to a version, and their files stay within the retention', async () => {
    await loadBytes(backend, 'restored', await rowsOf(0, 2));
    await loadBytes(backend, 'restored', await rowsOf(2, 2), { mode: 'overwrite' });
    const result = await tables.restore('restored', { version: 0 }, context);
    assert.deepEqual([result.restored_version, result.version], [0, 2]);
    assert.equal(await text('restored', { filter: 'id < 2', columns: ['name'], limit: 1 }), 'name\nn0');
    await refused('VERSION_NOT_FOUND', () => tables.restore('restored', { version: 9 }, context));
    await refused('OPTION_INVALID', () => tables.restore('restored', {}, context));
  });

  it('are vacuumed: dry at first, not below the retention unless forced', async () => {
    await loadBytes(backend, 'swept', await rowsOf(0, 2));
    await loadBytes(backend, 'swept', await rowsOf(2, 2), { mode: 'overwrite' });
    assert.deepEqual(await tables.vacuum('swept', {}, context), { files: [], deleted: 0, dry_run: true });
    await refused(
      'OPTION_INVALID',
      () => tables.vacuum('swept', { retention_hours: 1 }, context),
      '168',
      'force',
    );
    const dry = await tables.vacuum('swept', { retention_hours: 0, force: true }, context);
    assert.deepEqual([dry.files.length, dry.deleted], [1, 0]);
    const wet = await tables.vacuum('swept', { retention_hours: 0, force: true, dry_run: false }, context);
    assert.deepEqual([wet.files, wet.deleted], [dry.files, 1]);
    assert.equal((await tables.info('swept', context)).row_count, 2);
  });

  it('are optimized and z-ordered while they keep their rows', async () => {
    for (let n = 0; n < 6; n++)
      await loadBytes(backend, 'packed', await rowsOf(n * 10, 10), { partitionBy: null });
    const optimized = await tables.optimize('packed', { target_size: 100_000_000 }, context);
    assert.equal(optimized.changed, true);
    assert.equal((await tables.info('packed', context)).file_count, 1);
    const ordered = await tables.zOrder('packed', { columns: ['name', 'id'] }, context);
    assert.equal(ordered.changed, true);
    assert.equal((await tables.info('packed', context)).row_count, 60);
    await refused('OPTION_INVALID', () => tables.zOrder('packed', { columns: [] }, context));
    await refused('OPTION_INVALID', () => tables.zOrder('packed', { columns: ['nope'] }, context), 'nope');
    await refused(
      'OPTION_INVALID',
      () => tables.optimize('packed', { partition: { id: '1' } }, context),
      'id',
    );
  });

  it('tell their changes by version when the feed is on', async () => {
    await loadBytes(backend, 'fed', await rowsOf(0, 2), {
      delta: { tableProperties: { 'delta.enableChangeDataFeed': 'true' } },
    });
    await tables.update('fed', { updates: { name: "'x'" }, predicate: 'id = 1' }, context);
    const feed = await tables.changes('fed', { from: 1, to: 1, format: 'ndjson' }, context);
    const changes = (await collect(feed.bytes))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      changes.map((change) => [change._change_type, change.name, change._commit_version]).sort(),
      [
        ['update_postimage', 'x', 1],
        ['update_preimage', 'n1', 1],
      ],
    );
    await loadBytes(backend, 'unfed', await rowsOf(0, 2));
    await refused('OPTION_INVALID', () => tables.changes('unfed', {}, context), 'change data feed');
    await refused('VERSION_NOT_FOUND', () => tables.changes('fed', { from: 50 }, context));
  });

  it('get a checkpoint every so many commits, and by hand', async () => {
    for (let n = 0; n < 21; n++) await loadBytes(backend, 'pointed', await rowsOf(n, 1));
    const checkpoints = () =>
      readdirSync(join(root, 'pointed', '_delta_log')).filter((name) => name.includes('checkpoint.parquet'))
        .length;
    await waitFor('two checkpoints', () => checkpoints() >= 2);
    assert.equal(checkpoints(), 2);
    await loadBytes(backend, 'pointed', await rowsOf(21, 1));
    assert.deepEqual(await tables.checkpoint('pointed', context), { version: 21 });
    assert.equal(checkpoints(), 3);
    assert.deepEqual(await tables.cleanLog('pointed', context), { version: 21 });
  });

  it('are compacted by themselves when small files gather, and only where that is wanted', async () => {
    const { backend: compacting } = startDeltaBackend({ after }, { autoCompact: true, compactMinFiles: 10 });
    const bytes = await rowsOf(0, 1);
    for (let n = 0; n < 26; n++) {
      await loadBytes(compacting, 'gathered', bytes);
      await loadBytes(compacting, 'left', bytes, { delta: { autoCompact: false } });
    }
    const files = async (table: string) => (await compacting.tables.info(table, context)).file_count;
    await waitFor('a compaction', async () => (await files('gathered')) <= 15);
    assert.equal((await compacting.tables.info('gathered', context)).row_count, 26);
    assert.equal(await files('left'), 26);
  });

  it('are z-ordered by themselves where the route says by which columns', async () => {
    const { backend: ordering } = startDeltaBackend({ after }, { autoCompact: true, compactMinFiles: 4 });
    for (let n = 0; n < 8; n++)
      await loadBytes(ordering, 'ordered', await rowsOf(n, 3), { delta: { zOrderBy: ['id'] } });
    const ordered = async () => {
      const { history } = await ordering.tables.history('ordered', null, context);
      return history.some((entry) => /z.?order/i.test(JSON.stringify(entry)));
    };
    await waitFor('an ordering', ordered);
    assert.equal((await ordering.tables.info('ordered', context)).row_count, 24);
  });

  it('get a checkpoint also where other writers make the commits that one is due at', async () => {
    const { askTable } = await import('./python-readers.ts');
    for (let n = 0; n < 8; n++) await loadBytes(backend, 'shared', await rowsOf(n, 1));
    await askTable(
      join(root, 'shared'),
      `from deltalake import write_deltalake, PostCommitHookProperties
for i in range(5):
    write_deltalake(sys.argv[1], t.to_pyarrow_table(), mode='append', post_commithook_properties=PostCommitHookProperties(create_checkpoint=False))
answer = 0`,
    );
    await loadBytes(backend, 'shared', await rowsOf(9, 1));
    const found = () =>
      readdirSync(join(root, 'shared', '_delta_log')).some((name) => name.includes('checkpoint.parquet'));
    await waitFor('a checkpoint', found);
  });

  it('take properties that Delta knows', async () => {
    await loadBytes(backend, 'tuned', await rowsOf(0, 1));
    const { properties } = await tables.setProperties(
      'tuned',
      { 'delta.logRetentionDuration': 'interval 9 days' },
      context,
    );
    assert.equal(properties['delta.logRetentionDuration'], 'interval 9 days');
    await refused('OPTION_INVALID', () => tables.setProperties('tuned', { 'delta.nope': '1' }, context));
  });

  it('whose log is broken are unavailable, and the others stay', async () => {
    await loadBytes(backend, 'corrupt', await rowsOf(0, 1));
    writeFileSync(
      join(root, 'corrupt', '_delta_log', `${'1'.padStart(20, '0')}.json`),
      '{"this is": no json',
    );
    await refused('BACKEND_UNAVAILABLE', () => tables.info('corrupt', context));
    await refused('BACKEND_UNAVAILABLE', async () => loadBytes(backend, 'corrupt', await rowsOf(0, 1)));
    const summary = (await tables.list(context)).find((table) => table.name === 'corrupt');
    assert.deepEqual(summary, { name: 'corrupt', version: null, files: null, bytes: null, rows: null });
  });

  it('end a read that nobody takes any further', async () => {
    await loadBytes(
      backend,
      'unread',
      await arrowBytes(`table = pa.table({'a': np.random.default_rng(1).integers(0, 2**62, 4_000_000)})`),
    );
    const stream = await tables.read('unread', {}, context);
    for await (const part of stream.bytes) {
      assert.ok(part.length > 0);
      break;
    }
    assert.equal((await tables.info('unread', context)).row_count, 4_000_000);
  });
});

const withoutMounts =
  process.platform !== 'linux' || process.getuid?.() !== 0 ? 'needs to mount a small disk' : false;

describe('a full disk', { skip: skipWithoutPython || withoutMounts }, () => {
  it('is said as such, and nothing of the load stays', async (t) => {
    let remove = () => {};
    const folder = makeTempFolder({
      after: (cleanup) => {
        remove = () => void cleanup();
      },
    });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', folder]);
    if (mounted.status !== 0) return t.skip('mounting is not allowed here');
    t.after(() => {
      spawnSync('umount', ['-l', folder]);
      remove();
    });
    const { backend } = startDeltaBackend(t, { tablePath: folder });
    await loadBytes(backend, 'small', await rowsOf(0, 10));
    const large = await arrowBytes(
      `table = pa.table({'a': np.random.default_rng(1).integers(0, 2**62, 4_000_000)})`,
      { batchRows: 100_000 },
    );
    await refused('BACKEND_UNAVAILABLE', () => loadBytes(backend, 'big', large), 'full');
    await loadBytes(backend, 'small', await rowsOf(0, 10));
    return undefined;
  });
});
