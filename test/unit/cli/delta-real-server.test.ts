import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

  assert.match((await run('delta', 'read', 'nope')).stderr, /^refused: TABLE_NOT_FOUND: /);
  assert.match((await run('delta', 'read', 'events', '--version', '99')).stderr, /VERSION_NOT_FOUND/);
  assert.match((await run('delta', 'read', 'events', '--filter', 'nope =')).stderr, /OPTION_INVALID/);
});
