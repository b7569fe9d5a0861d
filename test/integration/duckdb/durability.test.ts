import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { scrape } from '../metric-samples.ts';
import { getJson, ingest, openIngest, runFlight } from '../producers.ts';
import { readFile, runScenario } from './scenario.ts';

const needsPython = { skip: skipWithoutPython };

test(
  'rows that a 200 or a receipt spoke of are there after a kill right behind it',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const body = await arrowBytes('table = pa.table({"id": np.arange(50_000)})');
    const put =
      'print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("s"), pa.table({"id": np.arange(50_000)}))))';
    for (let round = 1; round <= 4; round += 1) {
      if (round % 2 === 1) await ingest(server, 's', body);
      else assert.equal((await runFlight(server, put)).receipts.length, 1);
      await server.kill();
      await server.restart();
      assert.equal((await getJson(server, '/streams/s')).body['row_count'], round * 50_000);
    }
  },
);

test('a first load that a kill, a break or a cut ends leaves no table', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {"first*": {chunk_size: 1000}}\n' });
  const body = await arrowBytes('table = pa.table({"id": np.arange(100_000)})', { batchRows: 1000 });
  const half = body.subarray(0, body.length / 2);

  const broken = openIngest(server, 'first_broken');
  broken.write(half);
  await waitForLog(server, 'first_broken');
  assert.equal(await hasTable(server, 'first_broken'), false);
  broken.destroy();
  await waitForNoTable(server, 'first_broken');
  const cut = openIngest(server, 'first_cut');
  assert.equal((await cut.finish(half)).body['code'], 'IPC_TRUNCATED');
  await waitForNoTable(server, 'first_cut');

  const killed = openIngest(server, 'first_killed');
  killed.write(half);
  await waitForLog(server, 'first_killed');
  await server.kill();
  await server.restart();
  assert.equal(await hasTable(server, 'first_killed'), false);
  assert.equal((await ingest(server, 'first_killed', body)).rows_processed, 100_000);
  assert.equal(await server.stop(), 0);
  const tables = "SELECT table_name, estimated_size::INTEGER FROM duckdb_tables() WHERE schema_name = 'main'";
  const found = await readFile<Record<string, unknown>>(server, 'query_tables', [JSON.stringify({ tables })]);
  assert.deepEqual(found, { tables: [['first_killed', 100_000]] });
});

test('a kill in the midst of loads leaves each of them whole or not at all', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {"*": {chunk_size: 1000}}\n' });
  const rows = 20_000;
  const acknowledged: number[] = [];
  for (const [round, enough] of [8, 15, 30].entries()) {
    const sent = runScenario<number[]>(server, 'kill_send', [String(round * 1_000_000), String(rows)]);
    const committed = async () =>
      (await scrape(server)).sum('arrowport_transactions_total', 'outcome="committed"');
    await waitFor(`${enough} loads`, async () => (await committed()) >= enough);
    await server.kill();
    acknowledged.push(...(await sent));
    await server.restart();
  }
  assert.equal(await server.stop(), 0);
  assert.ok(acknowledged.length > 10, `${acknowledged.length} loads were acknowledged`);
  const names = ['shared', 'own_0', 'own_1', 'own_2'];
  const everything = names.map((name) => `SELECT * FROM ${name}`).join(' UNION ALL ');
  const { found } = await readFile<{ found: [number, number, number][] }>(server, 'query_tables', [
    JSON.stringify({
      found: `SELECT load, count(*)::INTEGER, count(DISTINCT "at")::INTEGER FROM (${everything}) GROUP BY load`,
    }),
  ]);
  t.diagnostic(`${acknowledged.length} loads acknowledged, ${found.length} there after three kills`);
  for (const [load, count, distinct] of found) assert.deepEqual([load, count, distinct], [load, rows, rows]);
  const there = new Set(found.map(([load]) => load));
  assert.deepEqual(
    acknowledged.filter((load) => !there.has(load)),
    [],
  );
});

async function hasTable(server: Pick<TestServer, 'url'>, stream: string): Promise<boolean> {
  return (await getJson(server, `/streams/${stream}`)).body['row_count'] !== null;
}

async function waitForNoTable(server: Pick<TestServer, 'url'>, stream: string): Promise<void> {
  await waitFor(`no table of ${stream}`, async () => !(await hasTable(server, stream)));
}

/** Waits until the table is made: nobody is shown it before its first commit, but the write-ahead log has it. */
async function waitForLog(server: TestServer, table: string): Promise<void> {
  const log = `${server.dbPath}.wal`;
  await waitFor(`${table} in the log`, () => existsSync(log) && readFileSync(log).includes(table));
}
