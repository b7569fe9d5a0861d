import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { scrape } from '../integration/metric-samples.ts';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { readProcessMemory, watchInflight } from './memory-watch.ts';
import { type Delivery, deliver, deliverByFlight } from './producers.ts';

/** How bodies travel. */
export type CrowdKind = 'http' | 'http-zstd' | 'http-small' | 'flight' | 'delta';

/** A crowd of clients against one server. */
export interface CrowdPlan {
  readonly kind: CrowdKind;
  readonly clients: number;
  readonly megabytes: number;
  readonly budgetMb: number;
  readonly engineMb: number;
}

/** What a crowd did to the server. */
export interface CrowdOutcome {
  readonly seconds: number;
  readonly deliveries: readonly Delivery[];
  readonly rowsEach: number;
  readonly rowsThere: number;
  readonly restingMb: number;
  readonly peakMb: number;
  readonly inflightMb: number;
}

/** Bytes of a row of the table below. */
const ROW_BYTES = 40;

/** Python for a table of so many megabytes in which little repeats. */
function tableSource(megabytes: number): string {
  return `
rng = np.random.default_rng(7)
n = ${Math.floor((megabytes * 1e6) / ROW_BYTES)}
table = pa.table({
    "id": np.arange(n, dtype=np.int64),
    "a": rng.integers(0, 2**40, n),
    "b": rng.random(n),
    "c": rng.integers(0, 2**20, n),
    "d": rng.integers(0, 2**31, n),
})`;
}

/** Runs a crowd to its end against a server of its own, and waits until that holds nothing of it any more. */
export async function runCrowd(owner: CleanupOwner, plan: CrowdPlan): Promise<CrowdOutcome> {
  const config = [
    `limits: {max_inflight_bytes: ${plan.budgetMb * 2 ** 20}}`,
    `duckdb: {memory_limit: ${plan.engineMb}MB}`,
    'log: {level: error}',
    '',
  ].join('\n');
  const server = await (plan.kind === 'delta'
    ? startDeltaServer(owner, config)
    : startServer(owner, { config }));
  const restingMb = readProcessMemory(server.pid).nowMb;
  const startedAt = performance.now();
  const sending = send(server, plan);
  const inflightMb = await watchInflight(server.url, sending);
  const deliveries = await sending;
  const seconds = (performance.now() - startedAt) / 1000;
  const { peakMb } = readProcessMemory(server.pid);
  const inflight = async () => (await scrape(server)).sum('arrowport_inflight_bytes');
  await waitFor('memory given back', async () => (await inflight()) === 0);
  return {
    seconds,
    deliveries,
    rowsEach: Math.floor((plan.megabytes * 1e6) / ROW_BYTES),
    rowsThere: await countRows(server, plan.kind),
    restingMb,
    peakMb,
    inflightMb,
  };
}

async function send(server: TestServer, plan: CrowdPlan): Promise<readonly Delivery[]> {
  const { kind, clients } = plan;
  const codec = kind === 'http-zstd' ? ({ codec: 'zstd' } as const) : {};
  const body = await arrowBytes(tableSource(plan.megabytes), {
    batchRows: kind === 'http-small' ? 1000 : 122_880,
    ...codec,
  });
  if (kind === 'flight') {
    const file = join(server.folder, 'table.arrow');
    writeFileSync(file, body);
    return deliverByFlight(server, ['crowd'], clients, file);
  }
  const path = kind === 'delta' ? '/delta/crowd' : '/ingest/crowd';
  return Promise.all(Array.from({ length: clients }, () => deliver(server, path, body)));
}

async function countRows(server: TestServer, kind: CrowdKind): Promise<number> {
  const path = kind === 'delta' ? '/delta/crowd' : '/streams/crowd';
  const answer = (await (await fetch(`${server.url}${path}`)).json()) as Record<string, unknown>;
  return Number(answer['row_count']);
}
