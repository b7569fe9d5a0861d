/**
 * How fast the Flight door takes data when nothing is done with it: prints the port and, per DoPut, bytes and GB/s.
 * Usage: node bench/micro/flight-sink.ts [shared|own] ; then write to it with any Flight client.
 */
import type { Ingestor } from '../../src/core/ingest.ts';
import type { BodyLease } from '../../src/core/ipc-message.ts';
import { createFlightEndpoint } from '../../src/endpoints/flight/endpoint.ts';
import { createPort } from '../../src/endpoints/port.ts';

const nothing = () => {};
const observer = {
  streamOpened: nothing,
  batchReceived: nothing,
  batchDecoded: nothing,
  loadCommitted: nothing,
  loadFailed: nothing,
  streamClosed: nothing,
  requestFailed: nothing,
  admissionRejected: nothing,
  inflightBytes: nothing,
};

/** Memory that was given back, by its length: a server in its stride uses the same again. */
const free = new Map<number, Uint8Array[]>();

function allocateReused(length: number): BodyLease {
  const list = free.get(length) ?? [];
  free.set(length, list);
  const bytes = list.pop() ?? new Uint8Array(length);
  return { bytes, release: () => list.push(bytes) };
}

const ingestor: Ingestor = {
  async ingest(request) {
    const started = performance.now();
    const allocator = { allocate: allocateReused };
    const limits = { maxMessageBytes: 268435456, maxDecompressedRatio: 200 };
    const stream = await request.open({ allocator, limits });
    let rows = 0;
    let batches = 0;
    let bytes = 0;
    for await (const message of stream.messages) {
      if (message.kind === 'record-batch') rows += message.header.length;
      batches++;
      bytes += message.bytes;
      message.release();
    }
    const durationMs = performance.now() - started;
    process.stdout.write(`${JSON.stringify({ bytes, batches, gbPerSecond: bytes / durationMs / 1e6 })}\n`);
    return {
      status: 'success',
      stream: request.stream,
      table: request.stream,
      storage_backend: 'duckdb',
      rows_processed: rows,
      batches,
      bytes,
      commit_id: 'none',
      version: null,
      replayed: false,
      duration_ms: durationMs,
      message: `${rows} rows dropped`,
    };
  },
};

const endpoint = createFlightEndpoint({
  ingestor,
  observer,
  operations: {
    version: '0',
    reload: async () => ({ status: 'unchanged', changed: [], needs_restart: [] }),
    readiness: async () => [],
    metricsText: async () => ({ contentType: 'text/plain', text: '' }),
  },
  actions: [],
  settings: () => ({
    maxMessageBytes: 268435456,
    maxDecompressedRatio: 200,
    idleTimeoutSeconds: 60,
    maxStreams: 256,
  }),
  onConnectionCount: nothing,
});

const shared = process.argv[2] !== 'own';
const port = createPort({
  key: 'port',
  host: '127.0.0.1',
  port: 0,
  onHttp2: endpoint.acceptConnection,
  onHttp1: shared ? (socket) => socket.destroy() : null,
});
process.stdout.write(`${(await port.listen()).port}\n`);
