import { parentPort, type Transferable } from 'node:worker_threads';
import koffi from 'koffi';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowBatch } from '../../../core/query.ts';
import { toArrowportError } from '../../../errors.ts';
import { type ChunkReader, createChunkReader } from './arrow-export.ts';
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

interface Reading {
  readonly result: unknown;
  readonly reader: ChunkReader;
  readonly gathering: BatchGathering;
  readonly ready: ArrowBatch[];
  hasEnded: boolean;
}

let reading: Reading | null = null;

function open({ result, options, fields, size }: OpenedResult): Reading {
  return {
    result: koffi.decode(readBytes(result, resultStructBytes), resultStruct),
    reader: createChunkReader(pointerAt(options), fields),
    gathering: new BatchGathering(fields, size),
    ready: [],
    hasEnded: false,
  };
}

function pointerAt(address: bigint): unknown {
  const place = Buffer.alloc(8);
  place.writeBigUInt64LE(address);
  return koffi.decode(place, 'void *');
}

/** The next batch; null at the end of the result. */
function readBatch(state: Reading): ArrowBatch | null {
  while (state.ready.length === 0 && !state.hasEnded) readChunk(state);
  const batch = state.ready.shift();
  if (batch !== undefined) return batch;
  return state.gathering.rows > 0 ? state.gathering.take() : null;
}

function readChunk(state: Reading): void {
  const chunk = fetchChunk(state.result);
  if (chunk === null) {
    state.hasEnded = true;
    return;
  }
  const place = Buffer.alloc(8);
  place.writeBigUInt64LE(koffi.address(chunk));
  try {
    const rows = Number(chunkSize(chunk));
    if (rows === 0) state.hasEnded = true;
    else state.ready.push(...state.gathering.add(state.reader(chunk), rows));
  } finally {
    destroyChunk(place);
  }
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
    if (message.open !== null) reading = open(message.open);
    if (reading === null) throw new Error('No result is open.');
    const batch = readBatch(reading);
    if (batch === null) reading = null;
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
