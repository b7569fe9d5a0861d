import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runCli } from './run-cli.ts';
import { runOnTerminal } from './terminal.ts';

test('query answers lines, formats and files, and says what was refused', async (t) => {
  const server = await startServer(t);
  const cwd = server.folder;
  const run = (...args: string[]) => runCli(['query', '--url', server.url, ...args], { cwd });

  assert.deepEqual(
    await run("SELECT 9007199254740993 AS big, NULL AS nothing, 'a' || chr(9) || 'b' AS text"),
    {
      code: 0,
      stdout: 'big\tnothing\ttext\n9007199254740993\tNULL\ta b\n',
      stderr: '',
    },
  );
  const json = await run('SELECT ? AS a', '--parameters', '["x"]', '--json');
  assert.deepEqual(JSON.parse(json.stdout), {
    columns: [{ name: 'a', type: 'VARCHAR' }],
    rows: [['x']],
    row_count: 1,
  });
  const named = await run('SELECT $who AS who', '--parameters', '{"who": "me"}', '--format', 'csv');
  assert.equal(named.stdout, 'who\nme\n');
  const numbers = await run('SELECT ? AS a, typeof(?) AS b', '--parameters', '[9007199254740993, 1.0]');
  assert.equal(numbers.stdout, 'a\tb\n9007199254740993\tDOUBLE\n');
  const lines = await run('FROM range(2)', '--format', 'ndjson');
  assert.equal(lines.stdout, '{"range":0}\n{"range":1}\n');
  assert.equal((await run('FROM range(1)', '--output', 'lines.jsonl')).code, 0);
  assert.equal(readFileSync(join(cwd, 'lines.jsonl'), 'utf8'), '{"range":0}\n');
  const cut = await run('FROM range(10)', '--max-rows', '2', '--output', 'cut.csv');
  assert.equal(readFileSync(join(cwd, 'cut.csv'), 'utf8'), 'range\n0\n1\n');
  assert.match(cut.stderr, /more rows/);
  const piped = await runCli(['query', '-', '--url', server.url], { cwd, input: 'SELECT 1 AS one' });
  assert.equal(piped.stdout, 'one\n1\n');

  const alike = await run(`SELECT 'x' AS b, 1 AS "2", 2 AS a, 3 AS a, 4 AS "__proto__"`);
  assert.equal(alike.stdout, 'b\t2\ta\ta\t__proto__\nx\t1\t2\t3\t4\n');
  const none = await run('SELECT 1 AS one, NULL AS two WHERE false');
  assert.equal(none.stdout, 'one\ttwo\n');
  const nested = await run(`SELECT [[1], []] AS l, {'a': 'x]"}\\'} AS "rows"":[", ']},[' AS t FROM range(2)`);
  assert.equal(nested.stdout, `l\trows":[\tt\n${`[[1],[]]\t{"a":"x]\\"}\\\\"}\t]},[\n`.repeat(2)}`);
  const long = await run("SELECT i, repeat('é\"', 50) AS s FROM range(20000) t(i)");
  assert.equal(
    long.stdout,
    `i\ts\n${Array.from({ length: 20_000 }, (_, i) => `${i}\t${'é"'.repeat(50)}\n`).join('')}`,
  );

  const plan = await run('EXPLAIN SELECT i FROM range(3) t(i)');
  assert.match(plan.stdout, /^┌─+┐\n│ +[A-Z]/);
  const sheet = await run('SELECT 1', '--output', 'sheet.xlsx');
  assert.equal(sheet.code, 2);
  assert.match(sheet.stderr, /\.xlsx is the ending of no format here: use \.arrow, /);

  const wrong = await run('SELECT nope', '--output', 'wrong.parquet');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /^refused: QUERY_INVALID: .*nope.* \(at character 8\)/);
  assert.equal(existsSync(join(cwd, 'wrong.parquet')), false);
  const broken = await run(
    "SELECT CASE WHEN i = 900000 THEN error('boom') ELSE i END FROM range(1000000) t(i)",
    '--output',
    'broken.arrow',
  );
  assert.equal(broken.code, 3);
  assert.equal(existsSync(join(cwd, 'broken.arrow')), false);
  assert.equal((await run('SELECT 1', '--parameters', '1')).code, 2);
  assert.equal((await run('  ')).code, 2);
  assert.equal((await runCli(['query', 'SELECT 1', '--url', 'http://127.0.0.1:1'])).code, 3);
});

test('files of query are what their ending says', { skip: skipWithoutPython }, async (t) => {
  const server = await startServer(t);
  const cwd = server.folder;
  for (const name of ['rows.parquet', 'rows.arrow']) {
    const sql = 'SELECT i, i / 2 AS half FROM range(3) t(i)';
    const { code, stderr } = await runCli(['query', sql, '--url', server.url, '--output', name], { cwd });
    assert.equal(code, 0, stderr);
  }
  const rows = await runPythonJson(
    `
import json
import pyarrow as pa
import pyarrow.parquet
parquet = pa.parquet.read_table('rows.parquet').to_pylist()
arrow = pa.ipc.open_stream('rows.arrow').read_all().to_pylist()
print(json.dumps([parquet, arrow]))
`,
    [],
    { cwd },
  );
  const expected = [0, 1, 2].map((i) => ({ i, half: i / 2 }));
  assert.deepEqual(rows, [expected, expected]);
});

test('query shows a table on a terminal, and not all of a long one', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  const stdout = await runOnTerminal(['query', 'SELECT i FROM range(500) t(i)', '--url', server.url]);
  assert.match(stdout, /│ 99 │/);
  assert.doesNotMatch(stdout, /│ 100 │/);
  assert.match(stdout, /first 100 rows/);
  const none = await runOnTerminal(['query', 'SELECT 1 AS lonely WHERE false', '--url', server.url]);
  assert.match(none, /lonely/);
  assert.match(none, /No rows/);
  const narrow = [
    'query',
    "SELECT repeat('x', 300) AS long, 12345678901234567890::HUGEINT AS n",
    '--url',
    server.url,
  ];
  const cut = await runOnTerminal(narrow, { columns: 60 });
  const lines = stripVTControlCharacters(cut).split('\r\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('│')).map((line) => line.length),
    [60, 60],
  );
  assert.match(cut, /x…/);
  assert.match(cut, /│ 12345678901234567890 │/);
  assert.match(cut, /--format csv/);
  assert.match(await runOnTerminal(narrow), /x{300}/);
  const listed = await runOnTerminal(narrow, { columns: 30 });
  assert.match(
    stripVTControlCharacters(listed),
    /── row 1\r\nlong {2}x{300}\r\nn {5}12345678901234567890\r\n/,
  );
});
