import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { scrape } from '../metric-samples.ts';
import { openIngest } from '../producers.ts';
import { readFile, runScenario } from './scenario.ts';

interface Run {
  readonly rows: unknown[];
  readonly seconds: number;
}

const million = 1_000_000;
const idleSeconds = 4;

test('eight producers of a million rows into one table and into eight, and 800 small loads, are exact', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  const { one, eight, small } = await runScenario<Record<'one' | 'eight' | 'small', Run>>(
    server,
    'producers_send',
  );
  assert.equal(await server.stop(), 0);
  t.diagnostic(
    `8 million rows: one table ${one.seconds} s, eight tables ${eight.seconds} s; 800 loads: ${small.seconds} s`,
  );
  assert.deepEqual([one.rows, eight.rows], [Array(8).fill(million), Array(8).fill(million)]);
  assert.deepEqual(
    small.rows,
    Array.from({ length: 800 }, (_, index) => 1 + (index % 100)),
  );
  const figures = 'count(*)::INTEGER, sum(id)::VARCHAR, sum(value)::VARCHAR, count(DISTINCT text)::INTEGER';
  const tables = Array.from({ length: 8 }, (_, index) => `t${index}`);
  const found = await readFile<Record<string, unknown[][]>>(server, 'query_tables', [
    JSON.stringify({
      ...Object.fromEntries(['one', ...tables].map((name) => [name, `SELECT ${figures} FROM ${name}`])),
      repeated: 'SELECT count(*)::INTEGER FROM (SELECT id FROM one GROUP BY id HAVING count(*) <> 8)',
      small: `SELECT count(*)::INTEGER, count(DISTINCT n)::INTEGER FROM
          (SELECT n, count(*) AS how_many, max("at") AS highest FROM small GROUP BY n)
          WHERE how_many = 1 + n % 100 AND highest = n % 100`,
    }),
  ]);
  const sum = (million * (million - 1)) / 2;
  for (const name of tables) assert.deepEqual(found[name], [[million, `${sum}`, `${sum / 4}.0`, 2]]);
  assert.deepEqual(found['one'], [[8 * million, `${8 * sum}`, `${2 * sum}.0`, 2]]);
  assert.deepEqual([found['repeated'], found['small']], [[[0]], [[800, 800]]]);
});

test('a producer that stalls holds nobody up, and a change of its table is bounded', {
  skip: skipWithoutPython,
}, async (t) => {
  const configWith = (idleTimeoutSeconds: number) => `limits: {idle_timeout_seconds: ${idleTimeoutSeconds}}
streams:
  "first.*": {chunk_size: 1000}
  "given_up.*": {chunk_size: 1000}
  later.http: {target_table: later_http, chunk_size: 1000}
  later.flight: {target_table: later_flight, chunk_size: 1000}
  merge.http: {target_table: later_http, schema_mode: merge}
  merge.flight: {target_table: later_flight, schema_mode: merge}
`;
  const answers: Record<string, unknown> = {};
  const file: Record<string, unknown[][]> = {};
  for (const [part, idleTimeoutSeconds, names] of [
    ['goes_on', 300, ['first']],
    ['is_given_up', idleSeconds, ['later', 'given_up']],
  ] as const) {
    const server = await startServer(t, { config: configWith(idleTimeoutSeconds) });
    Object.assign(answers, await runScenario(server, 'stall_send', [server.dbPath, part]));
    assert.equal(await server.stop(), 0);
    const asked = Object.entries(queries).filter(([name]) => names.some((start) => name.startsWith(start)));
    const query = JSON.stringify(Object.fromEntries(asked));
    Object.assign(file, await readFile(server, 'query_tables', [query]));
  }
  const ended = { http: /Error$|DEADLINE_EXCEEDED/, flight: /^DEADLINE_EXCEEDED/ };

  for (const door of ['http', 'flight'] as const) {
    await t.test(
      `over ${door}, others load beside a stalled first load, which ends well when it goes on`,
      () => {
        assert.deepEqual(answers[`first_${door}_others`], [100, 100, 100]);
        assert.equal(answers[`first_${door}`], 40_000);
        assert.deepEqual(file[`first_${door}`], [[40_300]]);
      },
    );

    await t.test(`over ${door}, columns change once the stalled load has been given up for idle`, () => {
      assert.deepEqual(answers[`later_${door}_others`], [100, 100, 100]);
      assert.equal(answers[`later_${door}_change`], 100);
      assert.match(String(answers[`later_${door}`]), ended[door]);
      assert.deepEqual([answers[`later_${door}_after`], file[`later_${door}`]], [100, [[600, 200]]]);
    });

    await t.test(
      `over ${door}, a stalled first load that is given up leaves the name to another schema`,
      () => {
        assert.equal(answers[`given_up_${door}_other`], 1);
        assert.match(String(answers[`given_up_${door}`]), ended[door]);
        assert.deepEqual(file[`given_up_${door}`], [['text']]);
      },
    );
  }
});

test('of two loads that bring one key at the same time, the later commit is refused whole', {
  skip: skipWithoutPython,
}, async (t) => {
  const dbPath = join(makeTempFolder(t), 'keyed.duckdb');
  const make = JSON.stringify({ keyed: 'CREATE TABLE keyed (id BIGINT PRIMARY KEY)' });
  await readFile({ dbPath }, 'query_tables', [make, 'write']);
  const config = `db_path: ${dbPath}\nstreams: {keyed: {chunk_size: 500}}\n`;
  const server = await startServer(t, { config });
  const bodyFrom = (first: number) =>
    arrowBytes(`table = pa.table({"id": np.arange(${first}, ${first} + 20_000)})`, { batchRows: 1000 });
  const bodies = [await bodyFrom(0), await bodyFrom(19_999)];
  const loads = bodies.map((body) => {
    const load = openIngest(server, 'keyed');
    load.write(body.subarray(0, body.length - 8));
    return load;
  });
  await waitFor(
    'all batches of both',
    async () => (await scrape(server)).sum('arrowport_batches_total') >= 40,
  );
  // Both have their rows in a transaction by now.
  await sleep(500);
  const answers = [];
  for (const [index, load] of loads.entries()) answers.push(await load.finish(bodies[index]?.subarray(-8)));
  assert.deepEqual(
    answers.map(({ status, body }) => body['code'] ?? status),
    [200, 'SCHEMA_MISMATCH'],
  );
  assert.equal(await server.stop(), 0);
  const count = JSON.stringify({ count: 'SELECT count(*)::INTEGER, max(id)::INTEGER FROM keyed' });
  assert.deepEqual(await readFile(server, 'query_tables', [count]), { count: [[20_000, 19_999]] });
});

const queries = Object.fromEntries(
  ['http', 'flight'].flatMap((door) => [
    [`first_${door}`, `SELECT count(*)::INTEGER FROM "first.${door}"`],
    [`later_${door}`, `SELECT count(*)::INTEGER, count(added)::INTEGER FROM later_${door}`],
    [`given_up_${door}`, `FROM "given_up.${door}"`],
  ]),
);
