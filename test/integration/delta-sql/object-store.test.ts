import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { startServer } from '../../support/server.ts';
import { runCli } from '../../unit/cli/run-cli.ts';
import { skipWithoutObjectStore, startObjectStore } from '../delta/object-store.ts';
import { runSteps } from '../flight-sql/python-steps.ts';

const skip = await skipWithoutObjectStore();

const readByParts = `
client = fl.connect(url)
info = client.get_flight_info(fl.FlightDescriptor.for_path('delta', 'things'))
rows = pa.concat_tables(client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints)
step('parts', lambda: [len(info.endpoints), rows.num_rows, sum(rows.column('id').to_pylist())])
`;

test('Delta tables in an object store are read in SQL and migrated, there and back', { skip }, async (t) => {
  const endpoint = await startObjectStore(t);
  const config = `db_path: ./db.duckdb
flight_endpoint_bytes: 100000
delta_config:
  table_path: s3://lake/tables
  storage_options: {endpoint: '${endpoint}', region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: wJalrEXAMPLEKEY, allow_http: true, path_style_access: true}
`;
  const server = await startServer(t, { config });
  const query = async (sql: string) => {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      body: sql,
      headers: { 'content-type': 'text/plain', accept: 'application/json' },
    });
    const answer = (await response.json()) as { rows: unknown[][]; detail: string; code: string };
    assert.ok(!JSON.stringify(answer).includes('EXAMPLE'), answer.detail);
    return answer;
  };
  await query(
    "CREATE TABLE things AS SELECT range AS id, 'k' || (range % 3) AS kind, uuid() AS u FROM range(30000)",
  );
  const rowsOf = async (sql: string) => {
    const { rows, detail } = await query(sql);
    assert.ok(rows, detail);
    return rows;
  };
  const migrate = async (...args: string[]) => {
    const result = await runCli(['migrate', ...args, '--url', server.url, '--json']);
    assert.equal(result.code, 0, result.stderr);
    return JSON.parse(result.stdout) as { rows: number; parts: number };
  };
  assert.equal((await migrate('duckdb:things', 'delta:things', '--partition-by', 'kind')).rows, 30_000);
  assert.deepEqual(await rowsOf('SELECT count(*), sum(id) FROM delta.things'), [[30_000, 449_985_000]]);
  assert.deepEqual(
    await rowsOf("SELECT count(*), min(id) FROM delta_table('things', version => 0) WHERE kind = 'k2'"),
    [[10_000, 2]],
  );
  // Files of other partitions are not asked of the store.
  const spooled = async (sql: string) => {
    const { rows } = await query(`EXPLAIN ANALYZE ${sql}`);
    return /(\d+,?\d*) rows/.exec(rows.flat().join().split('READ_PARQUET').at(-1) ?? '')?.[1];
  };
  assert.equal(await spooled('SELECT id FROM delta.things'), '30,000');
  assert.equal(
    await spooled(
      "SELECT t.id FROM delta.things AS t JOIN things USING (id) WHERE t.kind IN ('k1', 'k2') AND t.id >= 0",
    ),
    '20,000',
  );
  assert.equal(await spooled("SELECT id FROM delta.things WHERE kind > 'k1' AND u IS NOT NULL"), '10,000');
  const steps = await runSteps(server.flightUrl, readByParts);
  assert.deepEqual(steps.value('parts'), [3, 30_000, 449_985_000]);
  assert.equal((await query('SELECT * FROM delta.nope')).code, 'TABLE_NOT_FOUND');
  assert.equal((await query("SELECT * FROM delta_table('things', version => 5)")).code, 'VERSION_NOT_FOUND');
  assert.deepEqual(
    await migrate('delta:things', 'duckdb:back', '--part-rows', '10000').then(({ parts }) => parts),
    3,
  );
  assert.deepEqual(
    await rowsOf(
      'SELECT count(*), any_value(typeof(u)) FROM (FROM things EXCEPT ALL FROM back UNION ALL FROM back)',
    ),
    [[30_000, 'UUID']],
  );
  assert.ok(!existsSync(`${server.folder}/s3:`), readdirSync(server.folder).join());
});
