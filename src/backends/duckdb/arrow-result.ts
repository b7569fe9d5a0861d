import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { createArrayGatherer, plainField } from '../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../core/array-data.ts';
import type { ArrowBatch } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { openArrowExport } from './native/arrow-export.ts';

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
export interface BatchSize {
  readonly rows: number;
  readonly bytes: number;
}

/** What a reader of a result may do besides. */
export interface ReadOptions {
  /** Rows after which the result ends; `onCut` is called when there were more. */
  readonly maxRows?: number;
  onCut?(): void;
  /** Fetches the next chunk, for whoever bounds how many do that at once. */
  fetch?(fetchChunk: () => Promise<DuckDBDataChunk | null>): Promise<DuckDBDataChunk | null>;
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
  const { schema, read, failure, close } = openArrowExport(result);
  const fields = schema.fields.map(plainField);
  const { maxRows = Number.POSITIVE_INFINITY, fetch = (fetchChunk) => fetchChunk() } = options;
  const fetchChunk = () => result.fetchChunk();

  async function* readBatches(): AsyncGenerator<ArrowBatch> {
    const gatherers = schema.fields.map(createArrayGatherer);
    let rows = 0;
    let bytes = 0;
    let left = maxRows;
    const take = (): ArrowBatch => {
      const batch = { columns: gatherers.map((gatherer) => gatherer.take()), rows };
      rows = 0;
      bytes = 0;
      return batch;
    };
    try {
      for (;;) {
        const chunk = await fetch(fetchChunk);
        if (chunk === null || chunk.rowCount === 0) break;
        const columns = read(chunk);
        const wanted = Math.min(chunk.rowCount, left);
        for (let from = 0; from < wanted; ) {
          const to = Math.min(wanted, from + size.rows - rows);
          columns.forEach((column, index) => {
            gatherers[index]?.append(column, from, to);
          });
          rows += to - from;
          from = to;
          if (rows >= size.rows) yield take();
        }
        if (rows > 0) bytes += columns.reduce((sum, column) => sum + byteSize(column), 0);
        if (bytes >= size.bytes) yield take();
        left -= wanted;
        if (wanted < chunk.rowCount) {
          options.onCut?.();
          break;
        }
      }
      const broken = failure();
      if (broken !== null) throw new Error(broken);
      if (rows > 0) yield take();
    } finally {
      close();
    }
  }

  return { schema: { fields, metadata: schema.metadata }, batches: readBatches(), close };
}

function byteSize(array: ArrayData): number {
  const own = array.buffers.reduce((sum, buffer) => sum + (buffer?.length ?? 0), 0);
  return array.children.reduce((sum, child) => sum + byteSize(child), own);
}
