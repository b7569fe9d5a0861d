import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeededRandom } from '../crash/seeded-random.ts';
import { scrape } from '../integration/metric-samples.ts';
import { arrowBytes } from '../support/arrow.ts';
import { patienceMs } from '../support/patience.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { createFlightCrowd, type FlightCrowd } from './flight-crowd.ts';
import { deeds } from './hostile-connections.ts';

/** What a soak is told. */
export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Connections that are open at a time. */
  readonly connections: number;
  onProgress?(line: string): void;
}

/** What a server holds at an instant. */
export interface Holdings {
  readonly rssBytes: number;
  /** What of it DuckDB accounts for. */
  readonly engineBytes: number;
  readonly fileDescriptors: number;
  readonly activeStreams: number;
  readonly inflightBytes: number;
  readonly activeConnections: number;
}

/** The figures of a soak. */
export interface SoakReport {
  readonly seed: number;
  readonly seconds: number;
  connectionsOpened: number;
  flightLoads: number;
  /** After a warm-up of the same kind. */
  before: Holdings;
  after: Holdings;
  readonly failures: string[];
  /** What the server logged of errors that no client brought about, and how often. */
  readonly logged: Record<string, number>;
}

const warmUpShare = 0.2;
const quietMs = 1000;
/** A server of long soaks gets the time in which it gives back what it held for a squeeze. */
const longSeconds = 60;
const longCalmMs = 75_000;

/**
 * Opens connections that die half-way and come back, over HTTP and Flight, and measures what the server holds before
 * and after; between them lies only more of the same.
 */
export async function runSoak(owner: CleanupOwner, options: SoakOptions): Promise<SoakReport> {
  const server = await startServer(owner, {
    config: 'log: {level: error}\nlimits: {idle_timeout_seconds: 10}\n',
  });
  const body = await arrowBytes('table = pa.table({"x": np.arange(60_000), "y": np.arange(60_000) / 7})', {
    batchRows: 5000,
  });
  const crowd = createFlightCrowd(owner, server);
  const nothing = await measure(server);
  const report: SoakReport = {
    seed: options.seed,
    seconds: options.seconds,
    connectionsOpened: 0,
    flightLoads: 0,
    before: nothing,
    after: nothing,
    failures: [],
    logged: {},
  };
  await storm(server, body, crowd, options, options.seconds * warmUpShare, report);
  report.before = await settled(server, options);
  options.onProgress?.(`warm: ${JSON.stringify(report.before)}`);
  await storm(server, body, crowd, options, options.seconds, report);
  report.after = await settled(server, options);
  countErrors(server, report.logged);
  return report;
}

async function storm(
  server: TestServer,
  body: Buffer,
  crowd: FlightCrowd,
  options: SoakOptions,
  seconds: number,
  report: SoakReport,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  const connections = Array.from({ length: options.connections }, async (_, index) => {
    const random = createSeededRandom(options.seed + index);
    while (performance.now() < end) {
      report.connectionsOpened += 1;
      try {
        await random.pick(deeds)({ server, random, body });
      } catch (error) {
        report.failures.push(describe(error));
      }
    }
  });
  const told = setInterval(
    () => void measure(server).then((holdings) => options.onProgress?.(JSON.stringify(holdings))),
    30_000,
  );
  report.flightLoads += await crowd.run(seconds);
  await Promise.all(connections);
  clearInterval(told);
}

/** What the server holds once nothing runs any more, and its garbage had time to go. */
async function settled(server: TestServer, { seconds }: SoakOptions): Promise<Holdings> {
  if (seconds > longSeconds) await sleep(longCalmMs);
  const deadline = performance.now() + patienceMs;
  for (;;) {
    await sleep(quietMs);
    const holdings = await measure(server);
    const busy = holdings.activeStreams > 0 || holdings.inflightBytes > 0 || holdings.activeConnections > 1;
    if (!busy || performance.now() > deadline) return holdings;
  }
}

/** Reads what the server holds, from its metrics and from /proc. */
async function measure(server: TestServer): Promise<Holdings> {
  const samples = await scrape(server);
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return {
    rssBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
    engineBytes: samples.sum('arrowport_memory_bytes', 'kind="duckdb"'),
    fileDescriptors: readdirSync(`/proc/${server.pid}/fd`).length,
    activeStreams: samples.sum('arrowport_active_streams'),
    inflightBytes: samples.sum('arrowport_inflight_bytes'),
    activeConnections: samples.sum('arrowport_active_connections'),
  };
}

const clientErrors = /^(CANCELLED|DEADLINE_EXCEEDED|IPC_TRUNCATED|IPC_MALFORMED)$/;

function countErrors(server: TestServer, counts: Record<string, number>): void {
  for (const line of server.logs()) {
    if (line['level'] !== 'error' || clientErrors.test(String(line['code']))) continue;
    const { err } = line as { err?: { message?: string } };
    const kind = `${line['code'] ?? line['msg']}: ${err?.message ?? ''}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
}

/** What went wrong, with what brought it about: `fetch failed` says nothing by itself. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
