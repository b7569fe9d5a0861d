import { join } from 'node:path';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import {
  createDeltaBackend,
  type DeltaBackend,
  type DeltaBackendOptions,
} from '../../../src/backends/delta/backend.ts';
import { createParquetWriter } from '../../../src/backends/duckdb/parquet/parquet-writer.ts';
import type { CommitResult, Load, LoadOptions } from '../../../src/core/backend.ts';
import type { IpcMessage } from '../../../src/core/ipc-message.ts';
import type { DeltaRouteOptions, Route } from '../../../src/core/route.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { workerCacheFolder } from '../../support/worker-cache.ts';

/** One line of the backend's log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A backend over a folder of its own, and what it said. */
export interface TestBackend {
  readonly backend: DeltaBackend;
  /** The folder of the tables. */
  readonly root: string;
  readonly log: LogLine[];
}

/** Starts a backend whose tables and worker go when `owner` ends. */
export function startDeltaBackend(
  owner: CleanupOwner,
  overrides: Partial<DeltaBackendOptions> = {},
): TestBackend {
  const folder = makeTempFolder(owner);
  const root = join(folder, 'tables');
  const log: LogLine[] = [];
  const backend = createDeltaBackend({
    tablePath: root,
    storageOptions: {},
    checkpointInterval: 10,
    versionRetentionHours: 168,
    enableCdc: false,
    autoCompact: false,
    compactMinFiles: 50,
    keyRetentionHours: 168,
    maxLoads: 32,
    cacheFolder: workerCacheFolder,
    python: process.env['ARROWPORT_DELTA_PYTHON'] ?? null,
    spoolFolder: null,
    environment: process.env,
    shutdownGraceMs: 2000,
    log: (level, message, fields) => log.push({ level, message, fields }),
    ...overrides,
  });
  owner.after(() => backend.close());
  return { backend, root, log };
}

/** The options of a backend for whose loads DuckDB may write the files. */
export function withParquetWriter(): Pick<DeltaBackendOptions, 'openParquetWriter' | 'closeParquetWriter'> {
  const limits = { maxMessageBytes: 2 ** 28, maxDecompressedRatio: 200 };
  const writer = createParquetWriter({ threads: null, limits: () => limits });
  return { openParquetWriter: async () => writer, closeParquetWriter: () => writer.close() };
}

/** Settings of one load of a test. */
export interface TestLoad extends Partial<LoadOptions> {
  readonly stream?: string;
  readonly delta?: Partial<DeltaRouteOptions>;
}

/** A route to a Delta table. */
export function deltaRoute(table: string, delta: Partial<DeltaRouteOptions> = {}, stream = table): Route {
  return {
    stream,
    label: null,
    backend: 'delta',
    table: { schema: null, name: table },
    chunkSize: 122_880,
    commit: null,
    schemaMode: 'strict',
    delta: {
      partitionBy: [],
      zOrderBy: [],
      targetFileSize: 134_217_728,
      compression: 'snappy',
      writeMode: 'append',
      autoCreateTable: true,
      maxCommitRetries: 3,
      tableProperties: {},
      ...delta,
    },
  };
}

/** Opens IPC bytes as the doors do. */
export function openBytes(bytes: Uint8Array) {
  async function* chunks() {
    yield bytes;
  }
  return openIpcBody(chunks(), 'sniff', {
    allocator: { allocate: (length) => ({ bytes: new Uint8Array(length), release: () => {} }) },
    limits: { maxMessageBytes: 2 ** 28, maxDecompressedRatio: 200 },
  });
}

/** Begins a load of IPC bytes into a table; its messages are the caller's to write. */
export async function beginLoad(
  backend: DeltaBackend,
  table: string,
  bytes: Uint8Array,
  settings: TestLoad = {},
): Promise<{ readonly load: Load; readonly messages: AsyncIterable<IpcMessage> }> {
  const { stream, delta, ...options } = settings;
  const { schema, schemaMetadata, messages } = await openBytes(bytes);
  const load = await backend.begin({
    route: deltaRoute(table, delta, stream),
    schema,
    schemaMetadata,
    options: { mode: 'append', schemaMode: 'strict', partitionBy: null, idempotencyKey: null, ...options },
    requestId: 'test',
  });
  return { load, messages };
}

/** Loads IPC bytes into a table, as the ingest path does. */
export async function loadBytes(
  backend: DeltaBackend,
  table: string,
  bytes: Uint8Array,
  settings: TestLoad = {},
): Promise<CommitResult> {
  const { load, messages } = await beginLoad(backend, table, bytes, settings);
  try {
    for await (const message of messages) await load.write(message);
    return await load.commit();
  } catch (error) {
    await load.abort();
    throw error;
  }
}

/** All bytes of a row stream. */
export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}
