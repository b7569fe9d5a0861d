import { type ArrayGatherer, createArrayGatherer } from '../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../core/array-data.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import { releaseNothing } from './native/array-stream.ts';
import { type CArray, type WrittenDictionaries, writeCArray } from './native/c-array-writer.ts';

/** DuckDB's threads take one array each: rows of a larger batch are spread over several. A multiple of 8. */
const sliceRows = 122_880;
/** Batches of fewer rows and bytes are copied together: one array each would cost more than their rows. */
const smallRows = 2_048;
const smallBytes = 1024 * 1024;

/** Decoded batches that one INSERT will read, and the messages whose memory they are. */
export class BatchGroup {
  readonly arrays: CArray[] = [];
  rows = 0;
  bytes = 0;
  /** Structs and tables that the arrays are laid out in: what small batches cost beside their bytes. */
  pieces = 0;
  readonly #dictionaries: WrittenDictionaries = new Map();
  readonly #columns: (readonly ArrayData[])[] = [];
  readonly #messages: IpcMessage[] = [];
  #gatherers: readonly ArrayGatherer[] | null = null;
  #gatheredRows = 0;

  /** Takes a batch and, from now on, its message. `bytes` is what its buffers hold, unfolded. */
  add(message: IpcMessage, columns: readonly ArrayData[], bytes: number): void {
    const rows = message.header.length;
    const copied = rows < smallRows ? bytes + countViewed(columns) : bytes;
    const small = rows < smallRows && copied < smallBytes;
    this.rows += rows;
    this.bytes += small ? copied : bytes;
    // Dictionary-encoded columns reach DuckDB as they are, so what is gathered would not be of the same type.
    if (!small || columns.some((column) => column.dictionary !== null)) {
      this.seal();
      this.#messages.push(message);
      this.#layOut(columns, rows);
      return;
    }
    if (rows > 0) this.#gather(columns, rows);
    message.release();
  }

  /** Lays out what is still being gathered: `arrays` holds all rows then. */
  seal(): void {
    if (this.#gatherers === null || this.#gatheredRows === 0) return;
    const columns = this.#gatherers.map((gatherer) => gatherer.take());
    this.#layOut(columns, this.#gatheredRows);
    this.#gatheredRows = 0;
  }

  /** Gives the memory back; nothing may be reading the arrays any more. */
  release(): void {
    for (const message of this.#messages) message.release();
    this.#messages.length = 0;
    this.#columns.length = 0;
    this.arrays.length = 0;
    this.#gatherers = null;
  }

  #gather(columns: readonly ArrayData[], rows: number): void {
    this.#gatherers ??= columns.map((column) => createArrayGatherer(column.field));
    for (const [index, gatherer] of this.#gatherers.entries()) {
      const column = columns[index];
      if (column !== undefined) gatherer.append(column, 0, rows);
    }
    this.#gatheredRows += rows;
    if (this.#gatheredRows >= sliceRows) this.seal();
  }

  #layOut(columns: readonly ArrayData[], rows: number): void {
    this.#columns.push(columns);
    for (let start = 0; start < rows; start += sliceRows) {
      const slice = { start, rows: Math.min(sliceRows, rows - start) };
      const array = writeCArray(columns, slice, this.#dictionaries, releaseNothing);
      this.arrays.push(array);
      this.pieces += array.keep.length;
    }
  }
}

/** Bytes of all texts and binaries that views stand for: many may share the same ones, and each is copied. */
function countViewed(arrays: readonly ArrayData[]): number {
  let bytes = 0;
  for (const array of arrays) {
    bytes += countViewed(array.children);
    const { kind } = array.field.type;
    if (kind !== 'utf8-view' && kind !== 'binary-view') continue;
    const views = array.buffers[1];
    if (views === undefined || views === null) continue;
    const words = new Int32Array(views.buffer, views.byteOffset, array.length * 4);
    for (let row = 0; row < array.length; row += 1) bytes += Math.max(words[row * 4] ?? 0, 0);
  }
  return bytes;
}

/** Bytes in the buffers of arrays, children and dictionaries' indices included, dictionaries' values not. */
export function countBytes(arrays: readonly ArrayData[]): number {
  let bytes = 0;
  for (const array of arrays) {
    for (const buffer of array.buffers) bytes += buffer?.byteLength ?? 0;
    bytes += countBytes(array.children);
  }
  return bytes;
}
