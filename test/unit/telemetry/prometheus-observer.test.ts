import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { IngestObserver, LoadIdentity } from '../../../src/core/observer.ts';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { createPrometheusObserver } from '../../../src/telemetry/prometheus-observer.ts';

const load: LoadIdentity = {
  requestId: 'r1',
  stream: 'sensors',
  label: 'sensors',
  table: 'sensor_readings',
  backend: 'duckdb',
  transport: 'http',
};

function receipt(rows: number, changes: Partial<CommitReceipt> = {}): CommitReceipt {
  return {
    status: 'success',
    stream: 'sensors',
    table: 'sensor_readings',
    storage_backend: 'duckdb',
    rows_processed: rows,
    batches: 1,
    bytes: 100,
    commit_id: '01J',
    version: null,
    replayed: false,
    duration_ms: 5,
    message: '',
    ...changes,
  };
}

describe('the prometheus observer', () => {
  let metrics: Metrics;
  let observer: IngestObserver;
  const text = async () => (await metrics.text()).text;
  const SERIES = 'stream="sensors",storage_backend="duckdb",transport="http"';

  beforeEach(() => {
    metrics = createMetrics();
    observer = createPrometheusObserver(metrics);
  });

  test('a committed load moves rows, batches, bytes, latency, ratio and transactions', async () => {
    observer.streamOpened(load);
    observer.batchReceived(load, { rows: 10, bytesReceived: 100 });
    observer.batchDecoded(load, 400);
    assert.match(await text(), /arrowport_active_streams 1\n/);
    observer.loadCommitted(load, receipt(10), { commitSeconds: 0.004 });
    observer.streamClosed(load);
    const after = await text();
    assert.ok(after.includes(`arrowport_rows_processed_total{${SERIES}} 10\n`));
    assert.ok(after.includes(`arrowport_batches_total{${SERIES}} 1\n`));
    assert.ok(after.includes(`arrowport_bytes_received_total{${SERIES}} 100\n`));
    assert.ok(after.includes(`arrowport_bytes_decoded_total{${SERIES}} 400\n`));
    assert.match(after, /arrowport_compression_ratio\{stream="sensors"\} 4\n/);
    assert.match(after, /arrowport_ingest_latency_seconds_count 1\n/);
    assert.match(after, /arrowport_commit_seconds_bucket\{le="0.005"\} 1\n/);
    assert.match(after, /arrowport_transactions_total\{storage_backend="duckdb",outcome="committed"\} 1\n/);
    assert.match(after, /arrowport_active_streams 0\n/);
  });

  test('a replayed receipt counts no rows and no transaction', async () => {
    observer.streamOpened(load);
    observer.loadCommitted(load, receipt(10, { replayed: true }), { commitSeconds: 0 });
    observer.streamClosed(load);
    const after = await text();
    assert.doesNotMatch(after, /arrowport_rows_processed_total\{/);
    assert.match(after, /outcome="committed"\} 0\n/);
  });

  test('a failed load is an aborted transaction, a conflict or an unknown one, by its error', async () => {
    for (const code of ['IPC_MALFORMED', 'COMMIT_CONFLICT', 'COMMIT_UNKNOWN'] as const) {
      observer.streamOpened(load);
      observer.loadFailed(load, new ArrowportError(code, 'x'));
      observer.streamClosed(load);
    }
    const after = await text();
    for (const outcome of ['aborted', 'conflict', 'unknown']) {
      assert.ok(
        after.includes(`arrowport_transactions_total{storage_backend="duckdb",outcome="${outcome}"} 1\n`),
      );
    }
    assert.match(after, /arrowport_errors_total\{code="IPC_MALFORMED"\} 1\n/);
  });

  test('a schema mismatch is counted for its stream', async () => {
    observer.streamOpened(load);
    observer.loadFailed(load, new ArrowportError('SCHEMA_MISMATCH', 'x'));
    observer.streamClosed(load);
    assert.match(await text(), /arrowport_schema_mismatches_total\{stream="sensors"\} 1\n/);
  });

  test('a request that never became a load is counted by its code only', async () => {
    observer.requestFailed(
      { requestId: 'r', transport: 'http', stream: null },
      new ArrowportError('STREAM_NAME_INVALID', 'x'),
    );
    const after = await text();
    assert.match(after, /arrowport_errors_total\{code="STREAM_NAME_INVALID"\} 1\n/);
    assert.match(after, /outcome="aborted"\} 0\n/);
  });

  test('admission and in-flight bytes are shown', async () => {
    observer.admissionRejected();
    observer.inflightBytes(12345);
    const after = await text();
    assert.match(after, /arrowport_admission_rejections_total 1\n/);
    assert.match(after, /arrowport_inflight_bytes 12345\n/);
  });

  test('each commit of a split load has its own latency and adds its own rows', async () => {
    observer.streamOpened(load);
    observer.loadCommitted(load, receipt(10), { commitSeconds: 0.001 });
    observer.loadCommitted(load, receipt(5), { commitSeconds: 0.001 });
    observer.streamClosed(load);
    const after = await text();
    assert.match(after, /arrowport_ingest_latency_seconds_count 2\n/);
    assert.ok(after.includes(`arrowport_rows_processed_total{${SERIES}} 15\n`));
  });
});
