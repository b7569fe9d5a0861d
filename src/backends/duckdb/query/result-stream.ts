import type { DuckDBResult } from '@duckdb/node-api';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowBatch, QueryResult } from '../../../core/query.ts';
import type { ArrowSchema } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { type ArrowResult, readArrowResult } from '../arrow-result.ts';
import { rowGroupRows } from '../row-group.ts';
import type { QuerySettings } from './config.ts';
import type { RunGuard } from './run-guard.ts';

/** A batch may have almost twice the bytes: below what stock clients take in one message, ADBC 16 MiB. */
const batchSize = { rows: rowGroupRows, bytes: 7 * 1024 * 1024 };

/** What a stream of rows needs besides the result. */
export interface ResultStreamOptions {
  readonly guard: RunGuard;
  /** The error of the table for what a call of the engine threw. */
  translate(thrown: unknown): ArrowportError;
  readonly settings: QuerySettings;
  readonly maxRows: number | undefined;
  /** The result after the one that has ended, of the same columns; null at the end. */
  next(): Promise<DuckDBResult | null>;
  /** Runs a call of the engine when there is room for one more. */
  call<T>(work: () => Promise<T>): Promise<T>;
  /** Runs what takes a core, and rests behind it where loads are written. */
  giveWay<T>(work: () => Promise<T>): Promise<T>;
  /** Told once, when nothing of the result is used any more: whether all of it was read, and what broke it off. */
  onEnd(end: { complete: boolean; failure: unknown }): Promise<void>;
}

/** A streaming result of DuckDB as the doors read it. */
export class ResultStream implements QueryResult {
  readonly schema: ArrowSchema;
  readonly columnTypes: readonly string[];
  readonly batches: AsyncIterable<ArrowBatch>;
  readonly #options: ResultStreamOptions;
  #arrow: ArrowResult;
  #rows = 0;
  #bytes = 0;
  #truncated = false;
  #ending: Promise<void> | null = null;

  /** Throws TYPE_UNSUPPORTED; the result is then the caller's to end. */
  constructor(result: DuckDBResult, options: ResultStreamOptions) {
    const { guard } = options;
    this.#options = options;
    this.#arrow = this.#open(result);
    this.schema = this.#arrow.schema;
    this.columnTypes = result.columnTypes().map(String);
    this.batches = this.#read();
    // A reader that does not come for more must not keep what its time no longer allows.
    guard.onStop = (reason) => void this.#end(false, reason);
  }

  isTruncated(): boolean {
    return this.#truncated;
  }

  async close(): Promise<void> {
    this.#options.guard.stop(new ArrowportError('CANCELLED', 'The result was closed.'));
    // While a call of the engine is under way, the reader ends the result when it has come back.
    if (!this.#options.guard.isRunning) await this.#end(false, null);
  }

  #open(result: DuckDBResult): ArrowResult {
    const { guard, call, giveWay, maxRows } = this.#options;
    return readArrowResult(result, batchSize, {
      ...(maxRows === undefined ? {} : { maxRows: maxRows - this.#rows }),
      onCut: () => {
        this.#truncated = true;
      },
      fetch: call,
      fetchBatch: (readBatch) => giveWay(() => guard.run(readBatch)),
    });
  }

  async *#read(): AsyncGenerator<ArrowBatch> {
    let complete = false;
    let failure: unknown = null;
    const { guard, next } = this.#options;
    try {
      for (;;) {
        guard.check();
        for await (const batch of this.#arrow.batches) {
          this.#count(batch);
          yield batch;
          guard.check();
        }
        const following = this.#truncated ? null : await next();
        if (following === null) break;
        this.#refuseOtherColumns(following);
        this.#arrow = this.#open(following);
      }
      complete = !this.#truncated;
    } catch (thrown) {
      failure = thrown;
      throw this.#options.translate(thrown);
    } finally {
      await this.#end(complete, failure);
    }
  }

  /** All bindings answer in one stream, which has one schema. */
  #refuseOtherColumns(result: DuckDBResult): void {
    const types = result.columnTypes().map(String);
    const at = types.findIndex((type, index) => type !== this.columnTypes[index]);
    if (at < 0) return;
    throw new ArrowportError(
      'QUERY_INVALID',
      `Column ${at + 1} is ${types[at]} for one binding of the parameters and ${this.columnTypes[at]} for those before it: cast it in the statement.`,
    );
  }

  /** Throws RESULT_TOO_LARGE. */
  #count(batch: ArrowBatch): void {
    this.#rows += batch.rows;
    this.#bytes += batch.columns.reduce((sum, column) => sum + byteSize(column), 0);
    const { max_result_rows: maxRows, max_result_bytes: maxBytes } = this.#options.settings;
    const limit =
      maxRows !== null && this.#rows > maxRows
        ? 'query.max_result_rows'
        : maxBytes !== null && this.#bytes > maxBytes
          ? 'query.max_result_bytes'
          : null;
    if (limit === null) return;
    throw new ArrowportError('RESULT_TOO_LARGE', `The result is over ${limit} of the server.`, {
      details: { limit },
    });
  }

  #end(complete: boolean, failure: unknown): Promise<void> {
    this.#ending ??= (async () => {
      this.#arrow.close();
      this.#options.guard.end();
      await this.#options.onEnd({ complete, failure });
    })();
    return this.#ending;
  }
}

/** The Arrow bytes of an array's buffers. */
function byteSize(array: ArrayData): number {
  const own = array.buffers.reduce((sum, buffer) => sum + (buffer?.length ?? 0), 0);
  return array.children.reduce((sum, child) => sum + byteSize(child), own);
}
