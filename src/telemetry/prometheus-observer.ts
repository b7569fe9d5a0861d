import type { IngestObserver, LoadIdentity } from '../core/observer.ts';
import type { ArrowportError } from '../errors.ts';
import type { Metrics, TransactionOutcome } from './metrics.ts';
import { createStreamLabels, type StreamLabels } from './stream-labels.ts';

interface LoadProgress {
  segmentStartMs: number;
  received: number;
  decoded: number;
}

interface StreamTotals {
  received: number;
  decoded: number;
}

/**
 * Turns the events of the ingest path into metrics. All events of one load must carry the same
 * {@link LoadIdentity} object: latency and compression ratio are kept by it.
 */
export function createPrometheusObserver(
  metrics: Metrics,
  labels: StreamLabels = createStreamLabels(),
): IngestObserver {
  const running = new WeakMap<LoadIdentity, LoadProgress>();
  const foldRatio = createRatioFold(metrics);
  const rows = metrics.counter('arrowport_rows_processed_total');
  const batches = metrics.counter('arrowport_batches_total');
  const bytesReceived = metrics.counter('arrowport_bytes_received_total');
  const bytesDecoded = metrics.counter('arrowport_bytes_decoded_total');
  const transactions = metrics.counter('arrowport_transactions_total');
  const activeStreams = metrics.gauge('arrowport_active_streams');

  const perLoad = (load: LoadIdentity) => ({
    stream: labels.of(load.stream, load.label),
    storage_backend: load.backend,
    transport: load.transport,
  });

  const countError = (error: ArrowportError, stream: string | null, label: string | null) => {
    metrics.counter('arrowport_errors_total').inc({ code: error.code });
    if (error.code !== 'SCHEMA_MISMATCH' || stream === null) return;
    metrics.counter('arrowport_schema_mismatches_total').inc({ stream: labels.of(stream, label) });
  };

  return {
    streamOpened(load) {
      running.set(load, { segmentStartMs: performance.now(), received: 0, decoded: 0 });
      activeStreams.inc();
    },
    batchReceived(load, batch) {
      const series = perLoad(load);
      batches.inc(series);
      bytesReceived.inc(series, batch.bytesReceived);
      const progress = running.get(load);
      if (progress !== undefined) progress.received += batch.bytesReceived;
    },
    batchDecoded(load, decoded) {
      bytesDecoded.inc(perLoad(load), decoded);
      const progress = running.get(load);
      if (progress !== undefined) progress.decoded += decoded;
    },
    loadCommitted(load, receipt, timing) {
      const progress = running.get(load);
      const now = performance.now();
      if (progress !== undefined) {
        metrics.histogram('arrowport_ingest_latency_seconds').observe((now - progress.segmentStartMs) / 1000);
        progress.segmentStartMs = now;
        foldRatio(labels.of(load.stream, load.label), progress);
      }
      if (receipt.replayed) return;
      rows.inc(perLoad(load), receipt.rows_processed);
      metrics.histogram('arrowport_commit_seconds').observe(timing.commitSeconds);
      transactions.inc({ storage_backend: load.backend, outcome: 'committed' });
    },
    loadFailed(load, error) {
      transactions.inc({ storage_backend: load.backend, outcome: transactionOutcome(error) });
      countError(error, load.stream, load.label);
    },
    streamClosed(load) {
      running.delete(load);
      activeStreams.dec();
    },
    requestFailed(request, error) {
      countError(error, request.stream, null);
    },
    admissionRejected() {
      metrics.counter('arrowport_admission_rejections_total').inc();
    },
    inflightBytes(bytes) {
      metrics.gauge('arrowport_inflight_bytes').set(bytes);
    },
  };
}

/** Adds a committed part of a load to its stream's totals and shows their ratio. */
function createRatioFold(metrics: Metrics): (stream: string, progress: LoadProgress) => void {
  const totals = new Map<string, StreamTotals>();
  return (stream, progress) => {
    const total = totals.get(stream) ?? { received: 0, decoded: 0 };
    total.received += progress.received;
    total.decoded += progress.decoded;
    totals.set(stream, total);
    progress.received = 0;
    progress.decoded = 0;
    if (total.received === 0 || total.decoded === 0) return;
    metrics.gauge('arrowport_compression_ratio').set({ stream }, total.decoded / total.received);
  };
}

function transactionOutcome(error: ArrowportError): TransactionOutcome {
  if (error.outcome === 'unknown') return 'unknown';
  return error.code === 'COMMIT_CONFLICT' ? 'conflict' : 'aborted';
}
