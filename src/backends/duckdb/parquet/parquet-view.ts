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

/** Whether a type is a float, or holds one: a dictionary of DuckDB's has one zero for those of both signs. */
function holdsFloat({ type, children }: ArrowField): boolean {
  return type.kind === 'float' || children.some(holdsFloat);
}

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
  readonly #fields: string;
  readonly #select: string;
  readonly #dictionaryLimit: number;

  /** Throws TYPE_UNSUPPORTED where DuckDB refuses a type. */
  constructor(connection: DuckDBConnection, planned: readonly LoadColumn[], columns: readonly ArrowField[]) {
    lastView += 1;
    this.#name = `arrow_parquet_${lastView}`;
    this.#connection = connection;
    this.#dictionaryLimit = columns.some(holdsFloat) ? 0 : dictionaryLimit;
    const fields = columns.map((column) => {
      const name = quoteIdentifier(column.name);
      return `CAST(${name} AS ${sqlTypeOf(column)}) AS ${name}`;
    });
    this.#fields = fields.join(', ');
    this.#select = `SELECT ${this.#fields} FROM memory.main.${this.#name}`;
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
    const statement = this.copyStatement(this.#select, plan);
    const { written, taken, bytes } = await this.#run(queue, plan.mostBytes, statement);
    checkEvery(taken, written);
    return { rows: taken, bytes };
  }

  /**
   * Makes a temporary table of what the queue holds and what joins it meanwhile, with further columns; resolves with the
   * rows that it took. Throws codes of the ingest path.
   */
  async gather(
    queue: BatchQueue,
    plan: { readonly table: string; readonly expressions: readonly string[]; readonly mostBytes: number },
  ): Promise<number> {
    const select = [this.#fields, ...plan.expressions].join(', ');
    const source = `SELECT ${select} FROM memory.main.${this.#name}`;
    const statement = `CREATE TEMPORARY TABLE ${plan.table} AS ${source}`;
    return (await this.#run(queue, plan.mostBytes, statement)).taken;
  }

  async #run(
    queue: BatchQueue,
    mostBytes: number,
    statement: string,
  ): Promise<{ written: number; taken: number; bytes: number }> {
    queue.open();
    let bytes = 0;
    this.#view.offer({
      next() {
        if (bytes >= mostBytes) return null;
        const before = queue.bytes;
        const array = queue.next();
        bytes += before - queue.bytes;
        return array;
      },
    });
    let written: number;
    let taken: number;
    try {
      const result = await this.#connection.run(statement);
      written = result.rowsChanged;
    } catch (thrown) {
      throw fromCopyError(thrown);
    } finally {
      this.#view.offer(null);
      taken = queue.settle();
    }
    return { written, taken, bytes };
  }

  /** The statement that writes the rows of a query to a file. */
  copyStatement(select: string, { path, compression, rowGroupRows }: CopyPlan): string {
    const options = `FORMAT parquet, ${codecs[compression]}, ROW_GROUP_SIZE ${rowGroupRows}, DICTIONARY_SIZE_LIMIT ${this.#dictionaryLimit}, WRITE_BLOOM_FILTER false`;
    return `COPY (${select}) TO ${quoteText(path)} (${options})`;
  }

  async close(): Promise<void> {
    await this.#connection.run(`DROP VIEW IF EXISTS memory.main.${this.#name}`).catch(() => undefined);
    this.#view.close();
  }
}

/** Throws INTERNAL where files have more or fewer rows than were handed over. */
export function checkEvery(taken: number, written: number): void {
  if (written === taken) return;
  throw new ArrowportError('INTERNAL', 'The data files do not have every row; nothing was kept.', {
    cause: new Error(`${taken} rows were handed to DuckDB, ${written} were written.`),
  });
}

/** The error for a client of a COPY that failed: the files are a table's, not those of a database. */
export function fromCopyError(thrown: unknown): ArrowportError {
  const error = fromDuckDbError(thrown, 'load');
  if (!(thrown instanceof Error)) return error;
  if (/^(Conversion|Out of Range) Error/.test(thrown.message)) {
    // The types were matched before: only a value can be too far away for its column.
    return new ArrowportError(
      'TYPE_UNSUPPORTED',
      "A value is beyond those that its column's type in the table has; nothing was written.",
      { cause: thrown },
    );
  }
  if (!/^IO Error/.test(thrown.message)) return error;
  const full = /No space left|disk/i.test(thrown.message);
  return new ArrowportError(
    'BACKEND_UNAVAILABLE',
    `The table's storage ${full ? 'is full' : 'cannot be written'}; nothing was written.`,
    { cause: thrown, details: { retryAfterMs: 30_000 } },
  );
}
