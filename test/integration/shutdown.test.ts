import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer } from '../support/server.ts';
import { waitForLine } from '../support/server-log.ts';
import { scrape, waitForLoads } from './metric-samples.ts';
import { openIngest, queryFile, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };
const rows = 'table = pa.table({"id": range(5000)})';

test(
  'SIGTERM lets a running load finish, answers new requests on open connections with 503, and exits 0',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const body = await arrowBytes(rows);
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    t.after(() => agent.destroy());
    // Two connections: one with the load that runs, one that is idle when the signal comes.
    const warm = openIngest(server, 'warm', agent);
    const running = openIngest(server, 's', agent);
    running.write(body.subarray(0, 1000));
    assert.equal((await warm.finish(body)).status, 200);
    await waitForLoads(server, 1);
    const stopped = server.stop();
    await waitForLine(server, 'stopping');
    const late = await openIngest(server, 's', agent).finish(body);
    assert.equal(late.status, 503);
    assert.equal(late.body['code'], 'SHUTTING_DOWN');
    assert.equal(late.headers.connection, 'close');
    assert.ok(Number(late.headers['retry-after']) >= 1);
    await assert.rejects(
      new Promise((resolve, reject) =>
        connect(server.port, '127.0.0.1').on('connect', resolve).on('error', reject),
      ),
      /ECONNREFUSED/,
    );
    const { status, body: receipt } = await running.finish(body.subarray(1000));
    assert.equal(status, 200);
    assert.equal(receipt.rows_processed, 5000);
    assert.equal(await stopped, 0);
    assert.deepEqual(await queryFile(server, 'select count(*) from s'), [[5000]]);
  },
);

test(
  'a load that is not finished when the grace is over ends with SHUTTING_DOWN and leaves nothing',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'shutdown_grace_seconds: 1\n' });
    const body = await arrowBytes(rows);
    const running = openIngest(server, 's');
    running.write(body.subarray(0, 1000));
    await waitForLoads(server, 1);
    const startedAt = performance.now();
    const stopped = server.stop();
    const answer = await running.answer;
    assert.equal(answer.status, 503);
    assert.equal(answer.body['code'], 'SHUTTING_DOWN');
    assert.equal((await waitForLine(server, 'requests are broken off: the grace is over'))['requests'], 1);
    assert.equal(await stopped, 0);
    const took = performance.now() - startedAt;
    assert.ok(took > 900, `${took} ms`);
    assert.deepEqual(await queryFile(server, "select count(*) from duckdb_tables() where table_name = 's'"), [
      [0],
    ]);
  },
);

test('a DoPut that runs when the signal comes gets its receipt', needsPython, async (t) => {
  const server = await startServer(t);
  const { receipts, error } = await runFlight(
    server,
    `
table = pa.table({"id": range(10)})
client, writer, reader = open_put("s", table)
wait_for_loads(1)
terminate(${server.pid})
writer.write_table(table)
writer.done_writing()
print(json.dumps({"receipts": [json.loads(reader.read().to_pybytes())], "error": None}))`,
  );
  assert.equal(error, null);
  assert.equal(receipts[0]?.rows_processed, 20);
});

test(
  'a load that is being inserted when the grace is over is ended, and its table goes with it',
  needsPython,
  async (t) => {
    const server = await startServer(t, {
      config: 'shutdown_grace_seconds: 0\nstreams: {s: {chunk_size: 1024}}\n',
    });
    const body = await arrowBytes('table = pa.table({"x": np.random.default_rng(2).random(3000000)})', {
      batchRows: 100_000,
    });
    const running = openIngest(server, 's');
    running.write(body.subarray(0, -8));
    await waitFor('batches', async () => (await scrape(server)).sum('arrowport_batches_total') >= 10);
    assert.equal(await server.stop(), 0);
    assert.deepEqual(await queryFile(server, "select count(*) from duckdb_tables() where table_name = 's'"), [
      [0],
    ]);
  },
);
