/** What a metric is to Prometheus. */
export type MetricKind = 'counter' | 'gauge' | 'histogram' | 'summary';

interface MetricRow {
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
  /** Quantiles of a summary; 0 is the minimum, 1 the maximum. */
  readonly quantiles?: readonly number[];
}

/** Seconds from one millisecond to five minutes: a load may be one row or a stream of minutes. */
const LOAD_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
] as const;

const PER_LOAD = ['stream', 'storage_backend', 'transport'] as const;

/** The one table of metric names, their labels and their help texts; the reference page comes from it. */
export const metricTable = {
  arrowport_rows_processed_total: {
    kind: 'counter',
    labels: PER_LOAD,
    help: 'Rows committed. Rows of aborted loads and of replayed receipts do not count.',
  },
  arrowport_batches_total: {
    kind: 'counter',
    labels: PER_LOAD,
    help: 'Record batches received, whatever became of their load.',
  },
  arrowport_bytes_received_total: {
    kind: 'counter',
    labels: PER_LOAD,
    help: 'Arrow bytes received: after Content-Encoding, before buffer decompression.',
  },
  arrowport_bytes_decoded_total: {
    kind: 'counter',
    labels: PER_LOAD,
    help: 'Arrow bytes after buffer decompression.',
  },
  arrowport_compression_ratio: {
    kind: 'gauge',
    labels: ['stream'],
    help: 'Bytes decoded for each byte received, over all committed loads of the stream since the start.',
  },
  arrowport_ingest_latency_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'Seconds from the start of a load (or the previous commit of a split one) to its durable commit.',
    buckets: LOAD_SECONDS,
  },
  arrowport_commit_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'Seconds that the commit itself took.',
    buckets: LOAD_SECONDS,
  },
  arrowport_transactions_total: {
    kind: 'counter',
    labels: ['storage_backend', 'outcome'],
    help: 'Transactions ended, by outcome: committed, aborted, conflict, unknown.',
  },
  arrowport_errors_total: {
    kind: 'counter',
    labels: ['code'],
    help: 'Requests answered with an error, by its code.',
  },
  arrowport_schema_mismatches_total: {
    kind: 'counter',
    labels: ['stream'],
    help: 'Loads skipped whole because they did not fit their table.',
  },
  arrowport_active_connections: {
    kind: 'gauge',
    labels: ['transport'],
    help: 'Client connections that are open now.',
  },
  arrowport_active_streams: { kind: 'gauge', labels: [], help: 'Loads that are running now.' },
  arrowport_inflight_bytes: {
    kind: 'gauge',
    labels: [],
    help: 'Bytes of message bodies held in memory now; bounded by limits.max_inflight_bytes.',
  },
  arrowport_admission_rejections_total: {
    kind: 'counter',
    labels: [],
    help: 'Loads refused with OVERLOADED because a budget was used up.',
  },
  arrowport_queries_total: {
    kind: 'counter',
    labels: ['transport', 'outcome'],
    help: 'SQL statements ended, by door and outcome: answered (to the last row), rejected, retryable, unknown (as errors have it), cancelled (by the client, or not read to the end).',
  },
  arrowport_query_seconds: {
    kind: 'histogram',
    labels: ['transport'],
    help: 'Seconds from the start of an SQL statement to its last row, the time that its reader took included.',
    buckets: LOAD_SECONDS,
  },
  arrowport_query_rows_total: {
    kind: 'counter',
    labels: ['transport'],
    help: 'Rows that SQL statements answered; those of Parquet answers do not count.',
  },
  arrowport_query_bytes_total: {
    kind: 'counter',
    labels: ['transport'],
    help: 'Arrow bytes that SQL statements answered, before any compression; of Parquet answers the bytes of the file.',
  },
  arrowport_active_queries: {
    kind: 'gauge',
    labels: ['transport'],
    help: 'SQL statements that are running now, or whose rows are being read.',
  },
  arrowport_memory_bytes: {
    kind: 'gauge',
    labels: ['kind'],
    help: 'Memory of the process, read at the scrape: rss, heap (JavaScript), external (buffers), duckdb (engine).',
  },
  arrowport_config_reloads_total: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'Configuration reloads, by outcome: applied, unchanged, rejected.',
  },
  arrowport_config_last_reload_successful: {
    kind: 'gauge',
    labels: [],
    help: '1 when the configuration file last read is in force, 0 when it was rejected and the one before was kept.',
  },
  arrowport_worker_restarts_total: {
    kind: 'counter',
    labels: [],
    help: 'Starts of the Delta worker after its first.',
  },
  arrowport_delta_table_version: {
    kind: 'gauge',
    labels: ['table'],
    help: 'The latest version of the Delta table that this server has seen.',
  },
  arrowport_delta_table_files: {
    kind: 'gauge',
    labels: ['table'],
    help: 'Data files in the latest version of the Delta table.',
  },
  arrowport_delta_table_size_bytes: {
    kind: 'gauge',
    labels: ['table'],
    help: 'Bytes of the data files in the latest version of the Delta table.',
  },
  arrowport_delta_records_written_total: {
    kind: 'counter',
    labels: [],
    help: 'Rows committed to Delta tables.',
  },
  arrowport_delta_records_failed_total: {
    kind: 'counter',
    labels: [],
    help: 'Rows handed to Delta writes that were not committed.',
  },
  arrowport_delta_bytes_written_total: {
    kind: 'counter',
    labels: [],
    help: 'Bytes of data files committed to Delta tables.',
  },
  arrowport_delta_commits_total: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'Delta commits ended, by outcome: committed, aborted, conflict, unknown.',
  },
  arrowport_delta_commit_retries_total: {
    kind: 'counter',
    labels: [],
    help: 'Delta commits tried again after another writer was faster.',
  },
  arrowport_delta_files_created_total: {
    kind: 'counter',
    labels: [],
    help: 'Data files committed to Delta tables.',
  },
  arrowport_delta_batches_flushed_total: {
    kind: 'counter',
    labels: [],
    help: 'Record batches written to Delta data files.',
  },
  arrowport_delta_commit_latency_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'Seconds that a Delta commit took, retries included.',
    buckets: LOAD_SECONDS,
  },
  arrowport_delta_write_latency_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'Seconds that writing the data files of a Delta commit took.',
    buckets: LOAD_SECONDS,
  },
  arrowport_delta_batch_rows: {
    kind: 'summary',
    labels: [],
    help: 'Rows of the record batches written to Delta: quantile 0 is the smallest, 1 the largest.',
    quantiles: [0, 1],
  },
} as const satisfies Record<string, MetricRow>;

type MetricTable = typeof metricTable;

/** A name of {@link metricTable}. */
export type MetricName = keyof MetricTable;

/** The names of {@link metricTable} that are of one kind. */
export type MetricNameOf<K extends MetricKind> = {
  [N in MetricName]: MetricTable[N]['kind'] extends K ? N : never;
}[MetricName];

/** The label names of one metric. */
export type MetricLabel<N extends MetricName> = MetricTable[N]['labels'][number];
