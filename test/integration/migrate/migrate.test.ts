import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { cleanEnvironment, mainPath, runCli } from '../../unit/cli/run-cli.ts';

const program = join(repositoryRoot, 'test/integration/migrate/migrate_tables.py');
const skip = skipWithoutPython;

interface Report {
  readonly rows: number;
  readonly rows_resumed: number;
  readonly already_done: boolean;
  readonly parts: number;
}

interface Comparison {
  readonly missing: number;
  readonly surplus: number;
  readonly same_types: boolean;
  readonly rows: number;
  readonly stages: number;
}

interface Readers {
  readonly differing: readonly string[];
  readonly by_deltalake: number;
  readonly by_polars: number;
  readonly rows: number;
}

/** A folder with `db.duckdb`, and the command line working in it. */
async function openFolder(t: TestContext, rows: number) {
  const folder = makeTempFolder(t);
  const db = join(folder, 'db.duckdb');
  await runPythonJson(program, ['make', db, String(rows)]);
  const run = (...args: string[]) => runCli(['migrate', ...args, '--db', 'db.duckdb'], { cwd: folder });
  const done = async (...args: string[]) => {
    const result = await run(...args, '--json');
    assert.equal(result.code, 0, result.stderr);
    return JSON.parse(result.stdout) as Report;
  };
  const same = (one: string, other: string) => runPythonJson<Comparison>(program, ['same', db, one, other]);
  return { folder, db, run, done, same };
}

/** Starts a migration and kills it as soon as `isUnderWay`. */
async function killHalfWay(
  folder: string,
  args: readonly string[],
  isUnderWay: () => boolean,
): Promise<void> {
  const child = spawn(process.execPath, [mainPath, 'migrate', ...args, '--db', 'db.duckdb'], {
    cwd: folder,
    env: cleanEnvironment(),
    stdio: 'ignore',
    detached: true,
  });
  // Whoever waits for its half-way must not be slower than it.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const ended = new Promise((resolve) => child.once('close', resolve));
  while (child.exitCode === null && !isUnderWay()) await sleep(5);
  assert.equal(child.exitCode, null, 'the migration was over before it could be killed');
  child.kill('SIGKILL');
  await ended;
}

const countCommits = (folder: string, table: string) => {
  const log = join(folder, 'delta_tables', table, '_delta_log');
  return existsSync(log) ? readdirSync(log).filter((name) => name.endsWith('.json')).length : 0;
};

test('every type comes to Delta exactly, is read so by three readers, and comes back as it was', {
  skip,
}, async (t) => {
  const { folder, db, done, run, same } = await openFolder(t, 10);
  assert.equal((await done('duckdb:types', 'delta:types')).rows, 101);
  const uri = join(folder, 'delta_tables/types');
  const { differing, by_deltalake, by_polars, rows } = await runPythonJson<Readers>(program, [
    'readers',
    db,
    'types',
    uri,
  ]);
  assert.deepEqual(
    { differing, by_deltalake, by_polars, rows },
    { differing: [], by_deltalake: 0, by_polars: 0, rows: 101 },
  );

  assert.equal((await done('delta:types', 'duckdb:back.types')).rows, 101);
  const expected = { missing: 0, surplus: 0, same_types: true, rows: 101, stages: 0 };
  assert.deepEqual(await same('types', 'back.types'), expected);

  const again = await run('duckdb:types', 'delta:types');
  assert.equal(again.stdout, 'already done: delta:types has the 101 rows of duckdb:types\n');
  assert.equal((await done('delta:types', 'duckdb:back.types')).already_done, true);
  assert.deepEqual(await same('types', 'back.types'), expected);

  assert.equal((await done('duckdb:empty', 'delta:empty')).rows, 0);
  assert.equal((await done('delta:empty', 'duckdb:empty2')).rows, 0);
  assert.equal((await same('empty', 'empty2')).same_types, true);
});

test('what Delta cannot hold is refused with the name of its column, before anything is written', {
  skip,
}, async (t) => {
  const { folder, run } = await openFolder(t, 10);
  for (const [table, column] of [
    ['nanos', 'x'],
    ['unions', 'y'],
    ['huge', 'z'],
  ]) {
    const { code, stderr } = await run(`duckdb:${table}`, `delta:${table}`);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^refused: TYPE_UNSUPPORTED: .*column "${column}"[^\\n]*\\n$`, 'i'));
    assert.equal(countCommits(folder, table ?? ''), 0);
  }
});

test('a command that cannot be carried out says why in one line', { skip }, async (t) => {
  const { run, done, folder } = await openFolder(t, 10);
  const refused = async (pattern: RegExp, code: number, ...args: string[]) => {
    const result = await run(...args);
    assert.match(result.stderr, pattern);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1);
    assert.equal(result.code, code);
  };
  await refused(/TABLE_NOT_FOUND: There is no table "nope"/, 1, 'duckdb:nope', 'delta:nope');
  await refused(/TABLE_NOT_FOUND/, 1, 'delta:nope', 'duckdb:nope');
  await refused(/is a view/, 1, 'duckdb:a_view', 'delta:a_view');
  await refused(/^usage: .*one table of each/, 2, 'duckdb:a', 'duckdb:b');
  await refused(/^usage: .*names no table/, 2, 'sales', 'delta:b');
  await refused(/^usage: .*no Delta table name/, 2, 'duckdb:empty', 'delta:../up');
  await refused(/^usage: .*exclude each other/, 2, 'duckdb:a', 'delta:b', '--append', '--overwrite');
  await refused(/names no column|partition/i, 1, 'duckdb:empty', 'delta:e', '--partition-by', 'nope');
  const missing = await runCli(['migrate', 'duckdb:a', 'delta:a', '--db', 'other.duckdb'], { cwd: folder });
  assert.match(missing.stderr, /^refused: TABLE_NOT_FOUND: There is no database [^\n]*\n$/);
  assert.ok(!existsSync(join(folder, 'other.duckdb')));
  await done('duckdb:types', 'delta:types');
  await refused(/VERSION_NOT_FOUND/, 1, 'delta:types', 'duckdb:t2', '--version', '9');
});

test('a target that has rows is left alone, appended to, or replaced, as it is asked', {
  skip,
}, async (t) => {
  const { run, done, same } = await openFolder(t, 5000);
  await done('duckdb:sales.orders', 'delta:orders', '--partition-by', 'region');
  const refusal = await run('duckdb:empty', 'delta:orders');
  assert.match(refusal.stderr, /^refused: TABLE_EXISTS: delta:orders has rows/);
  await done('delta:orders', 'duckdb:copy');
  assert.match((await run('delta:types', 'duckdb:copy')).stderr, /TABLE_NOT_FOUND/);
  await done('duckdb:types', 'delta:types');
  assert.match((await run('delta:types', 'duckdb:copy')).stderr, /TABLE_EXISTS/);
  assert.match((await run('delta:types', 'duckdb:copy', '--append')).stderr, /SCHEMA_MISMATCH: .*"ti"/);
  assert.equal((await same('sales.orders', 'copy')).stages, 0);

  const replaced = await done('duckdb:types', 'delta:orders', '--overwrite', '--partition-by', 'ut');
  assert.equal(replaced.rows, 101);
  await done('delta:orders', 'duckdb:types2');
  assert.equal((await same('types', 'types2')).missing, 0);

  await done('delta:orders', 'duckdb:types', '--append');
  assert.deepEqual(await same('types2', 'types'), {
    missing: 0,
    surplus: 101,
    same_types: true,
    rows: 202,
    stages: 0,
  });
  await done('delta:orders', 'duckdb:copy', '--version', '0', '--overwrite');
  assert.equal((await same('sales.orders', 'copy')).surplus, 0);
});

test('a migration to Delta that was killed goes on where it ended', { skip }, async (t) => {
  const { folder, done, same } = await openFolder(t, 200_000);
  const args = ['duckdb:sales.orders', 'delta:orders', '--part-rows', '20000'];
  await killHalfWay(folder, args, () => countCommits(folder, 'orders') >= 3);
  const before = countCommits(folder, 'orders');
  const report = await done(...args);
  assert.equal(report.rows, 199_800);
  assert.ok(report.rows_resumed >= 3 * 19_980, `${report.rows_resumed} rows were there`);
  assert.ok(before < 10 && countCommits(folder, 'orders') === 10);
  await done('delta:orders', 'duckdb:copy');
  const { missing, surplus, rows } = await same('sales.orders', 'copy');
  assert.deepEqual({ missing, surplus, rows }, { missing: 0, surplus: 0, rows: 199_800 });
});

test('a migration from Delta that was killed goes on where it ended', { skip }, async (t) => {
  const { folder, db, done, run, same } = await openFolder(t, 200_000);
  await done('duckdb:sales.orders', 'delta:orders', '--part-rows', '20000');
  const args = ['delta:orders', 'duckdb:copy', '--part-rows', '20000'];
  const size = () => statSync(db).size + (existsSync(`${db}.wal`) ? statSync(`${db}.wal`).size : 0);
  const start = size();
  await killHalfWay(folder, args, () => size() > start + 4_000_000);
  const report = await done(...args);
  assert.equal(report.rows, 199_800);
  assert.ok(report.rows_resumed > 0);
  const { missing, surplus, stages } = await same('sales.orders', 'copy');
  assert.deepEqual({ missing, surplus, stages }, { missing: 0, surplus: 0, stages: 0 });
  assert.match((await run(...args)).stdout, /^already done/);
});

test('rows that were taken away after they had been copied are missed, and copied again', {
  skip,
}, async (t) => {
  const { folder, db, done, run, same } = await openFolder(t, 200_000);
  const duckdb = (sql: string) =>
    runPythonJson(
      `import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); c.close(); print(1)`,
      [db, sql],
    );
  await done('duckdb:sales.orders', 'delta:orders', '--part-rows', '20000');
  const size = () => statSync(db).size + (existsSync(`${db}.wal`) ? statSync(`${db}.wal`).size : 0);
  const start = size();
  const back = ['delta:orders', 'duckdb:copy', '--part-rows', '20000'];
  await killHalfWay(folder, back, () => size() > start + 4_000_000);
  const stage = await runPythonJson<string>(
    `import duckdb, json, sys; print(json.dumps(duckdb.connect(sys.argv[1]).execute("select table_name from duckdb_tables() where table_name like '%migrating%'").fetchone()[0]))`,
    [db],
  );
  await duckdb(`delete from "${stage}" where id % 2 = 0`);
  assert.match((await run(...back)).stderr, /^refused: COMMIT_CONFLICT: /);
  await duckdb('create table copy as select * from sales.orders limit 3');
  assert.match((await run(...back)).stderr, /^refused: TABLE_EXISTS: /);
  await duckdb('delete from copy');
  const again = await done(...back);
  assert.deepEqual([again.rows, again.rows_resumed], [199_800, 0]);
  const { missing, surplus, stages } = await same('sales.orders', 'copy');
  assert.deepEqual({ missing, surplus, stages }, { missing: 0, surplus: 0, stages: 0 });

  await runPythonJson(
    `import sys; from deltalake import DeltaTable; DeltaTable(sys.argv[1]).delete('id < 10'); print(1)`,
    [join(folder, 'delta_tables/orders')],
  );
  const fewer = await run('duckdb:sales.orders', 'delta:orders', '--part-rows', '20000');
  assert.match(fewer.stderr, /^refused: TABLE_EXISTS: .* has fewer now: .*--overwrite/);
  assert.equal((await done('duckdb:sales.orders', 'delta:orders', '--overwrite')).rows, 199_800);
});

test('a server migrates between its own tables, and its file is left to it', { skip }, async (t) => {
  const server = await startServer(t, { config: 'db_path: ./db.duckdb\n' });
  await server.stop();
  await runPythonJson(program, ['make', server.dbPath, '20000']);
  await server.restart();
  const cwd = server.folder;
  const locked = await runCli(['migrate', 'duckdb:types', 'delta:types', '--db', 'db.duckdb'], { cwd });
  assert.match(locked.stderr, /^refused: BACKEND_UNAVAILABLE: .* is open in another process: .*--url/);
  const run = (...args: string[]) => runCli(['migrate', ...args, '--url', server.url], { cwd });
  const done = async (...args: string[]) => {
    const result = await run(...args);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  assert.match(
    await done('duckdb:types', 'delta:types'),
    /^migrated: 101 rows from duckdb:types to delta:types: /,
  );
  assert.match(await done('duckdb:types', 'delta:types'), /^already done/);
  await done('duckdb:sales.orders', 'delta:orders', '--part-rows', '5000');
  await done('delta:types', 'duckdb:back.types');
  await done('delta:orders', 'duckdb:copy');
  assert.match((await run('duckdb:nanos', 'delta:nanos')).stderr, /^refused: TYPE_UNSUPPORTED/);
  const problem = JSON.parse((await run('duckdb:types', 'delta:orders', '--json')).stderr) as {
    code: string;
  };
  assert.equal(problem.code, 'TABLE_EXISTS');
  assert.equal(
    (await runCli(['migrate', 'duckdb:a', 'delta:a', '--url', 'http://127.0.0.1:1'], { cwd })).code,
    3,
  );
  const stream = (await (await fetch(`${server.url}/streams/copy`)).json()) as { row_count: number };
  assert.equal(stream.row_count, 19_980);
  const refused = await fetch(`${server.url}/admin/migrate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"source":"duckdb:types"}',
  });
  assert.equal(refused.status, 422);
  await server.stop();
  const same = (one: string, other: string) =>
    runPythonJson<Comparison>(program, ['same', server.dbPath, one, other]);
  assert.equal((await same('types', 'back.types')).missing, 0);
  assert.equal((await same('sales.orders', 'copy')).missing, 0);
});
