import { type ArrayGatherer, createArrayGatherer } from '../../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowBatch } from '../../../core/query.ts';
import type { ArrowField } from '../../../core/schema.ts';

/** When a batch is full: at exactly so many rows, or earlier at about so many bytes. */
export interface GatheringSize {
  readonly rows: number;
  readonly bytes: number;
}

/** Gathers DuckDB's small chunks to batches. */
export class BatchGathering {
  readonly #gatherers: readonly ArrayGatherer[];
  readonly #size: GatheringSize;
  #rows = 0;
  #bytes = 0;

  constructor(fields: readonly ArrowField[], size: GatheringSize) {
    this.#gatherers = fields.map(createArrayGatherer);
    this.#size = size;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Takes the first `rows` rows of a chunk and yields the batches that they fill. */
  *add(columns: readonly ArrayData[], rows: number): Generator<ArrowBatch> {
    const [first] = columns;
    const bytes = columns.reduce((sum, column) => sum + byteSize(column), 0);
    const bytesPerRow = bytes / Math.max(1, first?.length ?? 0);
    // A chunk of wide rows may be many times a batch.
    const mostRows = Math.max(1, Math.floor(this.#size.bytes / Math.max(1, bytesPerRow)));
    for (let from = 0; from < rows; ) {
      const to = Math.min(rows, from + this.#size.rows - this.#rows, from + mostRows);
      columns.forEach((column, index) => {
        this.#gatherers[index]?.append(column, from, to);
      });
      this.#rows += to - from;
      this.#bytes += (to - from) * bytesPerRow;
      from = to;
      if (this.#rows >= this.#size.rows || this.#bytes >= this.#size.bytes - bytesPerRow) yield this.take();
    }
  }

  /** What has been gathered, as a batch in memory of its own. */
  take(): ArrowBatch {
    const batch = { columns: this.#gatherers.map((gatherer) => gatherer.take()), rows: this.#rows };
    this.#rows = 0;
    this.#bytes = 0;
    return batch;
  }
}

/** The bytes of an array's buffers. */
export function byteSize(array: ArrayData): number {
  const own = array.buffers.reduce((sum, buffer) => sum + (buffer?.length ?? 0), 0);
  return array.children.reduce((sum, child) => sum + byteSize(child), own);
}
