import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

let server: TestServer;
const cleanups: (() => unknown)[] = [];
const token = tokens.reader;

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
  for (const sql of [
    'CREATE TABLE numbers AS SELECT i, 1000000000 + i AS big, i::VARCHAR AS name FROM range(4096) t(i)',
    'CREATE TABLE words AS SELECT repeat(chr(97 + (i % 26)::INT), 20000) AS long, 20000 AS n FROM range(64) t(i)',
  ]) {
    const { status, detail } = await ask(server, sql, { token: tokens.admin });
    assert.equal(status, 200, `${sql}: ${detail}`);
  }
});

after(async () => {
  for (const clean of cleanups) await clean();
});

/** The most memory that the server has had so far, in MiB. */
function peakMemory(): number {
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

function doubled(depth: number, expression: (x: string) => string, seed: string): string {
  let sql = `SELECT ${seed} AS x`;
  for (let level = 0; level < depth; level += 1) sql = `SELECT ${expression('x')} AS x FROM (${sql})`;
  return sql;
}

const doubledAliases = Array.from({ length: 24 }, (_, n) => `a${n} + a${n} AS a${n + 1}`).join(', ');

/** Statements that would take more memory or time than the server has, were they run as they are. */
const hostile: readonly string[] = [
  'SELECT len(range(1000000000))',
  'SELECT len(range(0, 1000000000))',
  'SELECT len(range(1000000000, 0, -1))',
  'SELECT len(RANGE(500000000 + 500000000))',
  'SELECT len("range"(1000000000))',
  'SELECT len(generate_series(1, 1000000000))',
  "SELECT len(generate_series(TIMESTAMP '2000-01-01', TIMESTAMP '2020-01-01', INTERVAL 1 MICROSECOND))",
  "SELECT len(range(TIMESTAMPTZ '2020-01-01', TIMESTAMPTZ '2000-01-01', INTERVAL '-1' MICROSECOND))",
  'SELECT len(main.range(1000000000))',
  'SELECT len(system.main.range(1000000000))',
  'SELECT len((1000000000).range())',
  'SELECT len(big.range()) FROM numbers',
  'SELECT sum(len(range(big))) FROM numbers',
  'SELECT i FROM numbers WHERE len(range(big)) > 3',
  'SELECT count(*) FROM numbers GROUP BY len(range(big))',
  'SELECT i FROM numbers ORDER BY len(range(big))',
  'SELECT max(i) OVER (PARTITION BY len(range(big))) FROM numbers',
  'SELECT sum(i) FILTER (WHERE len(range(big)) > 3) FROM numbers',
  'SELECT a.i FROM numbers a JOIN numbers b ON len(range(a.big)) = b.i',
  'SELECT (SELECT len(range(n.big))) FROM numbers n',
  'SELECT * FROM numbers, LATERAL (SELECT len(range(big)))',
  'SELECT u FROM numbers, unnest(range(big)) t(u) LIMIT 1',
  'SELECT count(*) FROM unnest(range(1000000000))',
  'SELECT unnest(range(1000000000)) LIMIT 1',
  'WITH l AS (SELECT range(big) AS r FROM numbers) SELECT len(r) FROM l',
  'SELECT len(range(CASE WHEN random() < 0.5 THEN 1 ELSE 1000000000 END)) FROM numbers',
  'SELECT len(range(30000 + i)), len(range(30001 + i)), len(range(30002 + i)) FROM numbers',
  'EXPLAIN ANALYZE SELECT len(range(big)) FROM numbers',
  'SUMMARIZE SELECT len(range(big)) FROM numbers',
  "SELECT strlen(repeat('x', 1000000000))",
  "SELECT strlen(repeat('x', big)) FROM numbers",
  "SELECT strlen('x'.repeat(1000000000)) FROM numbers",
  'SELECT len(repeat([1, 2], 500000000))',
  "SELECT octet_length(repeat('x'::BLOB, 1000000000))",
  "SELECT strlen(repeat(repeat(repeat('x', 60), 60), 60000))",
  "SELECT strlen(lpad('x', 1000000000, 'y')), strlen(rpad('x', 1000000000, 'y'))",
  "SELECT strlen(rpad(name, big::INT, 'y')) FROM numbers",
  'SELECT len(list_resize([1], 1000000000))',
  "SELECT len(array_resize([name], 50000, repeat('x', 60))) FROM numbers",
  "SELECT bit_length(bitstring('1', 1000000000))",
  "SELECT strlen(format('{:>1000000000}', 'a'))",
  "SELECT strlen(format('{:>{}}', 'a', 1000000000))",
  "SELECT strlen(printf('%1000000000d', 1))",
  "SELECT strlen(printf('%*d', 1000000000, 1))",
  'SELECT strlen(printf(long, 1)) FROM words',
  'SELECT strlen(replace(long, left(long, 1), long)) FROM words',
  "SELECT strlen(regexp_replace(long, 'a', long, 'g')) FROM words",
  'SELECT strlen(array_to_string(string_split(long, left(long, 1)), long)) FROM words',
  "SELECT strlen(json_pretty(repeat('[', 30000) || repeat(']', 30000)))",
  `SELECT strlen(x) FROM (${doubled(34, (x) => `${x} || ${x}`, "'ab' || i").replace("'ab' || i AS x", "'ab' || i AS x FROM numbers")})`,
  `SELECT strlen(x) FROM (${doubled(34, (x) => `concat(${x}, ${x})`, "'abcdefgh'")})`,
  `SELECT len(x) FROM (${doubled(34, (x) => `list_concat(${x}, ${x})`, '[1, 2]')})`,
  `SELECT x FROM (${doubled(30, (x) => `[${x}, ${x}]`, '1')})`,
  `SELECT x FROM (${doubled(30, (x) => `{'a': ${x}, 'b': ${x}}`, "'a'")})`,
  `SELECT x FROM (${doubled(30, (x) => `(${x}, ${x})`, "'a'")})`,
  `SELECT x FROM (${doubled(30, (x) => `json_array(${x}, ${x})`, "'a'")})`,
  `SELECT 'x' AS a0, ${doubledAliases.replaceAll('+', '||')}`,
  `SELECT 1 AS a0, ${doubledAliases}`,
  "SELECT strlen(list_reduce(range(40), lambda a, b: a || a, 'x')) FROM numbers",
  "SELECT strlen(list_reduce(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', name, name], lambda a, b: concat(a, a, a, a, a, a, a, a))) FROM numbers",
  'SELECT len(list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: range(1000))))',
  "SELECT len(list_transform(range(8000), lambda x: repeat('x', x * 1000)))",
  'SELECT len([range(1000) FOR x IN range(1000)])',
  'SELECT len(list_transform(r, lambda x: r)) FROM (SELECT range(5000 + i) AS r FROM numbers)',
  'SELECT len(list_filter(l, lambda x: list_contains(l, -x))) FROM (SELECT list(a.i * 4096 + b.i) AS l FROM numbers a, numbers b)',
  'SELECT count(x) FROM (SELECT NULL::INTEGER[100000][1000] AS x FROM numbers)',
  `SELECT from_json('{}', '"INTEGER[100000][1000]"')`,
  'SELECT sum(levenshtein(a.long, b.long)) FROM words a, words b',
  'SELECT sum(editdist3(a.long, b.long)) FROM words a, words b',
  'SELECT sum(damerau_levenshtein(a.long, b.long)) FROM words a, words b',
  "SELECT levenshtein(repeat('a', 60000 + i), repeat('b', 60000 + i)) FROM numbers",
  "SELECT long GLOB '*a*a*a*a*b' FROM words",
  `SELECT "${'a'.repeat(500_000)}"()`,
  `SELECT * FROM "${'a'.repeat(500_000)}"`,
  `SELECT regexp_matches(name, '${'(a|b)?'.repeat(20_000)}') FROM numbers`,
];

test('no statement of a reader takes memory that nobody counts, or time that nobody can end', async () => {
  await ask(server, "SELECT len(range(i)), repeat('x', i) FROM numbers WHERE i < 10", { token });
  const before = peakMemory();
  const slow: string[] = [];
  for (const sql of hostile) {
    const started = performance.now();
    const { status, code } = await ask(server, sql, { token, query: '?timeout_ms=1000' });
    const seconds = (performance.now() - started) / 1000;
    assert.ok([400, 403, 413, 504].includes(status), `${sql.slice(0, 120)}: ${status} ${code}`);
    if (seconds > 4) slow.push(`${seconds.toFixed(1)} s: ${sql.slice(0, 120)}`);
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
  ['SELECT i AS a, a + 1 AS b, b * 2 AS c FROM numbers WHERE i = 4', 4],
  ['SELECT len(NULL::FLOAT[1536]::FLOAT[])', null],
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
