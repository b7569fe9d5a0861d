import type { IngestObserver, LoadIdentity } from '../core/observer.ts';
import type { ArrowportError } from '../errors.ts';
import type { Metrics, TransactionOutcome } from './metrics.ts';

/** What a Delta commit tells besides its receipt. */
export interface MeteredCommit {
  readonly table: string;
  readonly version: number;
  readonly batches: number;
  readonly files: number;
  readonly bytes: number;
  readonly retries: number;
  /** Whether another load that shares the commit was told with it already. */
  readonly shared: boolean;
  readonly writeSeconds: number;
  readonly commitSeconds: number;
}

/** A table's size, as the meter asks for it. */
export interface MeteredTable {
  readonly version: number;
  readonly file_count: number;
  readonly total_size_bytes: number;
}

/** Keeps the metrics of Delta tables. */
export interface DeltaMeter {
  /** Counts the rows of loads, committed and failed, and how loads ended. */
  readonly observer: IngestObserver;
  committed(commit: MeteredCommit): void;
  /** A table was changed by anything but a load. */
  touched(table: string): void;
  /** Sets who is asked for the size of tables. */
  watchTables(describe: (table: string) => Promise<MeteredTable>): void;
  /** Brings the gauges of tables that have changed up to date, within two seconds. Never throws. */
  refresh(): Promise<void>;
}

/** A scrape must not wait for a slow object store: its tables stay marked for the next one. */
const REFRESH_MS = 2000;

/** Makes the meter of Delta tables. */
export function createDeltaMeter(metrics: Metrics): DeltaMeter {
  const stale = new Set<string>();
  let describe: ((table: string) => Promise<MeteredTable>) | null = null;

  const refreshOne = async (table: string, ask: (table: string) => Promise<MeteredTable>) => {
    stale.delete(table);
    try {
      const { version, file_count, total_size_bytes } = await ask(table);
      metrics.gauge('arrowport_delta_table_version').set({ table }, version);
      metrics.gauge('arrowport_delta_table_files').set({ table }, file_count);
      metrics.gauge('arrowport_delta_table_size_bytes').set({ table }, total_size_bytes);
    } catch {
      // Its last figures stay until it can be read again.
      stale.add(table);
    }
  };

  return {
    observer: createLoadObserver(metrics),
    committed(commit) {
      stale.add(commit.table);
      metrics.gauge('arrowport_delta_table_version').set({ table: commit.table }, commit.version);
      if (!commit.shared) metrics.counter('arrowport_delta_commits_total').inc({ outcome: 'committed' });
      metrics.counter('arrowport_delta_batches_flushed_total').inc(commit.batches);
      metrics.counter('arrowport_delta_files_created_total').inc(commit.files);
      metrics.counter('arrowport_delta_bytes_written_total').inc(commit.bytes);
      metrics.counter('arrowport_delta_commit_retries_total').inc(commit.retries);
      metrics.histogram('arrowport_delta_write_latency_seconds').observe(commit.writeSeconds);
      metrics.histogram('arrowport_delta_commit_latency_seconds').observe(commit.commitSeconds);
    },
    touched: (table) => stale.add(table),
    watchTables(ask) {
      describe = ask;
    },
    async refresh() {
      const ask = describe;
      if (ask === null || stale.size === 0) return;
      const all = Promise.all([...stale].map((table) => refreshOne(table, ask)));
      const { promise: timeout, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, REFRESH_MS);
      await Promise.race([all, timeout]);
      clearTimeout(timer);
    },
  };
}

function createLoadObserver(metrics: Metrics): IngestObserver {
  const open = new WeakMap<LoadIdentity, number>();
  return {
    batchReceived(load, { rows }) {
      if (load.backend !== 'delta') return;
      open.set(load, (open.get(load) ?? 0) + rows);
      metrics.summary('arrowport_delta_batch_rows').observe(rows);
    },
    loadCommitted(load, receipt) {
      if (load.backend !== 'delta') return;
      open.delete(load);
      if (receipt.replayed) return;
      metrics.counter('arrowport_delta_records_written_total').inc(receipt.rows_processed);
    },
    loadFailed(load, error) {
      if (load.backend !== 'delta') return;
      metrics.counter('arrowport_delta_records_failed_total').inc(open.get(load) ?? 0);
      metrics.counter('arrowport_delta_commits_total').inc({ outcome: outcomeOf(error) });
    },
    streamClosed(load) {
      open.delete(load);
    },
    streamOpened() {},
    batchDecoded() {},
    requestFailed() {},
    admissionRejected() {},
    inflightBytes() {},
  };
}

function outcomeOf(error: ArrowportError): TransactionOutcome {
  if (error.outcome === 'unknown') return 'unknown';
  return error.code === 'COMMIT_CONFLICT' ? 'conflict' : 'aborted';
}
