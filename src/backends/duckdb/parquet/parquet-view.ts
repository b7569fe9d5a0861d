import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParquetCompression } from '../../../core/parquet-writer.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import type { BatchQueue } from '../batch-queue.ts';
import { fromDuckDbError } from '../errors.ts';
import { quoteIdentifier, quoteText } from '../identifier.ts';
import type { LoadColumn } from '../load-column.ts';
import { type ArrowView, createArrowView } from '../native/array-stream.ts';
import { sqlTypeOf } from './coverage.ts';

const codecs: Readonly<Record<ParquetCompression, string>> = {
  snappy: 'COMPRESSION snappy',
  gzip: 'COMPRESSION gzip',
  lz4: 'COMPRESSION lz4_raw',
  zstd: 'COMPRESSION zstd, COMPRESSION_LEVEL 3',
  none: 'COMPRESSION uncompressed',
};
/**
 * Distinct values of a row group's column up to which they are written as a dictionary: DuckDB's own limit, a fifth of the
 * rows, costs a tenth more time on columns of many values, and saves hardly a byte.
 */
const dictionaryLimit = 8192;

let lastView = 0;

/** How one file is written. */
export interface CopyPlan {
  readonly path: string;
  readonly compression: ParquetCompression;
  readonly rowGroupRows: number;
  /** Arrow bytes after which the file takes no more batches. */
  readonly mostBytes: number;
}

/** A stream as DuckDB writes it to Parquet: a view over batches, on a connection of its own. */
export class ParquetView {
  readonly #connection: DuckDBConnection;
  readonly #view: ArrowView;
  readonly #name: string;
  readonly #select: string;

  /** Throws TYPE_UNSUPPORTED where DuckDB refuses a type. */
  constructor(connection: DuckDBConnection, planned: readonly LoadColumn[], columns: readonly ArrowField[]) {
    lastView += 1;
    this.#name = `arrow_parquet_${lastView}`;
    this.#connection = connection;
    const fields = columns.map((column) => {
      const name = quoteIdentifier(column.name);
      return `CAST(${name} AS ${sqlTypeOf(column)}) AS ${name}`;
    });
    this.#select = `SELECT ${fields.join(', ')} FROM memory.main.${this.#name}`;
    try {
      this.#view = createArrowView(
        connection,
        this.#name,
        planned.map(({ field }) => field),
      );
    } catch (thrown) {
      throw fromDuckDbError(thrown, 'load');
    }
  }

  /** Writes what the queue holds, and what joins it meanwhile, to one file; resolves with its rows and their Arrow bytes. Throws codes of the ingest path. */
  async copy(queue: BatchQueue, plan: CopyPlan): Promise<{ rows: number; bytes: number }> {
    queue.open();
    let bytes = 0;
    this.#view.offer({
      next() {
        if (bytes >= plan.mostBytes) return null;
        const before = queue.bytes;
        const array = queue.next();
        bytes += before - queue.bytes;
        return array;
      },
    });
    let written: number;
    let taken: number;
    try {
      const options = `FORMAT parquet, ${codecs[plan.compression]}, ROW_GROUP_SIZE ${plan.rowGroupRows}, DICTIONARY_SIZE_LIMIT ${dictionaryLimit}, WRITE_BLOOM_FILTER false`;
      const result = await this.#connection.run(
        `COPY (${this.#select}) TO ${quoteText(plan.path)} (${options})`,
      );
      written = result.rowsChanged;
    } catch (thrown) {
      throw fromCopyError(thrown);
    } finally {
      this.#view.offer(null);
      taken = queue.settle();
    }
    if (written !== taken) {
      throw new ArrowportError('INTERNAL', 'A data file does not have every row; nothing was kept.', {
        cause: new Error(`${taken} rows were handed to DuckDB, ${written} were written.`),
      });
    }
    return { rows: written, bytes };
  }

  async close(): Promise<void> {
    await this.#connection.run(`DROP VIEW IF EXISTS memory.main.${this.#name}`).catch(() => undefined);
    this.#view.close();
  }
}

/** The files are a table's, not those of a database. */
function fromCopyError(thrown: unknown): ArrowportError {
  const error = fromDuckDbError(thrown, 'load');
  if (!(thrown instanceof Error) || !/^IO Error/.test(thrown.message)) return error;
  const full = /No space left|disk/i.test(thrown.message);
  return new ArrowportError(
    'BACKEND_UNAVAILABLE',
    `The table's storage ${full ? 'is full' : 'cannot be written'}; nothing was written.`,
    { cause: thrown, details: { retryAfterMs: 30_000 } },
  );
}
