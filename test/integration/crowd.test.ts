import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { scrape, waitForLoads } from './metric-samples.ts';
import { getJson, ingest, openIngest, type PutResult, post, queryFile, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };

/** Python that puts from eight threads at once, thread `i` to the stream of `name`, and prints each one's rows or error. */
const eightProducers = (name: string) => `
from concurrent.futures import ThreadPoolExecutor
table = pa.table({"id": np.arange(200_000), "who": pa.array(["producer"] * 200_000)})
def produce(i):
    result = do_put(url, fl.FlightDescriptor.for_path(${name}), table, 20_000)
    return result["error"] or sum(receipt["rows_processed"] for receipt in result["receipts"])
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(produce, range(8)))))`;

async function waitForFreeMemory(server: TestServer): Promise<void> {
  await waitFor(
    'memory given back',
    async () => (await scrape(server)).sum('arrowport_inflight_bytes') === 0,
  );
}

test('eight producers at once into one table lose and repeat nothing', needsPython, async (t) => {
  const server = await startServer(t);
  const answers = await runFlight<unknown[]>(server, eightProducers('"one"'));
  assert.deepEqual(answers, Array(8).fill(200_000));
  await server.stop();
  assert.deepEqual(
    await queryFile(server, 'select count(*), min(n), max(n) from (select count(*) n from one group by id)'),
    [[200_000, 8, 8]],
  );
});

test('eight producers at once into eight tables, by both kinds of name', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {"in.*": {}}\n' });
  const answers = await runFlight<unknown[]>(server, eightProducers('f"in.{i}" if i % 2 else f"free{i}"'));
  assert.deepEqual(answers, Array(8).fill(200_000));
  const { streams } = (await getJson<{ streams: Record<string, unknown>[] }>(server, '/streams')).body;
  const counts = streams.filter(({ pattern }) => pattern === false).map(({ row_count }) => row_count);
  assert.deepEqual(counts, Array(4).fill(200_000));
  assert.equal((await getJson(server, '/streams/in.7')).body['row_count'], 200_000);
});

test('more producers than there is memory for all get their turn', needsPython, async (t) => {
  const server = await startServer(t, { config: 'limits: {max_inflight_bytes: 400000}\n' });
  // A message of 160 kB each: two at a time fit, and every load wants several.
  const body = await arrowBytes('table = pa.table({"id": np.arange(200_000)})', { batchRows: 20_000 });
  const receipts = await Promise.all(Array.from({ length: 12 }, () => ingest(server, 's', body)));
  assert.deepEqual(
    receipts.map(({ rows_processed }) => rows_processed),
    Array(12).fill(200_000),
  );
  const { receipts: put } = await runFlight<PutResult>(
    server,
    'print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("s"), pa.table({"id": np.arange(100_000)}))))',
  );
  assert.equal(put[0]?.rows_processed, 100_000);
  assert.equal((await getJson(server, '/streams/s')).body['row_count'], 2_500_000);
  await waitForFreeMemory(server);
});

test('a load that waits for its place is served when another ends', needsPython, async (t) => {
  const server = await startServer(t, { config: 'limits: {max_streams: 1}\n' });
  const body = await arrowBytes('table = pa.table({"id": range(100)})');
  const first = openIngest(server, 's');
  first.write(body.subarray(0, 100));
  await waitForLoads(server, 1);
  const second = post(server, 's', body);
  const third = post(server, 's', body);
  assert.equal((await first.finish(body.subarray(100))).status, 200);
  assert.deepEqual([(await second).status, (await third).status], [200, 200]);
});

test(
  'a producer that breaks off leaves nothing, on either door, and its place and memory are free',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'limits: {max_streams: 2}\n' });
    const body = await arrowBytes('table = pa.table({"id": np.arange(50_000)})', { batchRows: 1000 });
    for (let times = 0; times < 3; times++) {
      const open = openIngest(server, 'cut');
      open.write(body.subarray(0, body.length - 1000));
      await waitFor('a load', async () => (await scrape(server)).sum('arrowport_active_streams') > 0);
      open.destroy();
      await runFlight(
        server,
        `
client, writer, reader = open_put("cut", pa.table({"id": np.arange(1000)}))
print("{}")
import os
sys.stdout.flush()
os._exit(0)`,
      );
    }
    await waitForLoads(server, 0);
    assert.equal((await getJson(server, '/streams/cut')).status, 404);
    await waitForFreeMemory(server);
    assert.equal((await post(server, 'whole', body)).status, 200);
  },
);
