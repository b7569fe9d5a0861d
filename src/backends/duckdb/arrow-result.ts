import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { plainField } from '../../arrow/encode-gatherer.ts';
import type { ArrowBatch } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { type ArrowExport, openArrowExport } from './native/arrow-export.ts';
import { BatchGathering, type GatheringSize } from './native/batch-gathering.ts';
import { acquireBatchWorker, type BatchWorker, type OpenedResult } from './native/batch-workers.ts';

/** A query result as Arrow. */
export interface ArrowResult {
  /** Enumerations come as their texts, so no field is dictionary-encoded. */
  readonly schema: ArrowSchema;
  /** The batches in the order of the rows; to be iterated once. Ending early frees what the result holds. */
  readonly batches: AsyncIterable<ArrowBatch>;
  /** Frees what the result holds, where `batches` was never iterated; harmless after it. */
  close(): void;
}

/** When a batch is full: at exactly so many rows, or earlier at about so many bytes. */
export type BatchSize = GatheringSize;

/** What a reader of a result may do besides. */
export interface ReadOptions {
  /** Rows after which the result ends; `onCut` is called when there were more. */
  readonly maxRows?: number;
  onCut?(): void;
  /** Fetches the next chunk, for whoever bounds how many do that at once. */
  fetch?(fetchChunk: () => Promise<DuckDBDataChunk | null>): Promise<DuckDBDataChunk | null>;
  /**
   * Runs a call of a thread of its own that fetches a whole batch. Given, and without `maxRows`, what is behind the first
   * batch is read by such a thread where one is free: many times fewer changes of threads.
   */
  fetchBatch?(readBatch: () => Promise<ArrowBatch | null>): Promise<ArrowBatch | null>;
}

/**
 * Hands a result out in batches gathered from DuckDB's small chunks. A streaming result stays streaming: no more
 * than a batch is held. Throws TYPE_UNSUPPORTED for columns that DuckDB has no Arrow form for; the iteration throws
 * DuckDB's own message when the result breaks off.
 */
export function readArrowResult(
  result: DuckDBResult,
  size: BatchSize,
  options: ReadOptions = {},
): ArrowResult {
  const arrow = openArrowExport(result);
  const { schema, failure, close } = arrow;
  const fields = schema.fields.map(plainField);

  async function* readBatches(): AsyncGenerator<ArrowBatch> {
    try {
      const rest = yield* readChunks(result, arrow, size, options);
      if (rest !== null)
        yield* readByWorker(rest, { ...arrow.address(), fields: schema.fields, size }, options);
      const broken = failure();
      if (broken !== null) throw new Error(broken);
    } finally {
      close();
    }
  }

  return { schema: { fields, metadata: schema.metadata }, batches: readBatches(), close };
}

/** Reads chunk by chunk: all of the result, or its first batch where a worker is free for the rest. */
async function* readChunks(
  result: DuckDBResult,
  { schema, open, release, failure }: ArrowExport,
  size: BatchSize,
  options: ReadOptions,
): AsyncGenerator<ArrowBatch, BatchWorker | null> {
  const { maxRows = Number.POSITIVE_INFINITY, fetch = (fetchChunk) => fetchChunk() } = options;
  const fetchChunk = () => result.fetchChunk();
  const gathering = new BatchGathering(schema.fields, size);
  let left = maxRows;
  for (;;) {
    const chunk = await fetch(fetchChunk);
    if (chunk === null || chunk.rowCount === 0) break;
    const wanted = Math.min(chunk.rowCount, left);
    let isFull = false;
    const array = open(chunk);
    try {
      for (const batch of gathering.add(array, wanted)) {
        isFull = true;
        yield batch;
      }
    } finally {
      release();
    }
    left -= wanted;
    if (wanted < chunk.rowCount) {
      options.onCut?.();
      break;
    }
    if (isFull && left === Number.POSITIVE_INFINITY && options.fetchBatch !== undefined) {
      if (gathering.rows > 0) yield gathering.take();
      const worker = acquireBatchWorker();
      if (worker !== null) return worker;
    }
  }
  if (failure() === null && gathering.rows > 0) yield gathering.take();
  return null;
}

async function* readByWorker(
  worker: BatchWorker,
  opened: OpenedResult,
  { fetchBatch = (readBatch) => readBatch() }: ReadOptions,
): AsyncGenerator<ArrowBatch> {
  try {
    let open: OpenedResult | null = opened;
    for (;;) {
      const first = open;
      open = null;
      const batch = await fetchBatch(() => worker.next(first));
      if (batch === null) return;
      yield batch;
    }
  } finally {
    await worker.release();
  }
}
