import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type MetricName, metricTable } from '../../src/telemetry/metric-table.ts';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { type MetricSamples, scrape, waitForLoads } from './metric-samples.ts';
import { ingest, openIngest, post } from './producers.ts';

/** Metrics of Delta Lake, which have tests beside that backend. */
const isDelta = (name: string) => /^arrowport_(delta_|worker_)/.test(name);

interface Stage {
  readonly server: TestServer;
  readonly body: Buffer;
}

/** What moves a metric through a public door; resolves when the scrape after it must show the move. */
type Move = (stage: Stage) => Promise<void>;

const load: Move = async ({ server, body }) => {
  await ingest(server, 's', body);
};

const query: Move = async ({ server }) => {
  const response = await fetch(`${server.url}/query?sql=SELECT%201`);
  assert.equal(response.status, 200);
  await response.arrayBuffer();
};

/** Runs `look` while a load has sent most of its only message. */
async function duringLoad({ server, body }: Stage, look: () => Promise<void>): Promise<void> {
  const open = openIngest(server, 's');
  open.write(body.subarray(0, body.length - 500));
  await waitForLoads(server, 1);
  await look();
  const { status } = await open.finish(body.subarray(body.length - 500));
  assert.equal(status, 200);
}

/** Moves that a counter or histogram shows: the sum after them is above the one before. */
const counted: Partial<Record<MetricName, Move>> = {
  arrowport_rows_processed_total: load,
  arrowport_batches_total: load,
  arrowport_bytes_received_total: load,
  arrowport_bytes_decoded_total: load,
  arrowport_ingest_latency_seconds: load,
  arrowport_commit_seconds: load,
  arrowport_transactions_total: load,
  async arrowport_errors_total({ server }) {
    assert.equal((await post(server, 's', Buffer.from('nonsense'))).status, 400);
  },
  arrowport_queries_total: query,
  arrowport_query_seconds: query,
  arrowport_query_rows_total: query,
  arrowport_query_bytes_total: query,
  async arrowport_schema_mismatches_total({ server, body }) {
    await ingest(server, 'm', body);
    const other = await arrowBytes('table = pa.table({"id": ["x"]})');
    assert.equal((await post(server, 'm', other)).status, 409);
  },
  async arrowport_admission_rejections_total({ server, body }) {
    const held = [openIngest(server, 's'), openIngest(server, 's')];
    for (const open of held) open.write(body.subarray(0, 100));
    await waitForLoads(server, 2);
    const refused = await post(server, 's', body);
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    for (const open of held) await open.finish(body.subarray(100));
  },
  async arrowport_config_reloads_total({ server }) {
    const response = await fetch(`${server.url}/admin/reload`, { method: 'POST' });
    assert.equal(response.status, 200);
  },
};

/** Metrics whose value is one of a moment: what it is then. */
const momentary: Partial<Record<MetricName, (stage: Stage) => Promise<void>>> = {
  async arrowport_compression_ratio(stage) {
    await ingest(stage.server, 'm', stage.body);
    const ratio = (await scrape(stage.server)).sum('arrowport_compression_ratio', 'stream="m"');
    assert.ok(ratio > 1.5 && ratio < 50, `${ratio}`);
  },
  async arrowport_active_streams(stage) {
    await duringLoad(stage, () => waitForLoads(stage.server, 1));
    await waitForLoads(stage.server, 0);
  },
  async arrowport_active_queries({ server }) {
    const aborted = new AbortController();
    const running = fetch(`${server.url}/query`, {
      method: 'POST',
      body: 'SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)',
      signal: aborted.signal,
    }).catch(() => undefined);
    const active = async () => (await scrape(server)).sum('arrowport_active_queries', 'transport="http"');
    await waitFor('the query', async () => (await active()) === 1);
    aborted.abort();
    await running;
    await waitFor('the end of the query', async () => (await active()) === 0);
    const cancelled = 'transport="http",outcome="cancelled"';
    await waitFor('its count', async () => {
      return (await scrape(server)).sum('arrowport_queries_total', cancelled) === 1;
    });
  },
  async arrowport_inflight_bytes(stage) {
    await duringLoad(stage, async () => {
      const held = await waitFor('the message', async () => {
        const bytes = (await scrape(stage.server)).sum('arrowport_inflight_bytes');
        return bytes > 10_000 && bytes;
      });
      assert.ok(held < stage.body.length, `${held}`);
    });
    await waitFor('the memory given back', async () => {
      return (await scrape(stage.server)).sum('arrowport_inflight_bytes') === 0;
    });
  },
  async arrowport_active_connections({ server }) {
    const before = await scrape(server);
    const socket = connect(server.port, '127.0.0.1');
    // The HTTP/2 preface and an empty SETTINGS frame: a client of Flight that has not called yet.
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const of = (samples: MetricSamples, transport: string) =>
      samples.sum('arrowport_active_connections', `transport="${transport}"`);
    const during = await waitFor('the connection', async () => {
      const samples = await scrape(server);
      return of(samples, 'flight') === of(before, 'flight') + 1 && samples;
    });
    socket.destroy();
    assert.ok(of(during, 'http') >= 1);
  },
  async arrowport_memory_bytes({ server }) {
    const samples = await scrape(server);
    for (const kind of ['rss', 'heap', 'external', 'duckdb']) {
      assert.ok(samples.sum('arrowport_memory_bytes', `kind="${kind}"`) > 0, kind);
    }
  },
  async arrowport_config_last_reload_successful({ server }) {
    const good = readFileSync(server.configPath, 'utf8');
    const gauge = async () => (await scrape(server)).sum('arrowport_config_last_reload_successful');
    const reload = () => fetch(`${server.url}/admin/reload`, { method: 'POST' });
    assert.equal(await gauge(), 1);
    appendFileSync(server.configPath, 'prot: 1\n');
    assert.equal((await reload()).status, 422);
    assert.equal(await gauge(), 0);
    writeFileSync(server.configPath, good);
    assert.equal((await reload()).status, 200);
    assert.equal(await gauge(), 1);
  },
};

test('metrics of a running server', { skip: skipWithoutPython }, async (t) => {
  const config = 'limits: {max_streams: 2}\nstreams: {s: {}, m: {}}\n';
  const server = await startServer(t, { config });
  const body = await arrowBytes('table = pa.table({"id": np.arange(50_000)})', { codec: 'zstd' });
  const stage: Stage = { server, body };

  for (const [name, move] of Object.entries(counted)) {
    await t.test(`${name} moves`, async () => {
      const before = await scrape(server);
      await move(stage);
      await waitFor(
        `more than ${before.sum(name)}`,
        async () => (await scrape(server)).sum(name) > before.sum(name),
      );
    });
  }

  for (const [name, check] of Object.entries(momentary)) {
    await t.test(`${name} follows what happens`, () => check(stage));
  }
});

test('every documented metric is moved here', () => {
  const moved = [...Object.keys(counted), ...Object.keys(momentary)];
  const documented = Object.keys(metricTable).filter((name) => !isDelta(name));
  assert.deepEqual(moved.sort(), documented.sort());
});
