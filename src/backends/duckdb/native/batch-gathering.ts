import type { ArrowBatch } from '../../../core/query.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { CArrayView } from './c-array-view.ts';
import { type ChunkColumn, createChunkColumn } from './chunk-columns.ts';

/** When a batch is full: at exactly so many rows, or earlier at about so many bytes. */
export interface GatheringSize {
  readonly rows: number;
  readonly bytes: number;
}

/** Gathers DuckDB's small chunks to batches. */
export class BatchGathering {
  readonly #columns: readonly ChunkColumn[];
  readonly #size: GatheringSize;
  readonly #chunk = new CArrayView();
  #rows = 0;
  #bytes = 0;

  constructor(fields: readonly ArrowField[], size: GatheringSize) {
    this.#columns = fields.map(createChunkColumn);
    this.#size = size;
  }

  get rows(): number {
    return this.#rows;
  }

  /**
   * Takes the first `rows` rows of a chunk and yields the batches that they fill. Its `ArrowArray` is read at the address
   * until the end.
   */
  *add(chunk: number, rows: number): Generator<ArrowBatch> {
    this.#chunk.look(chunk, 0);
    const addresses = this.#chunk.children();
    const bytes = this.#columns.reduce((sum, column, index) => sum + column.look(addresses[index] ?? 0), 0);
    const bytesPerRow = bytes / Math.max(1, this.#chunk.length);
    // A chunk of wide rows may be many times a batch.
    const mostRows = Math.max(1, Math.floor(this.#size.bytes / Math.max(1, bytesPerRow)));
    for (let from = 0; from < rows; ) {
      const to = Math.min(rows, from + this.#size.rows - this.#rows, from + mostRows);
      for (const column of this.#columns) column.append(from, to);
      this.#rows += to - from;
      this.#bytes += (to - from) * bytesPerRow;
      from = to;
      if (this.#rows >= this.#size.rows || this.#bytes >= this.#size.bytes - bytesPerRow) yield this.take();
    }
  }

  /** What has been gathered, as a batch in memory of its own. */
  take(): ArrowBatch {
    const batch = { columns: this.#columns.map((column) => column.take()), rows: this.#rows };
    this.#rows = 0;
    this.#bytes = 0;
    return batch;
  }
}
