import type { Backend, CommitResult, Load, LoadRequest } from '../../../src/core/backend.ts';
import type { IngestRequest } from '../../../src/core/ingest.ts';
import type {
  DictionaryBatchMessage,
  IpcMessage,
  RecordBatchMessage,
} from '../../../src/core/ipc-message.ts';
import type { IngestObserver } from '../../../src/core/observer.ts';
import { createAdmission } from '../../../src/ingest/admission.ts';
import { createIngestor, type IngestorOptions } from '../../../src/ingest/ingestor.ts';
import { routeSchema } from '../../../src/router/config.ts';
import { createRouteTable } from '../../../src/router/route-table.ts';
import { createRouter, type Router } from '../../../src/router/router.ts';

/** What one transaction was given, and how it ended. */
export interface SeenTransaction {
  readonly request: LoadRequest;
  readonly messages: IpcMessage[];
  rows: number;
  flushes: number;
  state: 'open' | 'committed' | 'aborted';
}

/** A backend that counts. */
export interface MemoryBackend extends Backend {
  readonly transactions: SeenTransaction[];
  /** Transactions that are open now. */
  open(): number;
}

/** What a test changes of a load. */
export interface MemoryLoadHooks {
  onBegin?(request: LoadRequest): Promise<void> | void;
  onWrite?(message: IpcMessage, transaction: SeenTransaction): Promise<void> | void;
  onCommit?(transaction: SeenTransaction): Promise<Partial<CommitResult> | undefined> | undefined;
  /** Keeps the messages of a load until flush, commit or abort. */
  readonly gathers?: boolean;
}

/** Makes a backend that keeps nothing but counts. */
export function createMemoryBackend(hooks: MemoryLoadHooks = {}): MemoryBackend {
  const transactions: SeenTransaction[] = [];
  return {
    kind: 'duckdb',
    transactions,
    open: () => transactions.filter(({ state }) => state === 'open').length,
    async begin(request) {
      await hooks.onBegin?.(request);
      const transaction: SeenTransaction = { request, messages: [], rows: 0, flushes: 0, state: 'open' };
      transactions.push(transaction);
      return createLoad(transaction, hooks);
    },
    findTable: async () => undefined,
    problems: async () => [],
    memoryBytes: async () => 0,
    close: async () => undefined,
  };
}

function createLoad(transaction: SeenTransaction, hooks: MemoryLoadHooks): Load {
  let gathered: IpcMessage[] = [];
  const handOn = () => {
    for (const message of gathered) message.release();
    gathered = [];
  };
  return {
    async write(message) {
      gathered.push(message);
      transaction.messages.push(message);
      await hooks.onWrite?.(message, transaction);
      if (message.kind === 'record-batch') transaction.rows += message.header.length;
      if (hooks.gathers !== true) handOn();
    },
    flush() {
      transaction.flushes += 1;
      handOn();
    },
    async commit() {
      const changed = await hooks.onCommit?.(transaction);
      handOn();
      transaction.state = 'committed';
      return { rows: transaction.rows, version: null, ...changed };
    },
    async abort() {
      handOn();
      transaction.state = 'aborted';
    },
  };
}

/** A message that knows whether it was released. */
export interface TestMessage {
  readonly message: IpcMessage;
  released(): number;
}

/** A record batch of so many rows and bytes, with nothing in it. */
export function recordBatch(rows: number, bytes = 100): TestMessage {
  let released = 0;
  const message: RecordBatchMessage = {
    kind: 'record-batch',
    metadata: new Uint8Array(0),
    body: new Uint8Array(0),
    bytes,
    header: { length: rows, nodes: [], buffers: [], codec: null, variadicCounts: [] },
    release: () => {
      released += 1;
    },
  };
  return { message, released: () => released };
}

/** A dictionary with nothing in it. */
export function dictionaryBatch(id: bigint, isDelta = false, bytes = 10): TestMessage {
  const { message, released } = recordBatch(1, bytes);
  const dictionary: DictionaryBatchMessage = { ...message, kind: 'dictionary-batch', id, isDelta };
  return { message: dictionary, released };
}

/** A request whose stream has these messages; a function is called when its turn comes, and may throw or wait. */
export function requestOf(
  messages: readonly (TestMessage | (() => Promise<void> | void))[],
  changes: Partial<IngestRequest> = {},
): IngestRequest {
  async function* produce(): AsyncGenerator<IpcMessage> {
    for (const next of messages) {
      if (typeof next === 'function') await next();
      else yield next.message;
    }
  }
  return {
    stream: 's',
    transport: 'flight',
    requestId: 'r1',
    backend: null,
    mode: null,
    schemaMode: null,
    partitionBy: null,
    idempotencyKey: null,
    signal: new AbortController().signal,
    open: async () => ({
      schema: { fields: [], metadata: new Map() },
      schemaMetadata: new Uint8Array(0),
      messages: produce(),
    }),
    ...changes,
  };
}

/** An observer that writes down the names of its events and what they were called with. */
export function createRecorder(): { observer: IngestObserver; events: { name: string; args: unknown[] }[] } {
  const events: { name: string; args: unknown[] }[] = [];
  const names = [
    'streamOpened',
    'batchReceived',
    'batchDecoded',
    'loadCommitted',
    'loadFailed',
    'streamClosed',
    'requestFailed',
    'admissionRejected',
    'inflightBytes',
  ] as const;
  const entries = names.map((name) => [name, (...args: unknown[]) => events.push({ name, args })]);
  return { observer: Object.fromEntries(entries) as IngestObserver, events };
}

/** A router over `streams` as the configuration writes them. */
export function routerOf(streams: Readonly<Record<string, object>> = {}): Router {
  const parsed = Object.entries(streams).map(([name, route]) => [name, routeSchema.parse(route)] as const);
  return createRouter(createRouteTable({ storage_backend: 'duckdb', streams: Object.fromEntries(parsed) }));
}

/** An ingestor over a backend, with everything else as the defaults have it. */
export function ingestorOf(backend: Backend, options: Partial<IngestorOptions> = {}) {
  const { observer, events } = createRecorder();
  const admission = createAdmission({ maxStreams: 256, maxInflightBytes: 1 << 29, observer });
  const ingestor = createIngestor({
    router: routerOf(),
    admission,
    observer,
    openBackend: async () => backend,
    limits: () => ({ maxMessageBytes: 1 << 28, maxDecompressedRatio: 200 }),
    ...options,
  });
  const names = () => events.map(({ name }) => name).filter((name) => name !== 'inflightBytes');
  return { ingestor, admission, events, names };
}
