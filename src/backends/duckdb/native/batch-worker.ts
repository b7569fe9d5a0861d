import { parentPort, type Transferable } from 'node:worker_threads';
import koffi from 'koffi';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowBatch } from '../../../core/query.ts';
import { toArrowportError } from '../../../errors.ts';
import { createChunkExport, pointerTo } from './arrow-export.ts';
import { BatchGathering } from './batch-gathering.ts';
import type { BatchAnswer, BatchRequest, OpenedResult } from './batch-workers.ts';
import { loadLibduckdb } from './libduckdb.ts';
import { readBytes } from './native-memory.ts';

/** The struct `duckdb_result`, which is passed by value. */
const resultStruct = koffi.struct('ArrowportResult', {
  columnCount: 'uint64',
  rowCount: 'uint64',
  rowsChanged: 'uint64',
  columns: 'uint64',
  errorMessage: 'uint64',
  internalData: 'uint64',
});
const library = loadLibduckdb();
const fetchChunk: (result: unknown) => unknown = library.func('duckdb_fetch_chunk', 'void *', [resultStruct]);
const chunkSize: (chunk: unknown) => number = library.func('duckdb_data_chunk_get_size', 'uint64', [
  'void *',
]);
const destroyChunk: (place: Buffer) => void = library.func('duckdb_destroy_data_chunk', 'void', ['void *']);
const resultStructBytes = 48;

/** Below this, memory may be shared with other values: it is copied and not handed over. */
const leastTransferredBytes = 16 * 1024;

let reading: Generator<ArrowBatch> | null = null;

/** The batches of a result; what is open of it is closed when the iteration ends. */
function* readBatches({ result, options, fields, size }: OpenedResult): Generator<ArrowBatch> {
  const struct: unknown = koffi.decode(readBytes(result, resultStructBytes), resultStruct);
  const chunks = createChunkExport(pointerAt(options));
  const gathering = new BatchGathering(fields, size);
  for (;;) {
    const chunk = fetchChunk(struct);
    if (chunk === null) break;
    try {
      const rows = Number(chunkSize(chunk));
      if (rows === 0) break;
      const array = chunks.open(chunk);
      try {
        yield* gathering.add(array, rows);
      } finally {
        chunks.release();
      }
    } finally {
      destroyChunk(pointerTo(chunk));
    }
  }
  if (gathering.rows > 0) yield gathering.take();
}

function next(open: OpenedResult | null): ArrowBatch | null {
  if (open !== null) reading = readBatches(open);
  const { done, value } = reading?.next() ?? { done: true };
  return done === true ? closeReading() : value;
}

function closeReading(): null {
  reading?.return(undefined);
  reading = null;
  return null;
}

function pointerAt(address: bigint): unknown {
  const place = Buffer.alloc(8);
  place.writeBigUInt64LE(address);
  return koffi.decode(place, 'void *');
}

function collectTransfers(array: ArrayData, found: Set<ArrayBuffer>): void {
  for (const buffer of array.buffers) {
    const memory = buffer?.buffer;
    if (memory instanceof ArrayBuffer && memory.byteLength >= leastTransferredBytes) found.add(memory);
  }
  for (const child of array.children) collectTransfers(child, found);
}

function answer(message: BatchRequest): void {
  try {
    const batch = message.kind === 'next' ? next(message.open) : closeReading();
    const memory = new Set<ArrayBuffer>();
    for (const column of batch?.columns ?? []) collectTransfers(column, memory);
    post({ batch, memory: [...memory], error: null }, [...memory]);
  } catch (thrown) {
    reading = null;
    const { code, message: text, cause } = toArrowportError(thrown);
    post(
      {
        batch: null,
        memory: [],
        error: { code, message: text, cause: cause === undefined ? null : String(cause) },
      },
      [],
    );
  }
}

function post(message: BatchAnswer, transfers: readonly Transferable[]): void {
  parentPort?.postMessage(message, transfers);
}

parentPort?.on('message', answer);
