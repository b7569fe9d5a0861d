import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPython, runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runCli } from './run-cli.ts';

const makeRows = `
import polars as pl
pl.DataFrame({'id': [1, 2**60, 3], 'kind': ['a', 'b', 'a'], 'tags': [['x', 'y'], None, ['z']]}).write_ipc_stream('rows.arrow')
`;

const config = `streams:
  events:
    storage_backend: delta
    target_table: events
    delta_options: {partition_by: [kind]}
`;

test('every delta command against a server and its table', { skip: skipWithoutPython }, async (t) => {
  const server = await startServer(t, { config });
  const cwd = server.folder;
  assert.equal((await runPython(makeRows, [], { cwd })).code, 0);
  const run = (...args: string[]) => runCli([...args, '--url', server.url], { cwd });
  const done = async (...args: string[]) => {
    const result = await run(...args);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  await done('ingest', 'events', 'rows.arrow');
  await done('ingest', 'events', 'rows.arrow');

  assert.match(await done('delta', 'list'), /^events\t1\t4\t\d+\t6$/m);
  const info = await done('delta', 'info', 'events');
  assert.match(info, /^partitions\tkind$/m);
  assert.match(info, /^tags\tarray<string>\tyes$/m);
  assert.match(await done('delta', 'history', 'events', '--limit', '1'), /^1\t2\S+Z\tWRITE\t\S/m);

  const first = await done('delta', 'read', 'events', '--version', '0', '--filter', "kind = 'b'");
  assert.equal(first, 'id\tkind\ttags\n1152921504606846976\tb\tNULL\n');
  const json = JSON.parse(await done('delta', 'read', 'events', '--json', '--limit', '2')) as unknown[];
  assert.equal(json.length, 2);
  for (const name of ['rows.parquet', 'rows.csv', 'back.arrow']) {
    assert.equal(await done('delta', 'read', 'events', '--columns', 'id', '--output', name), '');
  }
  assert.deepEqual(
    await runPythonJson<number[]>(
      "import polars as pl, json; print(json.dumps([pl.read_parquet('rows.parquet').height, pl.read_csv('rows.csv').height, pl.read_ipc_stream('back.arrow').height]))",
      [],
      { cwd },
    ),
    [6, 6, 6],
  );
  assert.match(readFileSync(join(cwd, 'rows.csv'), 'utf8'), /^1152921504606846976$/m);

  assert.match(await done('delta', 'optimize', 'events', '--partition', 'kind=a'), /^version\t2$/m);
  assert.match(await done('delta', 'z-order', 'events', '--columns', 'id'), /^changed\tyes$/m);
  assert.match(await done('delta', 'restore', 'events', '0'), /^restored_version\t0$/m);
  assert.match(await done('delta', 'checkpoint', 'events'), /^version\t\d+$/m);
  assert.equal(await done('delta', 'vacuum', 'events'), 'file\n');
  const early = await run('delta', 'vacuum', 'events', '--retention-hours', '0', '--no-dry-run');
  assert.equal(early.code, 1);
  assert.match(early.stderr, /^refused: OPTION_INVALID: /);
  const forced = await run('delta', 'vacuum', 'events', '--retention-hours', '0', '--no-dry-run', '--force');
  assert.equal(forced.code, 0);
  assert.match(forced.stderr, /^\d+ files? deleted\n$/);

  await changeTable(done, run, cwd);

  assert.match((await run('delta', 'read', 'nope')).stderr, /^refused: TABLE_NOT_FOUND: /);
  assert.match((await run('delta', 'read', 'events', '--version', '99')).stderr, /VERSION_NOT_FOUND/);
  assert.match((await run('delta', 'read', 'events', '--filter', 'nope =')).stderr, /OPTION_INVALID/);
});

type Run = (...args: string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>;

async function changeTable(
  done: (...args: string[]) => Promise<string>,
  run: Run,
  cwd: string,
): Promise<void> {
  writeFileSync(join(cwd, 'kept.csv'), 'id,name,ms\n1,a,0.5\n2,b,\n3,c,2\n');
  writeFileSync(join(cwd, 'new.csv'), 'id,name,ms\n3,C,9\n4,d,4\n');
  const write = ['delta', 'write', 'kept', 'kept.csv'];
  assert.match(
    await done(...write, '--partition-by', 'name', '--idempotency-key', 'k'),
    /3 rows in kept, version 0/,
  );
  assert.match(
    await done(...write, '--idempotency-key', 'k'),
    /^already committed: 3 rows in kept, version 0/,
  );
  const set = [
    '--set',
    'delta.enableChangeDataFeed=true',
    '--set',
    'delta.logRetentionDuration=interval 9 days',
  ];
  assert.match(await done('delta', 'properties', 'kept', ...set), /^version\t1$/m);
  assert.match(
    await done('delta', 'update', 'kept', '--set', 'ms=id * 10', '--predicate', 'ms IS NULL'),
    /^version\t2$/m,
  );
  assert.match(await done('delta', 'merge', 'kept', 'new.csv', '--on', 'id'), /2 rows in kept, version 3/);
  assert.match(await done('delta', 'delete', 'kept', '--predicate', 'id = 1'), /^num_deleted_rows\t1$/m);
  const rows = (await done('delta', 'read', 'kept')).trim().split('\n').slice(1).sort();
  assert.deepEqual(rows, ['2\tb\t20.0', '3\tC\t9.0', '4\td\t4.0']);
  const changes = JSON.parse(
    await done('delta', 'changes', 'kept', '--from', '2', '--to', '3', '--json'),
  ) as {
    readonly _change_type: string;
    readonly id: number;
  }[];
  assert.deepEqual(changes.map(({ id, _change_type: kind }) => `${id} ${kind}`).sort(), [
    '2 update_postimage',
    '2 update_preimage',
    '3 update_postimage',
    '3 update_preimage',
    '4 insert',
  ]);
  await done('delta', 'write', 'kept', 'new.csv', '--mode', 'overwrite', '--predicate', 'id >= 3');
  assert.equal(
    (JSON.parse(await done('delta', 'info', 'kept', '--json')) as { row_count: number }).row_count,
    3,
  );
  assert.match(await done('delta', 'clean-log', 'kept'), /^version\t\d+$/m);
  for (const [args, code, said] of [
    [['delete', 'kept', '--predicate', 'no such ('], 1, /OPTION_INVALID/],
    [['delete', 'kept'], 2, /--predicate/],
    [['update', 'kept', '--set', 'nothing=1'], 1, /OPTION_INVALID/],
    [['update', 'kept', '--set', 'nonsense'], 2, /name=value/],
    [['merge', 'kept', 'new.csv', '--on', 'nothing'], 1, /OPTION_INVALID/],
    [['properties', 'kept', '--set', 'delta.nonsense=1'], 1, /OPTION_INVALID/],
    [['changes', 'events'], 1, /OPTION_INVALID/],
    [['clean-log', 'nope'], 1, /TABLE_NOT_FOUND/],
    [['write', '../x', 'new.csv'], 1, /STREAM_NAME_INVALID/],
    [['write', 'kept', 'absent.csv'], 1, /absent\.csv/],
  ] as const) {
    const refused = await run('delta', ...args);
    assert.equal(refused.code, code, `${args.join(' ')}: ${refused.stderr}`);
    assert.match(refused.stderr, said);
  }
}
