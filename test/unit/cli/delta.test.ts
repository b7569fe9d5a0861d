import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { history, info, rows, startDeltaServer, tables } from './delta-server.ts';
import { runCli } from './run-cli.ts';
import { runOnTerminal } from './terminal.ts';

test('delta list lists tables as tab-separated lines away from a terminal', async (t) => {
  const { url } = await startDeltaServer(t);
  const { code, stdout } = await runCli(['delta', 'list', '--url', url]);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'table\tversion\tfiles\tbytes\trows\nevents\t4\t12\t1234567\t1000000\ntorn\t-\t-\t-\t-\n',
  );
});

test('delta info shows figures, properties and the schema', async (t) => {
  const { url } = await startDeltaServer(t);
  const { code, stdout } = await runCli(['delta', 'info', 'events', '--url', url]);
  assert.equal(code, 0);
  assert.match(stdout, /^rows\t1000000$/m);
  assert.match(stdout, /^partitions\tdate$/m);
  assert.match(stdout, /^delta\.enableChangeDataFeed\ttrue$/m);
  assert.match(stdout, /^column\ttype\tnullable\nid\tlong\tno\ntags\tarray<string>\tyes\ndate\tdate\tyes$/m);
});

test('delta history lists commits with their time', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  const { code, stdout } = await runCli(['delta', 'history', 'events', '--limit', '2', '--url', url]);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'version\ttime\toperation\tparameters\n' +
      '1\t2026-01-05T09:30:00.000Z\tWRITE\tmode=Append\n' +
      '0\t2026-01-05T09:28:20.000Z\tCREATE TABLE\t-\n',
  );
  assert.deepEqual(seen[0]?.query, { limit: '2' });
});

test('--json prints the answer of the server', async (t) => {
  const { url } = await startDeltaServer(t);
  const json = async (...args: string[]) =>
    JSON.parse((await runCli(['delta', ...args, '--json', '--url', url])).stdout) as unknown;
  assert.deepEqual(await json('list'), tables);
  assert.deepEqual(await json('info', 'events'), info);
  assert.deepEqual(await json('history', 'events'), history);
  assert.deepEqual(await json('checkpoint', 'events'), { version: 5 });
});

test('delta read prints rows with every digit of their numbers', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  const args = ['--columns', 'id, name', '--filter', "name = 'ä&b'", '--limit', '7', '--version', '3'];
  const { code, stdout } = await runCli(['delta', 'read', 'events', ...args, '--url', url]);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'id\tname\tx\tok\tat\n9007199254740993\ta b\t1.5\ttrue\tNULL\n2\tc\t0\tfalse\t["p",1]\n',
  );
  assert.equal(seen[0]?.path, '/delta/events/version/3');
  assert.deepEqual(seen[0]?.query, { columns: 'id,name', filter: "name = 'ä&b'", limit: '7' });
});

test('delta read --timestamp asks for the rows of a time', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  await runCli(['delta', 'read', 'events', '--timestamp', '2026-01-05T09:30:00+01:00', '--url', url]);
  assert.equal(seen[0]?.path, '/delta/events/rows');
  assert.deepEqual(seen[0]?.query, { timestamp: '2026-01-05T09:30:00+01:00' });
});

test('delta read --format passes the bytes of the server through', async (t) => {
  const { url } = await startDeltaServer(t);
  for (const [format, type] of [
    ['arrow', 'application/vnd.apache.arrow.stream'],
    ['json', 'application/json'],
    ['csv', 'text/csv'],
    ['parquet', 'application/vnd.apache.parquet'],
  ] as const) {
    const { code, stdout } = await runCli(['delta', 'read', 'events', '--format', format, '--url', url]);
    assert.equal(code, 0);
    assert.equal(stdout, `rows as ${type}`);
  }
});

test('delta read --output writes a file whose name says the format', async (t) => {
  const { url } = await startDeltaServer(t);
  const folder = makeTempFolder(t);
  for (const [name, type] of [
    ['a.parquet', 'application/vnd.apache.parquet'],
    ['a.csv', 'text/csv'],
    ['a.arrow', 'application/vnd.apache.arrow.stream'],
  ] as const) {
    const { code, stdout } = await runCli(['delta', 'read', 'events', '-o', name, '--url', url], {
      cwd: folder,
    });
    assert.equal(code, 0);
    assert.equal(stdout, '');
    assert.equal(readFileSync(join(folder, name), 'utf8'), `rows as ${type}`);
  }
});

test('an answer that breaks off is told and leaves no file', async (t) => {
  const { url } = await startDeltaServer(t);
  const folder = makeTempFolder(t);
  for (const more of [[], ['--format', 'csv'], ['--output', 'a.csv']]) {
    const { code, stderr } = await runCli(['delta', 'read', 'cut', ...more, '--url', url], { cwd: folder });
    assert.equal(code, 3);
    assert.equal(stderr, 'unreachable: the server broke off its answer, so rows are missing: try again\n');
  }
  assert.deepEqual(readdirSync(folder), []);
});

test('an output that cannot be written is told as what it is', async (t) => {
  const { url } = await startDeltaServer(t);
  const { code, stderr } = await runCli(['delta', 'read', 'events', '-o', '/no/such/a.csv', '--url', url]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: there is no folder \/no\/such: .*\n$/);
  const full = await runCli(['delta', 'read', 'events', '-o', '/dev/full', '--url', url]);
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^error: .*no space left on device/);
  const folder = makeTempFolder(t);
  assert.equal((await runCli(['delta', 'read', 'events', '-o', folder, '--url', url])).code, 1);
});

test('delta vacuum is a dry run unless it is told otherwise', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  const dry = await runCli(['delta', 'vacuum', 'events', '--url', url]);
  assert.equal(dry.stdout, 'file\npart-0.parquet\npart-1.parquet\n');
  assert.equal(dry.stderr, '2 files to delete; --no-dry-run deletes them\n');
  const real = await runCli([
    ...['delta', 'vacuum', 'events', '--no-dry-run', '--retention-hours', '0', '--force', '--url', url],
  ]);
  assert.equal(real.stderr, '2 files deleted\n');
  assert.deepEqual(
    seen.map(({ body }) => body),
    [{ dry_run: true }, { dry_run: false, retention_hours: 0, force: true }],
  );
});

test('optimize, z-order, restore and checkpoint post their options and print the figures', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  const run = (...args: string[]) => runCli(['delta', ...args, '--url', url]);
  const { stdout } = await run(
    ...['optimize', 'events', '--target-size', '1000', '--partition', 'date=a=b', '--partition', 'kind=c'],
  );
  assert.equal(stdout, 'version\t5\nchanged\tyes\nnumFilesAdded\t1\nnumFilesRemoved\t12\n');
  await run('z-order', 'events', '--columns', 'user_id, at');
  assert.match((await run('restore', 'events', '3')).stdout, /^restored_version\t3$/m);
  await run('restore', 'events', '--timestamp', '2026-01-05T09:30:00Z');
  assert.equal((await run('checkpoint', 'events')).stdout, 'version\t5\n');
  assert.deepEqual(
    seen.map(({ path, body }) => [path.replace('/delta/events/', ''), body]),
    [
      ['optimize', { target_size: 1000, partition: { date: 'a=b', kind: 'c' } }],
      ['z-order', { columns: ['user_id', 'at'] }],
      ['restore', { version: 3 }],
      ['restore', { timestamp: '2026-01-05T09:30:00Z' }],
      ['checkpoint', {}],
    ],
  );
});

test('what the server refuses is one line, and JSON with --json', async (t) => {
  const { url } = await startDeltaServer(t);
  for (const verb of ['info', 'history', 'read', 'vacuum', 'optimize', 'checkpoint']) {
    const { code, stderr } = await runCli(['delta', verb, 'nope', '--url', url]);
    assert.equal(code, 1, verb);
    assert.equal(stderr, 'refused: TABLE_NOT_FOUND: none.\n');
  }
  const { stderr } = await runCli(['delta', 'read', 'nope', '--json', '--url', url]);
  assert.equal((JSON.parse(stderr) as { code: string }).code, 'TABLE_NOT_FOUND');
});

test('names that no table can have are refused before any request', async (t) => {
  const { url, seen } = await startDeltaServer(t);
  for (const name of ['..', '.', 'a/b', '']) {
    const { code, stderr } = await runCli(['delta', 'info', name, '--url', url]);
    assert.equal(code, 1);
    assert.match(stderr, /^refused: STREAM_NAME_INVALID: /);
  }
  assert.deepEqual(seen, []);
});

test('wrong command lines end with 2, an absent server with 3', async () => {
  const wrong = [
    ['delta'],
    ['delta', 'nope'],
    ['delta', 'info'],
    ['delta', 'read', 't', '--version', '-1'],
    ['delta', 'read', 't', '--version', '1', '--timestamp', '2026-01-05T09:30:00Z'],
    ['delta', 'read', 't', '--format', 'xml'],
    ['delta', 'restore', 't'],
    ['delta', 'restore', 't', '1', '--timestamp', '2026-01-05T09:30:00Z'],
    ['delta', 'z-order', 't'],
    ['delta', 'optimize', 't', '--partition', 'date'],
  ];
  const codes = await Promise.all(wrong.map(async (args) => (await runCli(args)).code));
  assert.deepEqual(
    codes,
    wrong.map(() => 2),
  );
  for (const args of [['list'], ['read', 't'], ['checkpoint', 't']]) {
    assert.equal((await runCli(['delta', ...args, '--url', 'http://127.0.0.1:1'])).code, 3);
  }
});

test('on a terminal rows are a table, and bytes need a file', { skip: skipWithoutPython }, async (t) => {
  const { url, seen } = await startDeltaServer(t);
  const shown = await runOnTerminal(['delta', 'read', 'events', '--url', url]);
  assert.match(shown, /│ 9007199254740993 │/);
  assert.deepEqual(seen[0]?.query, { limit: '101' });
  const bytes = await runOnTerminal(['delta', 'read', 'events', '--format', 'parquet', '--url', url]);
  assert.match(bytes, /parquet is not for a terminal: add --output FILE/);
  assert.match(await runOnTerminal(['delta', 'list', '--url', url]), /1\.2 MB/);
  assert.equal(rows.split('\n').length, 3);
});
