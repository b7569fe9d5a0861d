import type { ArrayData } from '../../../core/array-data.ts';
import { addressOf } from './address.ts';
import { writePointers } from './c-schema-writer.ts';

const arrayBytes = 80;

/** A C `ArrowArray` tree in memory of ours; `keep` and the arrays' buffers must stay referenced while DuckDB reads it. */
export interface CArray {
  readonly struct: Buffer;
  readonly rows: number;
  readonly keep: readonly unknown[];
}

/**
 * Dictionaries already laid out. DuckDB remembers a converted dictionary by the address of its struct, so one
 * dictionary must keep one address, and two never share one, for as long as one INSERT runs.
 */
export type WrittenDictionaries = Map<ArrayData, Buffer>;

/**
 * Lays `rows` rows from row `start` of a record batch out as a struct array, without copying a buffer. The slice is
 * made with offsets of the columns, `start` must be a multiple of 8.
 * @see https://arrow.apache.org/docs/format/CDataInterface.html#the-arrowarray-structure
 */
export function writeCArray(
  columns: readonly ArrayData[],
  slice: { start: number; rows: number },
  dictionaries: WrittenDictionaries,
  release: bigint,
): CArray {
  const writer = new CArrayWriter(dictionaries, release);
  const children = columns.map((column) => addressOf(writer.write(column, slice.start, slice.rows)));
  const struct = writer.writeStruct({ length: slice.rows, nullCount: 0, offset: 0, buffers: [0n], children });
  return { struct, rows: slice.rows, keep: writer.keep };
}

interface StructFields {
  readonly length: number;
  readonly nullCount: number;
  readonly offset: number;
  readonly buffers: readonly bigint[];
  readonly children: readonly bigint[];
}

class CArrayWriter {
  readonly keep: unknown[] = [];
  readonly #dictionaries: WrittenDictionaries;
  readonly #release: bigint;

  constructor(dictionaries: WrittenDictionaries, release: bigint) {
    this.#dictionaries = dictionaries;
    this.#release = release;
  }

  write(array: ArrayData, offset: number, length: number): Buffer {
    const { kind } = array.field.type;
    const encoded = array.dictionary !== null;
    const buffers = array.buffers.map((buffer) => (buffer === null ? 0n : addressOf(buffer)));
    if (!encoded && (kind === 'utf8-view' || kind === 'binary-view')) buffers.push(this.#writeSizes(array));
    const struct = this.writeStruct({
      length,
      // A slice's own count is not known, and DuckDB takes the -1 that says so for none: the whole array's is safe.
      nullCount: array.nullCount,
      offset,
      buffers,
      children: encoded ? [] : array.children.map((child) => addressOf(this.write(child, 0, child.length))),
    });
    if (array.dictionary !== null) struct.writeBigUInt64LE(this.#writeDictionary(array.dictionary), 56);
    return struct;
  }

  writeStruct(fields: StructFields): Buffer {
    const struct = Buffer.allocUnsafe(arrayBytes).fill(0);
    this.keep.push(struct);
    struct.writeBigInt64LE(BigInt(fields.length), 0);
    struct.writeBigInt64LE(BigInt(fields.nullCount), 8);
    struct.writeBigInt64LE(BigInt(fields.offset), 16);
    struct.writeBigInt64LE(BigInt(fields.buffers.length), 24);
    struct.writeBigInt64LE(BigInt(fields.children.length), 32);
    struct.writeBigUInt64LE(writePointers(fields.buffers, this.keep), 40);
    struct.writeBigUInt64LE(writePointers(fields.children, this.keep), 48);
    struct.writeBigUInt64LE(this.#release, 64);
    return struct;
  }

  #writeDictionary(values: ArrayData): bigint {
    let struct = this.#dictionaries.get(values);
    if (struct === undefined) {
      struct = this.write(values, 0, values.length);
      this.#dictionaries.set(values, struct);
    }
    this.keep.push(struct);
    return addressOf(struct);
  }

  /** View arrays end with a buffer that holds the lengths of their data buffers. */
  #writeSizes(array: ArrayData): bigint {
    const sizes = array.buffers.slice(2).map((buffer) => BigInt(buffer?.byteLength ?? 0));
    return writePointers(sizes.length === 0 ? [0n] : sizes, this.keep);
  }
}
