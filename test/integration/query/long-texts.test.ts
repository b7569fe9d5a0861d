import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

let server: TestServer;
const cleanups: (() => unknown)[] = [];

before(async () => {
  server = await startGuardedServer({ after: (clean) => cleanups.push(clean) });
});

after(async () => {
  for (const clean of cleanups) await clean();
});

const series = (count: number, write: (n: number) => string, separator = ',') =>
  Array.from({ length: count }, (_, n) => write(n)).join(separator);
const nested = (count: number, open: string, close: string, inside = '1') =>
  `${open.repeat(count)}${inside}${close.repeat(count)}`;

/** Texts of up to 4 MiB, each of which took DuckDB's parser seconds or minutes in which nothing stopped it, or the server. */
const refused: readonly (readonly [name: string, sql: string, code: RegExp])[] = [
  ['many OR', `SELECT 1 WHERE 1 = 2${' OR 1 = 3'.repeat(400_000)}`, /QUERY_FORBIDDEN/],
  ['many AND', `SELECT 1 WHERE true${' and true'.repeat(100_000)}`, /QUERY_FORBIDDEN/],
  [
    'many BETWEEN',
    `SELECT 1 WHERE ${series(50_000, (n) => `${n} BETWEEN 1 AND 2`, ' OR ')}`,
    /QUERY_FORBIDDEN/,
  ],
  ['a long UNION', `SELECT 1${' UNION ALL SELECT 1'.repeat(200_000)}`, /QUERY_FORBIDDEN/],
  ['comments in comments', `SELECT 1 ${nested(5000, '/*', '*/', '')}`, /QUERY_FORBIDDEN/],
  ['comments without an end', `SELECT 1 ${'/*'.repeat(100_000)}`, /QUERY_FORBIDDEN/],
  ['deep parentheses', `SELECT ${nested(2_000_000, '(', ')')}`, /QUERY_INVALID/],
  ['parentheses without an end', `SELECT ${'('.repeat(4_000_000)}`, /QUERY_INVALID/],
  ['deep lists', `SELECT ${nested(100_000, '[', ']')}`, /QUERY_INVALID/],
  ['deep calls', `SELECT ${nested(100_000, 'abs(', ')')}`, /QUERY_INVALID/],
  ['deep subqueries', nested(20_000, 'SELECT * FROM (', ')', 'SELECT 1'), /QUERY_INVALID/],
  ['deep EXISTS', `SELECT ${nested(20_000, 'EXISTS (SELECT 1 WHERE ', ')', 'true')}`, /QUERY_INVALID/],
  ['deep CASE', `SELECT ${nested(20_000, 'CASE WHEN true THEN ', ' END')}`, /QUERY_INVALID/],
  ['many NOT', `SELECT ${'NOT '.repeat(100_000)}true`, /QUERY_INVALID/],
  ['many casts', `SELECT 1${'::INT'.repeat(100_000)}`, /QUERY_INVALID/],
  ['a long sum', `SELECT 1${' + 1'.repeat(100_000)}`, /QUERY_INVALID/],
  ['a long name', `SELECT 1 AS "${'x'.repeat(4_000_000)}"`, /QUERY_INVALID/],
  ['a long name of nothing', `SELECT "${'x'.repeat(100_000)}"`, /QUERY_INVALID/],
  ['words', `SELECT ${'a '.repeat(1_000_000)}`, /QUERY_INVALID/],
  ['a text without an end', `SELECT '${'x'.repeat(4_000_000)}`, /QUERY_INVALID/],
  [
    'a list of values for nobody',
    `INSERT INTO t VALUES ${series(200_000, (n) => `(${n})`)}`,
    /QUERY_FORBIDDEN/,
  ],
];

test('texts that are long, deep or of very many parts are refused, and nobody waits for them', async () => {
  for (const [name, sql, code] of refused) {
    const answer = await ask(server, sql, { token: tokens.reader });
    assert.match(answer.code ?? String(answer.status), code, `${name}: ${answer.detail?.slice(0, 200)}`);
    assert.deepEqual((await ask(server, 'SELECT 1', { token: tokens.partner })).rows, [[1]], name);
  }
});

test('over Flight SQL they are refused as well', { skip: skipWithoutPython }, async () => {
  const answers = await runPythonJson<string[]>(
    `
import json, sys
import adbc_driver_flightsql.dbapi as dbapi
answers = []
options = {"adbc.flight.sql.authorization_header": "Bearer " + sys.argv[2]}
with dbapi.connect(sys.argv[1], db_kwargs=options, autocommit=True) as connection:
    for sql in json.load(sys.stdin):
        with connection.cursor() as cursor:
            try:
                cursor.execute(sql)
                answers.append("answered")
            except Exception as error:
                answers.append(str(error)[:200])
print(json.dumps(answers))
`,
    [server.flightUrl, tokens.reader],
    { input: JSON.stringify(refused.map(([, sql]) => sql)) },
  );
  for (const [index, answer] of answers.entries()) {
    const [name = '', , code = /./] = refused[index] ?? [];
    assert.match(answer, code, name);
  }
});

test('long statements of honest parts answer', async () => {
  const answers: readonly (readonly [sql: string, first: unknown])[] = [
    [`SELECT 29999 IN (${series(30_000, String)}), 'done'`, true],
    [`SELECT 'v9999' IN (${series(10_000, (n) => `'v${n}'`)})`, true],
    [`SELECT 7 = 8${' OR 7 = 7'.repeat(900)}`, true],
    [`SELECT strlen('${' and or union /* '.repeat(100_000)}')`, 1_700_000],
    [`SELECT count(*) FROM (VALUES ${series(5000, (n) => `(${n}, 'a')`)}) t`, 5000],
    [`SELECT 1 ${'/* a comment /* in another */ */ '.repeat(20_000)} + 1`, 2],
    [`SELECT ${series(2000, (n) => `${n} AS c${n}`)}`, 0],
    [`SELECT list_sum([${series(20_000, () => '1')}])`, 20_000],
    [`SELECT concat(${series(300, () => '1')}, 'x')`, `${'1'.repeat(300)}x`],
  ];
  for (const [sql, first] of answers) {
    const { rows, detail } = await ask(server, sql, { token: tokens.reader });
    assert.deepEqual(rows?.[0]?.[0], first, `${sql.slice(0, 60)}: ${detail}`);
  }
});
