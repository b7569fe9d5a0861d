import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import type { IngestRequest, StreamResources } from '../../../src/core/ingest.ts';
import type { IngestObserver } from '../../../src/core/observer.ts';
import type { Operations, StreamSummary } from '../../../src/core/operations.ts';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import type { ArrowField, ArrowSchema } from '../../../src/core/schema.ts';
import type { HttpSettings } from '../../../src/endpoints/http/deps.ts';
import { createHttpEndpoint, type HttpEndpoint } from '../../../src/endpoints/http/endpoint.ts';
import type { Problem } from '../../../src/endpoints/http/problem.ts';
import { createPort } from '../../../src/endpoints/port.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { patienceMs } from '../../support/patience.ts';

/** The media type of an IPC stream. */
export const ARROW_STREAM = 'application/vnd.apache.arrow.stream';

/** What stands behind the door in these tests; each part can be replaced. */
export interface DoorParts {
  settings?: Partial<HttpSettings>;
  operations?: Partial<Operations>;
  streams?: readonly StreamSummary[];
  ingest?: (request: IngestRequest) => Promise<CommitReceipt>;
  headersTimeoutMs?: number;
}

/** A door that listens on a loopback port, with what it told and was asked. */
export interface Door {
  readonly url: string;
  readonly port: number;
  readonly endpoint: HttpEndpoint;
  readonly requests: IngestRequest[];
  readonly failures: ArrowportError[];
  readonly connections: { open: number };
  settings: HttpSettings;
  /** Opens a raw connection, closed with the test. */
  connect(): Promise<Socket>;
}

/** Opens a door behind the real listener; it is closed with the test. */
export async function openDoor(t: TestContext, parts: DoorParts = {}): Promise<Door> {
  const requests: IngestRequest[] = [];
  const failures: ArrowportError[] = [];
  const connections = { open: 0 };
  const door = {
    requests,
    failures,
    connections,
    settings: {
      maxBodyBytes: null,
      idleTimeoutSeconds: 30,
      maxMessageBytes: 64 * 1024 * 1024,
      maxDecompressedRatio: 200,
      ...parts.settings,
    },
  };
  const endpoint = createHttpEndpoint({
    ingestor: {
      ingest(request) {
        requests.push(request);
        return parts.ingest === undefined ? countRows(request) : parts.ingest(request);
      },
    },
    directory: {
      list: async () => parts.streams ?? [],
      find: async (stream) => parts.streams?.find((summary) => summary.stream === stream),
    },
    operations: {
      version: '1.2.3',
      reload: async () => ({ status: 'unchanged', changed: [], needs_restart: [] }),
      readiness: async () => [],
      metricsText: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
      ...parts.operations,
    },
    delta: {
      tables: () => Promise.reject(new ArrowportError('BACKEND_UNAVAILABLE', 'There are no Delta tables.')),
      changed() {},
    },
    observer: { ...silentObserver, requestFailed: (_request, error) => failures.push(error) },
    logger: createLogger({ level: 'silent', format: 'json' }).logger,
    connections: {
      inc: () => {
        connections.open++;
      },
      dec: () => {
        connections.open--;
      },
    },
    settings: () => door.settings,
    ...(parts.headersTimeoutMs === undefined ? {} : { headersTimeoutMs: parts.headersTimeoutMs }),
  });
  await endpoint.ready();
  const listener = createPort({
    key: 'port',
    host: '127.0.0.1',
    port: 0,
    onHttp2: (socket) => socket.destroy(),
    onHttp1: (socket) => endpoint.server.emit('connection', socket),
  });
  const { port } = await listener.listen();
  t.after(async () => {
    await listener.close();
    await endpoint.stop(0);
  });
  return Object.assign(door, {
    endpoint,
    port,
    url: `http://127.0.0.1:${port}`,
    connect: async () => {
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      return socket;
    },
  });
}

const silentObserver: IngestObserver = {
  streamOpened() {},
  batchReceived() {},
  batchDecoded() {},
  loadCommitted() {},
  loadFailed() {},
  streamClosed() {},
  requestFailed() {},
  admissionRejected() {},
  inflightBytes() {},
};

/** Memory and limits as the ingest path would give them, without bounds on the sum. */
export const resources: StreamResources = {
  allocator: { allocate: (length) => ({ bytes: new Uint8Array(length), release() {} }) },
  limits: { maxMessageBytes: 64 * 1024 * 1024, maxDecompressedRatio: 200 },
};

/** The neighbour behind the door in its simplest form: reads the whole stream and counts. */
export async function countRows(request: IngestRequest): Promise<CommitReceipt> {
  const stream = await request.open(resources);
  let rows = 0;
  let batches = 0;
  let bytes = 0;
  for await (const message of stream.messages) {
    if (message.kind === 'record-batch') {
      rows += message.header.length;
      batches++;
    }
    bytes += message.bytes;
    message.release();
  }
  return {
    status: 'success',
    stream: request.stream,
    table: request.stream,
    storage_backend: 'duckdb',
    rows_processed: rows,
    batches,
    bytes,
    commit_id: '01J',
    version: null,
    replayed: false,
    duration_ms: 1,
    message: `${rows} rows committed to ${request.stream}`,
  };
}

const field: ArrowField = {
  name: 'n',
  type: { kind: 'int', bitWidth: 64, signed: true },
  nullable: true,
  children: [],
  dictionary: null,
  metadata: new Map(),
};
const schema: ArrowSchema = { fields: [field], metadata: new Map() };

/** The encapsulated schema message of {@link ipcStream}. */
export function schemaMessage(): Buffer {
  return Buffer.from(frameMetadata(encodeSchemaMessage(schema)));
}

/** An IPC stream of one int64 column, in its pieces: schema, then metadata and body of each batch, then the end. */
export async function ipcStream(batches: number, rowsPerBatch: number): Promise<Buffer[]> {
  const values = new Uint8Array(rowsPerBatch * 8);
  const column = {
    field,
    length: rowsPerBatch,
    nullCount: 0,
    buffers: [null, values],
    children: [],
    dictionary: null,
  };
  const message = await encodeRecordBatchMessage([column], rowsPerBatch, { codec: null, level: null });
  const batch = [Buffer.from(frameMetadata(message.metadata)), Buffer.from(message.body)];
  return [schemaMessage(), ...Array.from({ length: batches }, () => batch).flat(), Buffer.from(endOfStream)];
}

/** The problem document of an answer. */
export async function readProblem(response: { json(): Promise<unknown> }): Promise<Problem> {
  return (await response.json()) as Problem;
}

/** The receipt of an answer. */
export async function readReceipt(response: { json(): Promise<unknown> }): Promise<CommitReceipt> {
  return (await response.json()) as CommitReceipt;
}

/** Everything a socket receives until the other side closes it. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    socket.on('data', (chunk) => parts.push(Buffer.from(chunk)));
    socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
    socket.on('error', reject);
  });
}

/** Resolves with what a socket has received as soon as it matches. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(
      () => reject(new Error(`${pattern} did not come; this came: ${text}`)),
      patienceMs,
    );
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!pattern.test(text)) return;
      clearTimeout(timer);
      resolve(text);
    });
    socket.on('close', () => reject(new Error(`closed before ${pattern}; this came: ${text}`)));
    socket.on('error', reject);
  });
}
