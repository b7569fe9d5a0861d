import type { ArrayData } from '../../core/array-data.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import { releaseNothing } from './native/array-stream.ts';
import { type CArray, type WrittenDictionaries, writeCArray } from './native/c-array-writer.ts';

/** DuckDB's threads take one array each: rows of a larger batch are spread over several. A multiple of 8. */
const sliceRows = 122_880;

/** Decoded batches that one INSERT will read, and the messages whose memory they are. */
export class BatchGroup {
  readonly arrays: CArray[] = [];
  rows = 0;
  bytes = 0;
  readonly #dictionaries: WrittenDictionaries = new Map();
  readonly #columns: (readonly ArrayData[])[] = [];
  readonly #messages: IpcMessage[] = [];

  /** Takes a batch and, from now on, its message. `bytes` is what its buffers hold, unfolded. */
  add(message: IpcMessage, columns: readonly ArrayData[], bytes: number): void {
    this.#messages.push(message);
    this.#columns.push(columns);
    const rows = message.header.length;
    for (let start = 0; start < rows; start += sliceRows) {
      const slice = { start, rows: Math.min(sliceRows, rows - start) };
      this.arrays.push(writeCArray(columns, slice, this.#dictionaries, releaseNothing));
    }
    this.rows += rows;
    this.bytes += bytes;
  }

  /** Gives the memory back; nothing may be reading the arrays any more. */
  release(): void {
    for (const message of this.#messages) message.release();
    this.#messages.length = 0;
    this.#columns.length = 0;
    this.arrays.length = 0;
  }
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
