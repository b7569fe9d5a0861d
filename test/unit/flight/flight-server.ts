import type { Ingestor, IngestRequest } from '../../../src/core/ingest.ts';
import type { BodyAllocator, IpcStream } from '../../../src/core/ipc-message.ts';
import type { IngestObserver } from '../../../src/core/observer.ts';
import type { Operations } from '../../../src/core/operations.ts';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import type { FlightAction } from '../../../src/endpoints/flight/actions.ts';
import {
  createFlightEndpoint,
  type FlightEndpoint,
  type FlightSettings,
} from '../../../src/endpoints/flight/endpoint.ts';
import { createPort } from '../../../src/endpoints/port.ts';
import { type ArrowportError, toArrowportError } from '../../../src/errors.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

/** What arrived of one load, and how it ended. */
export interface SeenLoad {
  readonly request: IngestRequest;
  rows: number;
  batches: number;
  bytes: number;
  /** Set when the load was answered with a receipt. */
  receipt: CommitReceipt | null;
  /** Set when the stream or the load failed. */
  error: ArrowportError | null;
}

/** What a test changes of the server. */
export interface FlightServerOptions {
  /** Runs before a load's stream is opened. */
  readonly onLoad?: (request: IngestRequest) => Promise<void> | void;
  /** Runs after each batch. */
  readonly onBatch?: (load: SeenLoad) => Promise<void> | void;
  readonly settings?: Partial<FlightSettings>;
  /** Where bodies go; fresh memory by default. */
  readonly allocator?: BodyAllocator;
  readonly operations?: Partial<Operations>;
  readonly actions?: readonly FlightAction[];
}

/** A Flight door on a port of its own whose loads are counted and dropped. */
export interface FlightServer {
  readonly port: number;
  readonly url: string;
  readonly endpoint: FlightEndpoint;
  readonly loads: readonly SeenLoad[];
  /** Errors of requests that never became a load. */
  readonly refused: readonly ArrowportError[];
  /** Errors that were logged. */
  readonly logged: readonly object[];
  connections(): number;
}

const nothing = () => undefined;

/** Starts a Flight door; it is stopped with `owner`. */
export async function startFlightServer(
  owner: CleanupOwner,
  options: FlightServerOptions = {},
): Promise<FlightServer> {
  const loads: SeenLoad[] = [];
  const refused: ArrowportError[] = [];
  const logged: object[] = [];
  let connections = 0;
  const requestFailed = (request: { requestId: string }, error: ArrowportError) => {
    refused.push(error);
    if (error.code === 'INTERNAL') logged.push({ err: error.cause, request_id: request.requestId });
  };
  const endpoint = createFlightEndpoint({
    ingestor: createDrain(loads, options),
    observer: { ...silentObserver, requestFailed },
    operations: {
      version: '1.2.3',
      reload: async () => ({ status: 'unchanged', changed: [], needs_restart: [] }),
      readiness: async () => [],
      metricsText: async () => ({ contentType: 'text/plain', text: '' }),
      ...options.operations,
    },
    actions: options.actions ?? [],
    settings: () => ({
      maxMessageBytes: 268_435_456,
      maxDecompressedRatio: 200,
      idleTimeoutSeconds: 60,
      maxStreams: 256,
      ...options.settings,
    }),
    onConnectionCount: (count) => {
      connections = count;
    },
  });
  const port = createPort({
    key: 'port',
    host: '127.0.0.1',
    port: 0,
    onHttp2: endpoint.acceptConnection,
    onHttp1: (socket) => socket.destroy(),
  });
  const address = await port.listen();
  owner.after(async () => {
    await port.close();
    await endpoint.stop(0);
  });
  const url = `grpc://127.0.0.1:${address.port}`;
  return { port: address.port, url, endpoint, loads, refused, logged, connections: () => connections };
}

const freshMemory: BodyAllocator = {
  allocate: (length) => ({ bytes: new Uint8Array(length), release: nothing }),
};

const silentObserver: IngestObserver = {
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

function createDrain(loads: SeenLoad[], options: FlightServerOptions): Ingestor {
  return {
    async ingest(request) {
      const load: SeenLoad = { request, rows: 0, batches: 0, bytes: 0, receipt: null, error: null };
      loads.push(load);
      try {
        await options.onLoad?.(request);
        const stream = await request.open({
          allocator: options.allocator ?? freshMemory,
          limits: {
            maxMessageBytes: options.settings?.maxMessageBytes ?? 268_435_456,
            maxDecompressedRatio: 200,
          },
        });
        await drain(stream, load, options);
        if (request.signal.aborted) throw request.signal.reason;
        load.receipt = createReceipt(load);
        return load.receipt;
      } catch (thrown) {
        load.error = toArrowportError(thrown);
        throw thrown;
      }
    },
  };
}

async function drain(stream: IpcStream, load: SeenLoad, options: FlightServerOptions): Promise<void> {
  for await (const message of stream.messages) {
    if (message.kind === 'record-batch') {
      load.rows += message.header.length;
      load.batches++;
    }
    load.bytes += message.bytes;
    message.release();
    await options.onBatch?.(load);
  }
}

/** The receipt of a load as far as it has come. */
export function createReceipt(load: SeenLoad): CommitReceipt {
  return {
    status: 'success',
    stream: load.request.stream,
    table: load.request.stream,
    storage_backend: load.request.backend ?? 'duckdb',
    rows_processed: load.rows,
    batches: load.batches,
    bytes: load.bytes,
    commit_id: '01J0000000000000000000000',
    version: null,
    replayed: false,
    duration_ms: 1,
    message: `${load.rows} rows dropped`,
  };
}
