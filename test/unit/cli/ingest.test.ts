import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { runPython, runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { answer, startIngestServer } from './ingest-server.ts';
import { runCli } from './run-cli.ts';
import { runOnTerminal } from './terminal.ts';

const skip = skipWithoutPython;
const threeColumns = `
n = 1000
table = pa.table({'id': pa.array(range(n), pa.int64()), 'name': [str(i) for i in range(n)], 'value': [None if i % 9 == 0 else i / 3 for i in range(n)]})
`;
const withDictionary = `
table = pa.table({'id': pa.array(range(100)), 'kind': pa.array(['a', 'b', None, 'c'] * 25).dictionary_encode()})
`;

const readBack = `
import json, sys, pyarrow as pa
table = pa.ipc.open_stream(sys.stdin.buffer.read()).read_all()
table.validate(full=True)
print(json.dumps({'types': [str(f.type) for f in table.schema], 'rows': table.num_rows, 'columns': {n: table[n].to_pylist()[:5] for n in table.column_names}}))
`;

test('an Arrow stream passes through as it is', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const path = join(makeTempFolder(t), 'a.arrows');
  const bytes = await arrowBytes(threeColumns, { codec: 'zstd', batchRows: 300 });
  writeFileSync(path, bytes);
  const { code, stdout, stderr } = await runCli(['ingest', 'sensors', path, '--url', server.url]);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.match(stdout, /^committed: 1000 rows in sensors_table \(duckdb\): 4 batches, .*commit 01J\w+\n$/);
  const [seen] = server.seen;
  assert.equal(seen?.url, '/ingest/sensors');
  assert.equal(seen?.headers['content-type'], 'application/vnd.apache.arrow.stream');
  assert.equal(seen?.headers['transfer-encoding'], 'chunked');
  assert.deepEqual(seen?.body, bytes);
});

test('an Arrow file is sent as a stream, dictionaries included', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const path = join(makeTempFolder(t), 'noname');
  writeFileSync(path, await arrowBytes(withDictionary, { format: 'file', codec: 'lz4' }));
  assert.equal((await runCli(['ingest', 's', path, '--url', server.url])).code, 0);
  assert.deepEqual(server.seen[0]?.codecs, ['lz4-frame']);
  const answered = await runPythonJson<Record<string, unknown>>(readBack, [], {
    input: server.seen[0]?.body ?? '',
  });
  assert.deepEqual(answered['types'], ['int64', 'dictionary<values=string, indices=int32, ordered=0>']);
});

test('--batch-rows and --compression give Arrow input another form', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(threeColumns, { codec: 'zstd', batchRows: 300 }));
  const send = async (...options: string[]) => {
    const { code, stderr } = await runCli(['ingest', 's', path, '--url', server.url, ...options]);
    assert.equal(code, 0, stderr);
    return server.seen.at(-1);
  };
  assert.deepEqual((await send('--batch-rows', '450'))?.batches, [450, 450, 100]);
  const lz4 = await send('--compression', 'lz4');
  assert.deepEqual(lz4?.codecs, ['lz4-frame', 'lz4-frame', 'lz4-frame', 'lz4-frame']);
  assert.deepEqual(lz4?.batches, [300, 300, 300, 100]);
  const plain = await send('--compression', 'none');
  assert.deepEqual(plain?.codecs, [null, null, null, null]);
  const answered = await runPythonJson(readBack, [], { input: plain?.body ?? '' });
  assert.deepEqual(answered, {
    types: ['int64', 'string', 'double'],
    rows: 1000,
    columns: {
      id: [0, 1, 2, 3, 4],
      name: ['0', '1', '2', '3', '4'],
      value: [null, 1 / 3, 2 / 3, 1, 4 / 3],
    },
  });
});

test('recoded dictionaries become their values', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const path = join(makeTempFolder(t), 'a.arrow');
  writeFileSync(path, await arrowBytes(withDictionary, { format: 'file' }));
  const { code } = await runCli(['ingest', 's', path, '--url', server.url, '--batch-rows', '60']);
  assert.equal(code, 0);
  const answered = await runPythonJson(readBack, [], { input: server.seen[0]?.body ?? '' });
  assert.deepEqual(answered, {
    types: ['int64', 'string'],
    rows: 100,
    columns: { id: [0, 1, 2, 3, 4], kind: ['a', 'b', null, 'c', 'a'] },
  });
});

/** Writes the same 3 rows as Parquet, CSV and NDJSON. */
const writeTables = `
import sys, duckdb
for kind, options in [('parquet', 'parquet'), ('csv', 'csv'), ('ndjson', 'json')]:
    duckdb.sql("copy (select i::bigint as id, 'n' || i as name, i / 2 as half, date '2026-01-01' + i::int as day from range(3) t(i)) to '%s/t.%s' (format %s)" % (sys.argv[1], kind, options))
`;

test('Parquet, CSV and NDJSON arrive as Arrow, also from standard input', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const folder = makeTempFolder(t);
  assert.equal((await runPython(writeTables, [folder])).code, 0);
  const expected = { id: [0, 1, 2], name: ['n0', 'n1', 'n2'], half: [0, 0.5, 1] };
  for (const kind of ['parquet', 'csv', 'ndjson']) {
    for (const args of [[join(folder, `t.${kind}`)], ['-', '--format', kind]]) {
      const input = args[0] === '-' ? readFileSync(join(folder, `t.${kind}`)) : '';
      const { code, stderr } = await runCli(['ingest', 's', ...args, '--url', server.url], { input });
      assert.equal(code, 0, stderr);
      const seen = server.seen.at(-1);
      assert.deepEqual(seen?.codecs, ['zstd'], kind);
      const select = readBack.replace('[:5] for n in table.column_names', "for n in ['id', 'name', 'half']");
      const answered = await runPythonJson<{ types: string[]; columns: unknown }>(select, [], {
        input: seen?.body ?? '',
      });
      assert.deepEqual(answered.columns, expected, kind);
      assert.deepEqual(answered.types, ['int64', 'string', 'double', 'date32[day]'], kind);
    }
  }
});

test('several files are one load, whatever their kinds', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const folder = makeTempFolder(t);
  await runPython(writeTables, [folder]);
  const files = ['t.parquet', 't.csv', 't.parquet'].map((name) => join(folder, name));
  const { code, stdout } = await runCli(['ingest', 's', ...files, '--json', '--url', server.url]);
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as { rows_processed: number }).rows_processed, 9);
  assert.equal(server.seen.length, 1);
});

test('files whose columns differ are refused before anything is sent', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const folder = makeTempFolder(t);
  writeFileSync(join(folder, 'a.csv'), 'id,name\n1,x\n');
  writeFileSync(join(folder, 'b.csv'), 'id,name\n1.5,x\n');
  const { code, stderr } = await runCli(['ingest', 's', 'a.csv', 'b.csv', '--url', server.url], {
    cwd: folder,
  });
  assert.equal(code, 1);
  assert.match(stderr, /^error: b\.csv has column 1 id: double where a\.csv has column 1 id: int64: .*\n$/);
  assert.equal(server.seen.length + server.broken(), 0);
});

test('input that cannot be read is one line that names the file', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const folder = makeTempFolder(t);
  const bytes = await arrowBytes(threeColumns, { batchRows: 300 });
  writeFileSync(join(folder, 'cut.arrow'), bytes.subarray(0, bytes.length - 5000));
  writeFileSync(join(folder, 'empty.csv'), '');
  writeFileSync(join(folder, 'what.bin'), 'hello');
  writeFileSync(join(folder, 'bad.parquet'), 'PAR1 and nothing more');
  writeFileSync(join(folder, 'bad.csv'), `id\n${'1\n'.repeat(60_000)}x\n`);
  const cases: [string, RegExp][] = [
    ['cut.arrow', /^error: cut\.arrow cannot be read: The body ends in the middle of a message\.\n$/],
    ['empty.csv', /^error: empty\.csv is empty: leave it out\n$/],
    [
      'what.bin',
      /^error: cannot tell what what\.bin is: say it with --format arrow\|parquet\|csv\|ndjson\n$/,
    ],
    ['bad.parquet', /^error: bad\.parquet cannot be read: .*\n$/],
    ['bad.csv', /^error: bad\.csv cannot be read: .*\n$/],
    ['nowhere.csv', /^error: there is no file nowhere\.csv: check the path\n$/],
    ['.', /^error: \. is a directory: name its files\n$/],
  ];
  for (const [file, expected] of cases) {
    const { code, stdout, stderr } = await runCli(['ingest', 's', file, '--url', server.url], {
      cwd: folder,
    });
    assert.equal(code, 1, file);
    assert.equal(stdout, '', file);
    assert.match(stderr, expected);
  }
  assert.equal(server.seen.length, 0, 'nothing of them was a whole stream');
});

test('a refusal is one line with the code, and the problem itself with --json', { skip }, async (t) => {
  const problem = {
    type: '/docs#errors-SCHEMA_MISMATCH',
    title: 'The stream does not fit the table',
    status: 409,
    code: 'SCHEMA_MISMATCH',
    outcome: 'rejected',
    detail: 'column id is int64, the table has text.',
    request_id: 'r1',
  };
  const server = await startIngestServer(t, (request, response) => {
    request.resume();
    answer(response, 409, problem);
    return true;
  });
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(threeColumns));
  const text = await runCli(['ingest', 's', path, '--url', server.url]);
  assert.equal(text.code, 1);
  assert.equal(text.stderr, 'refused: SCHEMA_MISMATCH: column id is int64, the table has text.\n');
  const json = await runCli(['ingest', 's', path, '--url', server.url, '--json']);
  assert.equal(json.code, 1);
  assert.deepEqual(JSON.parse(json.stderr), problem);
});

test('a retryable refusal is waited for and sent again', { skip }, async (t) => {
  const refusals: number[] = [];
  const server = await startIngestServer(t, (request, response, index) => {
    if (index > 1) return false;
    refusals.push(performance.now());
    request.resume();
    const problem = {
      title: 'no room',
      status: 429,
      code: 'OVERLOADED',
      outcome: 'retryable',
      detail: 'full',
    };
    answer(response, 429, problem, { 'retry-after': '1' });
    return true;
  });
  const path = join(makeTempFolder(t), 'a.arrows');
  const bytes = await arrowBytes(threeColumns);
  writeFileSync(path, bytes);
  const { code, stdout, stderr } = await runCli(['ingest', 's', path, '--url', server.url]);
  assert.equal(code, 0);
  assert.match(stdout, /^committed: 1000 rows/);
  assert.equal(stderr, 'retry: OVERLOADED: full; sending again in 1.0 s\n'.repeat(2));
  assert.ok((refusals[1] ?? 0) - (refusals[0] ?? 0) >= 990);
  assert.deepEqual(server.seen[0]?.body, bytes);
});

test('what was read from standard input is not sent again', { skip }, async (t) => {
  let requests = 0;
  const server = await startIngestServer(t, (request, response) => {
    requests += 1;
    request.resume();
    answer(response, 503, {
      title: 'x',
      status: 503,
      code: 'SHUTTING_DOWN',
      outcome: 'retryable',
      detail: 'y',
    });
    return true;
  });
  const input = await arrowBytes(threeColumns);
  const { code, stderr } = await runCli(['ingest', 's', '-', '--url', server.url], { input });
  assert.equal(code, 1);
  assert.equal(stderr, 'refused: SHUTTING_DOWN: y\n');
  assert.equal(requests, 1);
});

test('an answer that is lost is only asked for again with a key', { skip }, async (t) => {
  const keys: unknown[] = [];
  const server = await startIngestServer(t, (request, response, index) => {
    keys.push(request.headers['idempotency-key']);
    if (index > 1) return false;
    request.resume().once('end', () => response.destroy());
    return true;
  });
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(threeColumns));
  const without = await runCli(['ingest', 's', path, '--url', server.url]);
  assert.equal(without.code, 3);
  assert.match(without.stderr, /^unreachable: .* may have been committed.*--idempotency-key\n$/);
  const withKey = await runCli(['ingest', 's', path, '--url', server.url, '--idempotency-key', 'k1']);
  assert.equal(withKey.code, 0, withKey.stderr);
  assert.deepEqual(keys, [undefined, 'k1', 'k1']);
});

test('a server that is not there is exit code 3', { skip }, async (t) => {
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(threeColumns));
  const url = `http://127.0.0.1:${await findFreePort()}`;
  for (const transport of ['http', 'flight']) {
    const args = ['ingest', 's', path, '--transport', transport];
    const { code, stderr } = await runCli(args, { env: { ARROWPORT_URL: url } });
    assert.equal(code, 3, transport);
    assert.match(
      stderr,
      /^unreachable: http:\/\/127\.0\.0\.1:\d+ refuses connections: start it with arrowport serve/,
    );
  }
});

test('a server that does not encrypt, or that a path of --url hides, is told at once', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const path = join(makeTempFolder(t), 'a.arrows');
  writeFileSync(path, await arrowBytes(threeColumns));
  const encrypted = await runCli(['ingest', 's', path, '--url', server.url.replace('http:', 'https:')]);
  assert.equal(encrypted.code, 3);
  assert.match(encrypted.stderr, /^unreachable: https:.* does not encrypt: use http:\/\/ in --url\n$/);
  const hidden = await runCli(['ingest', 's', path, '--url', `${server.url}/there`]);
  assert.equal(hidden.code, 1);
  assert.match(hidden.stderr, /^refused: 404 Not Found: .* Check the path in --url\.\n$/);
});

function findFreePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

test('token and key travel as headers', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const input = await arrowBytes(threeColumns);
  const args = ['ingest', 's', '-', '--url', server.url, '--idempotency-key', 'k'];
  assert.equal((await runCli(args, { input, env: { ARROWPORT_TOKEN: 'secret' } })).code, 0);
  assert.equal(server.seen[0]?.headers['authorization'], 'Bearer secret');
  assert.equal(server.seen[0]?.headers['idempotency-key'], 'k');
});

test('other input is compressed as the configuration here or the environment says', { skip }, async (t) => {
  const server = await startIngestServer(t);
  const folder = makeTempFolder(t);
  writeFileSync(join(folder, 'a.csv'), `id\n${'1\n'.repeat(1000)}`);
  const send = async (env: Record<string, string>, ...options: string[]) => {
    const { code, stderr } = await runCli(['ingest', 's', 'a.csv', '--url', server.url, ...options], {
      cwd: folder,
      env,
    });
    assert.equal(code, 0, stderr);
    return server.seen.at(-1)?.codecs[0];
  };
  assert.equal(await send({}), 'zstd');
  writeFileSync(join(folder, 'arrowport.yaml'), 'compression: {algorithm: lz4}\n');
  assert.equal(await send({}), 'lz4-frame');
  assert.equal(await send({ ARROWPORT_COMPRESSION: 'none' }), null);
  assert.equal(await send({ ARROWPORT_COMPRESSION: 'none' }, '--compression', 'zstd:9'), 'zstd');
});

test('on a terminal the progress shows rows, bytes and rows a second', { skip }, async (t) => {
  const server = await startIngestServer(t, (request, response) => {
    request.resume().once('end', () => {
      const receipt = { commit_id: '01J', rows_processed: 1000, batches: 1, bytes: 1, table: 't' };
      setTimeout(() => answer(response, 200, receipt), 400);
    });
    return true;
  });
  const folder = makeTempFolder(t);
  writeFileSync(join(folder, 'a.arrows'), await arrowBytes(threeColumns));
  writeFileSync(join(folder, 'a.csv'), 'id\n1\n');
  const measured = await runOnTerminal(['ingest', 's', join(folder, 'a.arrows'), '--url', server.url]);
  assert.match(measured, /█{24} 100 %.* 1,000 rows {2}\d+\.\d kB {2}.*rows\/s/);
  assert.match(measured, /committed:.* 1,000 rows in t/);
  const unmeasured = await runOnTerminal(['ingest', 's', join(folder, 'a.csv'), '--url', server.url]);
  assert.match(unmeasured, /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏].* 1 rows {2}\d+/);
});
