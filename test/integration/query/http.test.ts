import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { scrape } from '../metric-samples.ts';
import { ask } from './query-client.ts';

let server: TestServer;
const cleanups: (() => unknown)[] = [];

before(async () => {
  server = await startServer(
    { after: (clean) => cleanups.push(clean) },
    { config: 'query: {max_result_rows: 2000000, max_concurrent: 4}\n' },
  );
});

after(async () => {
  for (const clean of cleanups) await clean();
});

const endless = 'SELECT count(*) FROM range(1000000) a, range(1000000) b';

/** Waits until no statement runs: with four at most, five at once then find their place. */
async function assertNothingRuns(): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(server, 'SELECT 1')));
  assert.ok(answers.every(({ status }) => status === 200));
}

async function waitForQueries(count: number): Promise<void> {
  await waitFor(
    `${count} queries`,
    async () => (await scrape(server)).sum('arrowport_active_queries') === count,
  );
}

test('SQL comes as text, as JSON and in the URL', async () => {
  const json = { accept: 'application/json' };
  for (const type of ['text/plain', 'application/sql', 'text/plain; charset=utf-8']) {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { ...json, 'content-type': type },
      body: 'SELECT 42 AS answer',
    });
    assert.deepEqual(await response.json(), {
      columns: [{ name: 'answer', type: 'INTEGER' }],
      rows: [[42]],
      row_count: 1,
    });
  }
  const get = await fetch(`${server.url}/query?sql=${encodeURIComponent('SELECT 42 AS answer')}`, {
    headers: json,
  });
  assert.equal(((await get.json()) as { row_count: number }).row_count, 1);
  const head = await fetch(`${server.url}/query?sql=SELECT+1`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-type'), 'application/vnd.apache.arrow.stream');
  assert.equal(head.headers.get('content-length'), null);
  assert.equal((await fetch(`${server.url}/query?sql=SELECT+nope`, { method: 'HEAD' })).status, 400);
  const write = await fetch(`${server.url}/query?sql=CREATE+TABLE+by_url(i+INTEGER)`);
  assert.equal(write.status, 403);
});

test('parameters are bound by position and by name, with all their digits', async () => {
  const positions = await ask(server, 'SELECT ? AS a, ? AS b, ? AS c, ? AS d', {
    parameters: [1.5, 'é', null, [1, 2]],
  });
  assert.equal(positions.row_count, 1);
  const response = await fetch(`${server.url}/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: '{"sql": "SELECT $big AS big, $text AS text", "parameters": {"big": 9007199254740993, "text": "x"}}',
  });
  assert.match(await response.text(), /\[9007199254740993,"x"\]/);
  for (const [sql, parameters] of [
    ['SELECT ?', []],
    ['SELECT ?', [1, 2]],
    ['SELECT $a', { b: 1 }],
    ['SELECT $a', { a: 1, b: 1 }],
    ['SELECT ?::INTEGER', ['x']],
    ['SELECT * FROM range(3) t(i) WHERE i = ?', ['not a number']],
  ] as const) {
    const { code, status } = await ask(server, sql, { parameters });
    assert.equal(code, 'QUERY_INVALID', sql);
    assert.equal(status, 400);
  }
});

test('values in lists and objects have a type that holds all of them', async () => {
  const cases: readonly [given: string, answered: string, type: string][] = [
    ['[[], [1]]', '[[],[1]]', 'INTEGER[][]'],
    ['[[1], [2.5], null]', '[[1],[2.5],null]', 'DOUBLE[][]'],
    ['[1, 1180591620717411303424]', '[1,1180591620717411303424]', 'HUGEINT[]'],
    ['[{"a": null}, {"a": 1}]', '[{"a":null},{"a":1}]', 'STRUCT(a INTEGER)[]'],
    ['[{"a": 1}, {"b": "x"}]', '[{"a":1,"b":null},{"a":null,"b":"x"}]', 'STRUCT(a INTEGER, b VARCHAR)[]'],
    ['1.0', '1', 'DOUBLE'],
    ['1', '1', 'INTEGER'],
  ];
  for (const [given, answered, type] of cases) {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: `{"sql": "SELECT ? AS x, typeof(x) AS t", "parameters": [${given}]}`,
    });
    const text = await response.text();
    assert.ok(text.includes(`"rows":[[${answered},${JSON.stringify(type)}]]`), `${given}: ${text}`);
  }
  const refused = ['[1, "a"]', '[{"a": 1}, {"a": "x"}]', '"\\ud800"', `1${'0'.repeat(40)}`];
  for (const given of refused) {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"sql": "SELECT ?", "parameters": [${given}]}`,
    });
    const { code } = (await response.json()) as { code: string };
    assert.equal(code, 'QUERY_INVALID', given);
  }
});

test('statements and parameters that nothing else could run beside are refused', async () => {
  const many = Array.from({ length: 200_000 }, () => 1);
  for (const body of [
    JSON.stringify({ sql: 'SELECT len(?)', parameters: [many] }),
    `{"sql": "SELECT 1", "parameters": [${'['.repeat(1_000_000)}`,
    JSON.stringify({ sql: `SELECT '${"''".repeat(200_000)}'` }),
  ]) {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const { code } = (await response.json()) as { code: string };
    assert.equal(code, 'BODY_TOO_LARGE', body.slice(0, 60));
  }
  const deep = await ask(server, 'SELECT ?', {
    parameters: JSON.parse(`${'['.repeat(70)}${']'.repeat(70)}`),
  });
  assert.equal(deep.code, 'QUERY_INVALID');
  const names = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`p${index}`, index]));
  const unknown = await ask(server, 'SELECT 1', { parameters: names });
  assert.match(String(unknown.detail), /and 19992 more/);
});

test('bodies come compressed, and are looked at as what they unfold to', async () => {
  const send = (body: Uint8Array, encoding: string) =>
    fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { 'content-encoding': encoding, accept: 'text/csv' },
      body: new Uint8Array(body),
    });
  const sql = Buffer.from('SELECT 1 AS one');
  assert.equal(await (await send(gzipSync(sql), 'gzip')).text(), 'one\n1\n');
  assert.equal(await (await send(zstdCompressSync(sql), 'zstd')).text(), 'one\n1\n');
  assert.equal((await send(sql, 'compress')).status, 415);
  assert.equal((await send(gzipSync(Buffer.alloc(64 * 1024 * 1024)), 'gzip')).status, 413);
});

test('errors name what is wrong and the character where', async () => {
  const cases: readonly [sql: string, code: string, position: number | undefined][] = [
    ['SELEC 1', 'QUERY_INVALID', 1],
    ['SELECT 1 FROM', 'QUERY_INVALID', 14],
    ["SELECT 'é😀', nope", 'QUERY_INVALID', 14],
    ['SELECT *\nFROM missing', 'TABLE_NOT_FOUND', 15],
    ["SELECT CAST('x' AS INTEGER)", 'QUERY_INVALID', 8],
    ['', 'QUERY_INVALID', undefined],
    ['-- nothing', 'QUERY_INVALID', undefined],
    ["SELECT 'open", 'QUERY_INVALID', 8],
    ['SELECT foo(1)', 'QUERY_INVALID', 8],
    ["SELECT error('told')", 'QUERY_INVALID', undefined],
    ["SELECT 'é😀' FRM t", 'QUERY_INVALID', 17],
    ["SELECT 'é😀' +", 'QUERY_INVALID', 14],
    ["SELECT 'é😀' || 'open", 'QUERY_INVALID', 16],
    ["PIVOT t ON 'é😀'", 'QUERY_INVALID', 12],
    ['INSERT INTO "é😀" VLUES (1)', 'QUERY_INVALID', 18],
    ["CREATE TABLE x AS SELECT 'é😀' FRM t", 'QUERY_INVALID', 35],
    ["EXPLAIN SELECT 'é😀' FRM t", 'QUERY_INVALID', 25],
    ["SELECT 'é😀', getenv('HOME')", 'QUERY_FORBIDDEN', 14],
    ["SELECT * FROM delta_scan('x')", 'QUERY_FORBIDDEN', 15],
  ];
  for (const [sql, code, position] of cases) {
    const answer = await ask(server, sql);
    assert.equal(answer.code, code, `${sql}: ${answer.detail}`);
    assert.equal(answer.position, position, sql);
  }
});

test('requests that cannot be answered are refused', async () => {
  const post = (headers: Record<string, string>, body: string, query = '') =>
    fetch(`${server.url}/query${query}`, { method: 'POST', headers, body });
  const cases: readonly [response: Promise<Response>, status: number, code: string][] = [
    [post({ accept: 'image/png' }, 'SELECT 1'), 406, 'NOT_ACCEPTABLE'],
    [post({ 'content-type': 'image/png' }, 'SELECT 1'), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    [post({ 'content-type': 'application/json' }, '{'), 422, 'OPTION_INVALID'],
    [post({ 'content-type': 'application/json' }, '{"parameters": []}'), 422, 'OPTION_INVALID'],
    [post({ 'content-type': 'application/json' }, '{"sql": 1}'), 422, 'OPTION_INVALID'],
    [post({ 'content-type': 'application/json' }, '{"sql": "SELECT 1", "x": 1}'), 422, 'OPTION_INVALID'],
    [post({}, 'SELECT 1', '?timeout_ms=soon'), 422, 'OPTION_INVALID'],
    [post({}, 'SELECT 1', '?max_rows=-1'), 422, 'OPTION_INVALID'],
    [fetch(`${server.url}/query`), 422, 'OPTION_INVALID'],
  ];
  for (const [request, status, code] of cases) {
    const response = await request;
    assert.equal(response.status, status, code);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(((await response.json()) as { code: string }).code, code);
  }
});

test('text forms keep every digit and tell NULL from empty', async () => {
  const sql = `SELECT 9223372036854775807 AS big, 1.50::DECIMAL(5,2) AS price, NULL AS nothing, '' AS empty, 'a,"b"' AS quoted,
    DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 03:04:05.5' AS at, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS zoned,
    TIME '03:04:05' AS clock, INTERVAL '1 month 2 days' AS span, 'nan'::DOUBLE AS nan, 'abc'::BLOB AS bytes,
    {'a': [1, NULL]} AS nested, MAP {'k': 1} AS map, true AS yes`;
  const text = async (accept: string) =>
    (await fetch(`${server.url}/query`, { method: 'POST', headers: { accept }, body: sql })).text();
  assert.equal(
    await text('text/csv'),
    'big,price,nothing,empty,quoted,day,at,zoned,clock,span,nan,bytes,nested,map,yes\n' +
      '9223372036854775807,1.50,,"","a,""b""",2026-01-02,2026-01-02 03:04:05.5,2026-01-02 03:04:05Z,03:04:05,P1M2D,NaN,YWJj,"{""a"":[1,null]}","{""k"":1}",true\n',
  );
  assert.equal(
    await text('application/x-ndjson'),
    '{"big":9223372036854775807,"price":1.50,"nothing":null,"empty":"","quoted":"a,\\"b\\"","day":"2026-01-02","at":"2026-01-02T03:04:05.5",' +
      '"zoned":"2026-01-02T03:04:05Z","clock":"03:04:05","span":"P1M2D","nan":"NaN","bytes":"YWJj","nested":{"a":[1,null]},"map":{"k":1},"yes":true}\n',
  );
});

test('bits, large unsigned and unbounded numbers are written as DuckDB shows them', async () => {
  const sql = `SELECT v::BIT AS bits, n::BIGNUM AS big, u::UHUGEINT AS unsigned FROM (VALUES
    ('1', '0', '0'), ('010101', '-15', '340282366920938463463374607431768211455'),
    ('111100001', '123456789012345678901234567890123456789012345', '170141183460469231731687303715884105728'),
    (NULL, '-256', NULL)) t(v, n, u)`;
  const exact = (body: string) => body.match(/-?\d+|null/g);
  const csv = await exchange('text/csv', sql);
  assert.equal(
    csv.body.toString(),
    `bits,big,unsigned
1,0,0
010101,-15,340282366920938463463374607431768211455
111100001,123456789012345678901234567890123456789012345,170141183460469231731687303715884105728
,-256,
`,
  );
  const json = (await exchange('application/json', sql)).body.toString();
  const rows = json.slice(json.indexOf('"rows"'), json.indexOf('"row_count"'));
  assert.match(rows, /\["010101",-15,340282366920938463463374607431768211455\]/);
  assert.equal(exact(rows)?.length, 12);
  const lines = (await exchange('application/x-ndjson', sql)).body.toString();
  assert.equal(lines.split('\n')[3], '{"bits":null,"big":-256,"unsigned":null}');
});

test('Parquet takes parameters without types, and statements that end in a comment', async () => {
  for (const body of [
    { sql: 'SELECT ? AS a, ?::DATE AS d', parameters: [1.5, '2020-01-02'] },
    { sql: "SELECT 1 AS a; -- the ; of 'it'" },
    { sql: 'SELECT 1 AS a /* ; */ ; /* two */ ;', parameters: [] },
  ]) {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { accept: 'application/vnd.apache.parquet', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const file = Buffer.from(await response.arrayBuffer());
    assert.equal(file.toString('latin1', 0, 4), 'PAR1', `${body.sql}: ${file.toString()}`);
  }
});

test('values that Parquet has no place for are refused, and not as a fault of the server', async () => {
  const response = await fetch(`${server.url}/query`, {
    method: 'POST',
    headers: { accept: 'application/vnd.apache.parquet' },
    body: "SELECT INTERVAL '-5 days' AS i",
  });
  const problem = (await response.json()) as { code: string; outcome: string };
  assert.deepEqual([response.status, problem.code, problem.outcome], [422, 'TYPE_UNSUPPORTED', 'rejected']);
});

test('Parquet keeps the sign of zero', { skip: skipWithoutPython }, async () => {
  const answer = await fetch(`${server.url}/query`, {
    method: 'POST',
    headers: { accept: 'application/vnd.apache.parquet' },
    body: 'SELECT CASE WHEN i % 2 = 0 THEN 0.0::DOUBLE ELSE -(0.0::DOUBLE) END AS z FROM range(1000) t(i)',
  });
  const path = join(server.folder, 'zeros.parquet');
  writeFileSync(path, Buffer.from(await answer.arrayBuffer()));
  const negative = await runPythonJson<number>(
    `
import json, sys, numpy as np, pyarrow.parquet as pq
print(json.dumps(int(np.signbit(pq.read_table(sys.argv[1])['z'].to_numpy()).sum())))`,
    [path],
  );
  assert.equal(negative, 500);
});

test('text forms tell the sign of zero, empty bytes from NULL, and single floats in their own digits', async () => {
  const sql =
    "SELECT '-0'::DOUBLE AS zero, ''::BLOB AS bytes, NULL::BLOB AS nothing, 0.1::FLOAT AS tenth, 16777216::FLOAT AS whole, 3.4028235e38::FLOAT AS most";
  const text = async (accept: string) =>
    (await fetch(`${server.url}/query`, { method: 'POST', headers: { accept }, body: sql })).text();
  assert.equal(
    await text('text/csv'),
    'zero,bytes,nothing,tenth,whole,most\n-0.0,"",,0.1,16777216,3.4028235e+38\n',
  );
  assert.equal(
    await text('application/x-ndjson'),
    '{"zero":-0.0,"bytes":"","nothing":null,"tenth":0.1,"whole":16777216,"most":3.4028235e+38}\n',
  );
});

test('max_rows cuts and says so, in the header or after long answers', async () => {
  const cut = await ask(server, 'FROM range(10)', { query: '?max_rows=3' });
  assert.equal(cut.headers.get('arrowport-truncated'), 'true');
  assert.equal(cut.truncated, true);
  assert.equal(cut.row_count, 3);
  const whole = await ask(server, 'FROM range(10)', { query: '?max_rows=10' });
  assert.equal(whole.headers.get('arrowport-truncated'), null);
  assert.equal(whole.truncated, undefined);
  assert.equal((await ask(server, 'FROM range(10)', { query: '?max_rows=0' })).row_count, 0);
  const long = await exchange(
    'text/csv',
    "SELECT repeat('x', 100) AS x FROM range(500000)",
    '?max_rows=400000',
  );
  assert.equal(long.trailers['arrowport-truncated'], 'true');
  assert.equal(long.bytes, 400_000 * 101 + 2);
});

test('bodies are compressed as the client accepts it', async () => {
  const sql = 'SELECT i FROM range(100000) t(i)';
  const plain = await exchange('text/csv', sql);
  const gzip = await exchange('text/csv', sql, '', { 'accept-encoding': 'gzip' });
  assert.equal(gzip.headers['content-encoding'], 'gzip');
  assert.ok(gunzipSync(gzip.body).equals(plain.body));
  const zstd = await exchange('text/csv', sql, '', { 'accept-encoding': 'gzip, zstd' });
  assert.equal(zstd.headers['content-encoding'], 'zstd');
  assert.ok(zstdDecompressSync(zstd.body).equals(plain.body));
  const parquet = 'application/vnd.apache.parquet';
  const file = await exchange(parquet, sql, '', { 'accept-encoding': 'gzip, deflate, br, zstd' });
  assert.equal(file.headers['content-encoding'], undefined, 'what libraries send unasked');
  assert.equal(file.headers['vary'], 'accept, accept-encoding');
  const asked = await exchange(parquet, sql, '', { 'accept-encoding': 'zstd' });
  assert.equal(asked.headers['content-encoding'], 'zstd');
  assert.equal(zstdDecompressSync(asked.body).toString('latin1', 0, 4), 'PAR1');
  assert.equal(zstdDecompressSync(asked.body).byteLength, file.body.byteLength);
});

test('a query ends with its time', async () => {
  const { status, code } = await ask(server, endless, { query: '?timeout_ms=300' });
  assert.equal(status, 504);
  assert.equal(code, 'QUERY_TIMEOUT');
  await assertNothingRuns();
});

test('a query that waits for others to end has its time too', async () => {
  const busy = new AbortController();
  const long = Array.from({ length: 4 }, () =>
    fetch(`${server.url}/query`, { method: 'POST', body: endless, signal: busy.signal }).catch(
      () => undefined,
    ),
  );
  await waitForQueries(4);
  const { code } = await ask(server, 'SELECT 1', { query: '?timeout_ms=400' });
  assert.ok(code === 'QUERY_TIMEOUT' || code === 'OVERLOADED', code);
  busy.abort();
  await Promise.all(long);
  await assertNothingRuns();
});

test('a query ends with its client, before and amid its rows', async () => {
  const before = new AbortController();
  const waiting = fetch(`${server.url}/query`, { method: 'POST', body: endless, signal: before.signal });
  const rejected = assert.rejects(waiting);
  await waitForQueries(1);
  before.abort();
  await rejected;
  const amid = new AbortController();
  const response = await fetch(`${server.url}/query`, {
    method: 'POST',
    body: 'FROM range(2000000)',
    signal: amid.signal,
  });
  await response.body?.getReader().read();
  amid.abort();
  await assertNothingRuns();
});

test('clients that do not read their rows keep no other from its own for longer than their time', async () => {
  const answered: Promise<unknown>[] = [];
  const stalled = Array.from({ length: 4 }, () => {
    const request = http.request(`${server.url}/query?timeout_ms=1500`, { method: 'POST', headers: {} });
    request.on('error', () => undefined);
    answered.push(once(request, 'response'));
    request.on('response', (response) => {
      response.on('error', () => undefined);
      response.pause();
    });
    request.end("SELECT repeat('x', 1000) AS x FROM range(1000000)");
    return request;
  });
  await Promise.all(answered);
  const { status } = await ask(server, 'SELECT 1');
  assert.equal(status, 200);
  for (const request of stalled) request.destroy();
  await assertNothingRuns();
});

test('what fails amid the rows breaks the answer off', async () => {
  const failing = "SELECT i, CASE WHEN i = 1500000 THEN error('boom') ELSE i END FROM range(1600000) t(i)";
  for (const accept of ['application/vnd.apache.arrow.stream', 'application/json', 'text/csv']) {
    await assert.rejects(exchange(accept, failing), /aborted|ECONNRESET|hang up/, accept);
    await assert.rejects(exchange(accept, failing, '', { 'accept-encoding': 'gzip' }));
  }
  await assertNothingRuns();
});

test('results over the server’s limit are refused, or break off', async () => {
  const { code, status, limit } = (await ask(server, 'FROM range(2000001)', {
    query: '?max_rows=5',
  })) as { code?: string; status: number; limit?: string };
  assert.deepEqual([status, code, limit], [200, undefined, undefined]);
  await assert.rejects(exchange('application/vnd.apache.arrow.stream', 'FROM range(2200000)'));
  const parquet = await fetch(`${server.url}/query`, {
    method: 'POST',
    headers: { accept: 'application/vnd.apache.parquet' },
    body: 'FROM range(2200000)',
  });
  assert.equal(parquet.status, 413);
  assert.equal(((await parquet.json()) as { code: string }).code, 'RESULT_TOO_LARGE');
});

test('what an admin changes answers how many rows it changed', async () => {
  assert.deepEqual((await ask(server, 'CREATE TABLE counted (i INTEGER)')).rows, [[0]]);
  assert.deepEqual((await ask(server, 'CREATE TABLE copied AS FROM range(5)')).rows, [[5]]);
  const insert = await ask(server, 'INSERT INTO counted SELECT i FROM range(10) t(i)');
  assert.deepEqual(insert.columns, [{ name: 'Count', type: 'BIGINT' }]);
  assert.deepEqual(insert.rows, [[10]]);
  assert.deepEqual((await ask(server, 'DELETE FROM counted WHERE i < 4')).rows, [[4]]);
  const returned = await ask(server, 'UPDATE counted SET i = -i WHERE i = 9 RETURNING i');
  assert.deepEqual(returned.rows, [[-9]]);
  assert.equal((await ask(server, 'CREATE TABLE counted (i INTEGER)')).code, 'TABLE_EXISTS');
});

/** One exchange to its end; rejects when the answer breaks off. */
function exchange(
  accept: string,
  sql: string,
  query = '',
  headers: Record<string, string> = {},
): Promise<{
  headers: http.IncomingHttpHeaders;
  trailers: NodeJS.Dict<string>;
  body: Buffer;
  bytes: number;
}> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${server.url}/query${query}`,
      { method: 'POST', headers: { accept, ...headers } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.once('error', reject);
        response.once('end', () => {
          const body = Buffer.concat(parts);
          resolve({ headers: response.headers, trailers: response.trailers, body, bytes: body.length });
        });
      },
    );
    request.once('error', reject);
    request.end(sql);
  });
}
