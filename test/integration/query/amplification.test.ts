import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { hostile, hostileTables } from './hostile-statements.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

let server: TestServer;
const cleanups: (() => unknown)[] = [];
const token = tokens.reader;

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
  for (const sql of hostileTables) {
    const { status, detail } = await ask(server, sql, { token: tokens.admin });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
});

after(async () => {
  for (const clean of cleanups) await clean();
});

/** The most memory that a server has had so far, in MiB. */
function peakMemory({ pid }: TestServer = server): number {
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

/** A statement whose time of a second is over by so much is one that nobody can end. */
const endlessSeconds = 100;

test('no statement of a reader takes memory that nobody counts, or time that nobody can end', async () => {
  await ask(server, "SELECT len(range(i)), repeat('x', i) FROM numbers WHERE i < 10", { token });
  const before = peakMemory();
  const slow: string[] = [];
  for (const sql of hostile) {
    const started = performance.now();
    const { status, code } = await ask(server, sql, { token, query: '?timeout_ms=1000' });
    const seconds = (performance.now() - started) / 1000;
    assert.ok([400, 403, 413, 504].includes(status), `${sql.slice(0, 120)}: ${status} ${code}`);
    if (seconds > endlessSeconds) slow.push(`${seconds.toFixed(1)} s: ${sql.slice(0, 120)}`);
    const grown = peakMemory() - before;
    assert.ok(grown < 600, `${grown.toFixed(0)} MiB after ${sql.slice(0, 120)}`);
  }
  assert.deepEqual(slow, []);
});

/** Statements as people write them, with what they answer. */
const ordinary: readonly (readonly [sql: string, first: unknown])[] = [
  ['SELECT count(*) FROM range(1000000)', 1_000_000],
  ["SELECT count(*) FROM generate_series(DATE '2020-01-01', DATE '2020-12-31', INTERVAL 1 DAY)", 366],
  [
    "SELECT count(*) FROM unnest(generate_series(DATE '2020-01-01', DATE '2020-12-31', INTERVAL '1 day'))",
    366,
  ],
  ['SELECT count(u) FROM (SELECT unnest(range(10)) AS u)', 10],
  ['SELECT count(u) FROM (SELECT unnest(range(500000)) AS u)', 500_000],
  ['SELECT sum(u) FROM numbers, unnest(range(i)) t(u) WHERE i < 5', 10],
  ['SELECT sum(len(range(i))) FROM numbers WHERE i <= 1000', 500_500],
  ['SELECT len(generate_series(current_date - 29, current_date, INTERVAL 1 DAY))', 30],
  ["SELECT repeat('ab', i::INT) FROM numbers WHERE i = 3", 'ababab'],
  ["SELECT lpad(name, i::INT, '0') FROM numbers WHERE i = 7", '0000007'],
  ["SELECT lpad(name, 3, '0') || '-' || name || '-' || i FROM numbers WHERE i = 7", '007-7-7'],
  ["SELECT string_agg(name, ',' ORDER BY i) FROM numbers WHERE i < 4", '0,1,2,3'],
  [
    "SELECT array_to_string(list_transform(list(i ORDER BY i), lambda x: x * 2), '/') FROM numbers WHERE i < 3",
    '0/2/4',
  ],
  ["SELECT list_reduce(['a', 'b', 'c'], lambda x, y: x || '-' || y)", 'a-b-c'],
  ["SELECT levenshtein(name, '12') FROM numbers WHERE i = 123", 1],
  ['SELECT sum(levenshtein(a.name, b.name)) FROM numbers a JOIN numbers b USING (i)', 0],
  ["SELECT regexp_replace(name, '1(.)', '[\\1]', 'g') FROM numbers WHERE i = 12", '[2]'],
  ["SELECT format('{:>5}|{:,}', name, i) FROM numbers WHERE i = 1234", ' 1234|1,234'],
  [
    "WITH RECURSIVE r AS (SELECT 0 AS i, 'p' AS path UNION ALL SELECT n.i, path || '/' || n.name FROM r JOIN numbers n ON n.i = r.i + 1 WHERE n.i < 4) SELECT max(path) FROM r",
    'p/1/2/3',
  ],
  [
    'WITH RECURSIVE r AS (SELECT i, [name] AS path FROM numbers WHERE i = 0 UNION ALL SELECT n.i, list_append(path, n.name) FROM r JOIN numbers n ON n.i BETWEEN r.i * 2 + 1 AND r.i * 2 + 2 WHERE n.i < 4000 AND NOT list_contains(path, n.name)) SELECT max(len(path)) + count(*) FROM r',
    4012,
  ],
  [
    'WITH RECURSIVE r AS (SELECT 1 AS n, [1] AS l UNION ALL SELECT n + 1, list_append(l, n) FROM r WHERE n < 2000) SELECT sum(list_sum(l)) FROM r x JOIN range(3) y(j) ON x.n = 2000 + j',
    1_999_001,
  ],
  [
    "WITH RECURSIVE r(n, t, d) AS (SELECT 1, 'a', DATE '2024-01-01' UNION ALL SELECT n + 1, t || chr(97 + n % 26), d + INTERVAL 1 DAY FROM r WHERE n < 60) SELECT concat(max(r.d), max(strlen(t)), count(*)) FROM r, r AS s(m, u, v) WHERE m = 2",
    '2024-02-296060',
  ],
  [
    'WITH RECURSIVE fib(n, a, b) AS (SELECT 1, 0::HUGEINT, 1::HUGEINT UNION ALL SELECT n + 1, b, a + b FROM fib WHERE n < 60) SELECT a FROM fib WHERE n = 60',
    956_722_026_041,
  ],
  [
    "WITH RECURSIVE r(n, t) USING KEY (n) AS (SELECT i, name FROM numbers WHERE i < 3 UNION SELECT n, t || '+' FROM r WHERE strlen(t) < 4) SELECT max(t) FROM r, range(2)",
    '2+++',
  ],
  [
    "WITH RECURSIVE s(t, i) AS (SELECT '1..4', 2 UNION ALL SELECT substr(t, 1, i - 1) || z || substr(t, i + 1), instr(substr(t, 1, i - 1) || z || substr(t, i + 1), '.')::INT FROM s, (SELECT unnest(['2', '3']) AS z) WHERE i > 0) SELECT max(t) FROM s WHERE i = 0",
    '1334',
  ],
  ['SELECT i AS a, a + 1 AS b, b * 2 AS c FROM numbers WHERE i = 4', 4],
  [`SELECT ('{"a": {"b": [1, "x"]}}' -> 'a' -> 'b' ->> 1) || (('{"c": 3}'::JSON) ->> '$.c')`, 'x3'],
  [`SELECT upper('{"a": "x"}' ->> 'a')`, 'X'],
  [`SELECT json_extract_string('{"a": "x", "b": "y"}', ['a', 'b'])[2]`, 'y'],
  ['SELECT sum(i) OVER (ORDER BY i) FROM numbers ORDER BY i LIMIT 1', 0],
  ['SELECT len(NULL::FLOAT[1536]::FLOAT[])', null],
  ['SELECT len(list_transform(list(i), lambda x: x * 2)) FROM range(300000) t(i)', 300_000],
  [
    'WITH a AS (SELECT i % 3 AS k, list(i) AS l FROM range(300000) t(i) GROUP BY k) SELECT len(list_transform(l, lambda x: x * 2)) FROM a',
    100_000,
  ],
  [
    'WITH a AS (SELECT i % 3 AS k, list(i ORDER BY i) AS l FROM range(3000) t(i) GROUP BY k) SELECT list_sort(list_transform(l, lambda x: x * 2))[2] FROM a JOIN numbers n ON n.i = a.k WHERE k = 1',
    8,
  ],
  [
    'SELECT "list(i)"::VARCHAR || s FROM (SELECT list(i), string_agg(DISTINCT i, \'+\') FILTER (WHERE i > 1) AS s FROM range(3) t(i)) a, numbers LIMIT 1',
    '[0, 1, 2]2',
  ],
  ['SELECT len(ARRAY(SELECT j FROM range(9) u(j) WHERE j < i)) FROM numbers WHERE i = 4', 4],
  [
    "SELECT len(l) FROM (SELECT list(i) AS l FROM range(3) t(i) HAVING max(i)::VARCHAR LIKE '%2%' AND 'a' || max(i) = 'a2') a, numbers LIMIT 1",
    3,
  ],
  ["SELECT i FROM numbers WHERE i < 9 GROUP BY i HAVING len(repeat('x', max(i)::INT)) > 7", 8],
  [
    "SELECT i, lpad(max(name), max(i)::INT, '0') AS p FROM numbers WHERE i < 9 GROUP BY i HAVING p || count(*) = '0000000' || '81'",
    8,
  ],
  ['SELECT h[3] FROM (SELECT histogram(i) AS h FROM numbers) a, numbers LIMIT 1', 1],
  [
    "SELECT (SELECT string_agg(name, ',' ORDER BY i) FROM numbers u WHERE u.i < n.i) FROM numbers n WHERE i = 3",
    '0,1,2',
  ],
];

test('ordinary statements answer as ever', async () => {
  for (const [sql, first] of ordinary) {
    const { rows, detail } = await ask(server, sql, { token });
    assert.deepEqual(rows?.[0]?.[0], first, `${sql}: ${detail}`);
  }
});

test('columns keep the names that DuckDB gives them where values are bounded', async () => {
  const { columns } = await ask(
    server,
    "SELECT repeat('x', i), 'a' || repeat(name, i) FROM numbers LIMIT 0",
    { token },
  );
  assert.deepEqual(
    columns?.map(({ name }) => name),
    ["repeat('x', i)", '(\'a\' || repeat("name", i))'],
  );
});

test('large parameters stay one value', async () => {
  const large = 'x'.repeat(1_000_000);
  const alone = await ask(server, 'SELECT strlen(?)', { token, parameters: [large] });
  assert.deepEqual(alone.rows, [[1_000_000]]);
  const equal = await ask(server, 'SELECT count(*) FROM words WHERE long = ?', {
    token,
    parameters: [large],
  });
  assert.deepEqual(equal.rows, [[0]]);
  const joined = await ask(server, 'SELECT max(strlen(? || i)) FROM numbers', { token, parameters: [large] });
  assert.equal(joined.code, 'RESULT_TOO_LARGE');
  assert.match(joined.detail ?? '', /query\.max_call_bytes/);
});

test('values that parameters ask for are bounded too', async () => {
  for (const sql of [
    'SELECT len(range(?))',
    "SELECT strlen(repeat('x', ?))",
    "SELECT strlen(lpad('x', ?, 'y'))",
  ]) {
    const few = await ask(server, sql, { token, parameters: [10] });
    assert.deepEqual(few.rows, [[10]], sql);
    const many = await ask(server, sql, { token, parameters: [1_000_000_000] });
    assert.equal(many.code, 'RESULT_TOO_LARGE', sql);
  }
});

test('over Flight SQL no statement does either, prepared or not', { skip: skipWithoutPython }, async (t) => {
  const other = await startServer(t, { config: 'query: {timeout_ms: 1000}\n' });
  for (const sql of hostileTables) assert.equal((await ask(other, sql)).status, 200);
  await ask(other, "SELECT len(range(i)), repeat('x', i) FROM numbers WHERE i < 10");
  const before = peakMemory(other);
  const answers = await runPythonJson<string[]>(
    `
import json, sys
import adbc_driver_flightsql.dbapi as dbapi
answers = []
with dbapi.connect(sys.argv[1], autocommit=True) as connection:
    for sql, parameters in json.load(sys.stdin):
        with connection.cursor() as cursor:
            try:
                cursor.execute(sql, parameters)
                answers.append(f"answered {cursor.fetchall()}"[:60])
            except Exception as error:
                answers.append(str(error))
print(json.dumps(answers))
`,
    [other.flightUrl],
    {
      input: JSON.stringify([
        ...hostile.map((sql) => [sql, null]),
        ['SELECT len(range(?))', [1_000_000_000]],
        ['SELECT len(range(?))', [10]],
      ]),
    },
  );
  assert.equal(answers.pop(), 'answered [(10,)]');
  for (const [index, answer] of answers.entries()) {
    assert.match(
      answer,
      /RESULT_TOO_LARGE|QUERY_FORBIDDEN|QUERY_INVALID|QUERY_TIMEOUT/,
      `${hostile[index]?.slice(0, 120)}: ${answer}`,
    );
  }
  const grown = peakMemory(other) - before;
  assert.ok(grown < 600, `${grown.toFixed(0)} MiB`);
});

test('a query whose memory DuckDB does not count is stopped before it takes too much', async (t) => {
  const other = await startServer(t, { config: 'query: {max_growth_bytes: 134217728}\n' });
  await ask(other, 'SELECT median(i) FROM range(1000) t(i)');
  const before = peakMemory(other);
  for (const aggregate of ['median(i)', 'quantile_cont(i, 0.5)', 'mode(i)', 'histogram(i)']) {
    const { code, detail } = await ask(other, `SELECT ${aggregate} FROM range(2000000000) t(i)`);
    assert.equal(code, 'RESULT_TOO_LARGE', `${aggregate}: ${detail}`);
  }
  const grown = peakMemory(other) - before;
  assert.ok(grown < 700, `${grown.toFixed(0)} MiB`);
  assert.deepEqual((await ask(other, 'SELECT median(i) FROM range(1001) t(i)')).rows, [[500]]);
});

test('a statement that fails leaves nothing in the memory of DuckDB', async (t) => {
  const other = await startServer(t);
  const memory = async () => {
    const text = await (await fetch(`${other.url}/metrics`)).text();
    return Number(/^arrowport_memory_bytes\{kind="duckdb"\} (\S+)/m.exec(text)?.[1]);
  };
  const fails = 'SELECT max(len(l)) FROM (SELECT list(i) AS l FROM range(300000) t(i)), range(10000)';
  await ask(other, fails);
  const before = await memory();
  for (let round = 0; round < 8; round += 1) {
    assert.equal((await ask(other, fails)).code, 'RESULT_TOO_LARGE');
  }
  const left = (await memory()) - before;
  assert.ok(left < 4 * 1024 * 1024, `${left} bytes`);
});

test('a statement that is too long for the memory is refused for good', async () => {
  const numbers = Array.from({ length: 500_000 }, (_, n) => n).join(',');
  const long = await ask(server, `SELECT 1 WHERE 1 IN (${numbers})`, { token });
  assert.equal(long.code, 'BODY_TOO_LARGE', long.detail);
  assert.equal(long.status, 413);
  const longest = await ask(server, `SELECT '${'x'.repeat(4 * 1024 * 1024)}'`, { token });
  assert.equal(longest.code, 'BODY_TOO_LARGE', longest.detail);
});
