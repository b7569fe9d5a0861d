import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from 'prom-client';
import type { BackendKind } from '../core/receipt.ts';
import { type ErrorCode, errorTable } from '../errors.ts';
import { type MetricLabel, type MetricName, type MetricNameOf, metricTable } from './metric-table.ts';

/** How a transaction ended, as `arrowport_transactions_total` counts it. */
export const transactionOutcomes = ['committed', 'aborted', 'conflict', 'unknown'] as const;

/** One of {@link transactionOutcomes}. */
export type TransactionOutcome = (typeof transactionOutcomes)[number];

/** What a reload came to, as `arrowport_config_reloads_total` counts it. */
export const reloadOutcomes = ['applied', 'unchanged', 'rejected'] as const;

/** One of {@link reloadOutcomes}. */
export type ReloadOutcome = (typeof reloadOutcomes)[number];

/** How a statement ended, as `arrowport_queries_total` counts it. */
export const queryOutcomes = ['answered', 'rejected', 'retryable', 'unknown', 'cancelled'] as const;

/** One of {@link queryOutcomes}. */
export type QueryOutcome = (typeof queryOutcomes)[number];

/** The metrics of one server, in a registry of their own. */
export interface Metrics {
  counter<N extends MetricNameOf<'counter'>>(name: N): Counter<MetricLabel<N>>;
  gauge<N extends MetricNameOf<'gauge'>>(name: N): Gauge<MetricLabel<N>>;
  histogram<N extends MetricNameOf<'histogram'>>(name: N): Histogram<MetricLabel<N>>;
  summary<N extends MetricNameOf<'summary'>>(name: N): Summary<MetricLabel<N>>;
  /** Counts a reload and says whether the file last read is in force. */
  configReloaded(outcome: ReloadOutcome): void;
  /** Sets who is asked for `arrowport_memory_bytes{kind="duckdb"}` at each scrape; until then it is 0. */
  setEngineMemory(probe: () => Promise<number>): void;
  /** The exposition text. Never throws for a probe that fails: its last value stays. */
  text(): Promise<{ contentType: string; text: string }>;
}

/** Makes every metric of {@link metricTable}; `processMetrics` adds prom-client's own `process_*` and `nodejs_*`. */
export function createMetrics(options: { processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const made = makeAll(registry);
  let engineMemory: () => Promise<number> = async () => 0;
  if (options.processMetrics === true) collectDefaultMetrics({ register: registry });

  const metrics: Metrics = {
    counter: <N extends MetricNameOf<'counter'>>(name: N) =>
      made.counters.get(name) as Counter<MetricLabel<N>>,
    gauge: <N extends MetricNameOf<'gauge'>>(name: N) => made.gauges.get(name) as Gauge<MetricLabel<N>>,
    histogram: <N extends MetricNameOf<'histogram'>>(name: N) =>
      made.histograms.get(name) as Histogram<MetricLabel<N>>,
    summary: <N extends MetricNameOf<'summary'>>(name: N) =>
      made.summaries.get(name) as Summary<MetricLabel<N>>,
    configReloaded(outcome) {
      metrics.counter('arrowport_config_reloads_total').inc({ outcome });
      metrics.gauge('arrowport_config_last_reload_successful').set(outcome === 'rejected' ? 0 : 1);
    },
    setEngineMemory(probe) {
      engineMemory = probe;
    },
    async text() {
      await readMemory(metrics.gauge('arrowport_memory_bytes'), engineMemory);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
  showFromTheStart(metrics);
  return metrics;
}

interface MadeMetrics {
  readonly counters: Map<MetricName, Counter>;
  readonly gauges: Map<MetricName, Gauge>;
  readonly histograms: Map<MetricName, Histogram>;
  readonly summaries: Map<MetricName, Summary>;
}

function makeAll(registry: Registry): MadeMetrics {
  const made: MadeMetrics = {
    counters: new Map(),
    gauges: new Map(),
    histograms: new Map(),
    summaries: new Map(),
  };
  for (const [key, row] of Object.entries(metricTable)) {
    const name = key as MetricName;
    const common = { name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.kind === 'counter') made.counters.set(name, new Counter(common));
    else if (row.kind === 'gauge') made.gauges.set(name, new Gauge(common));
    else if (row.kind === 'histogram')
      made.histograms.set(name, new Histogram({ ...common, buckets: [...row.buckets] }));
    else made.summaries.set(name, new Summary({ ...common, percentiles: [...row.quantiles] }));
  }
  return made;
}

/** A series that first appears with its first event hides that event from `rate()`: known ones start at 0. */
function showFromTheStart(metrics: Metrics): void {
  const backends: readonly BackendKind[] = ['duckdb', 'delta'];
  for (const storage_backend of backends) {
    for (const outcome of transactionOutcomes) {
      metrics.counter('arrowport_transactions_total').inc({ storage_backend, outcome }, 0);
    }
  }
  for (const outcome of transactionOutcomes) {
    metrics.counter('arrowport_delta_commits_total').inc({ outcome }, 0);
  }
  for (const outcome of reloadOutcomes) metrics.counter('arrowport_config_reloads_total').inc({ outcome }, 0);
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    metrics.counter('arrowport_errors_total').inc({ code }, 0);
  }
  for (const transport of ['http', 'flight']) {
    metrics.gauge('arrowport_active_connections').set({ transport }, 0);
  }
  metrics.gauge('arrowport_config_last_reload_successful').set(1);
}

async function readMemory(gauge: Gauge<'kind'>, engineMemory: () => Promise<number>): Promise<void> {
  const { rss, heapUsed, external } = process.memoryUsage();
  gauge.set({ kind: 'rss' }, rss);
  gauge.set({ kind: 'heap' }, heapUsed);
  gauge.set({ kind: 'external' }, external);
  try {
    gauge.set({ kind: 'duckdb' }, await engineMemory());
  } catch {
    // A scrape must not fail because the engine is busy or closed: the last value stays.
  }
}
