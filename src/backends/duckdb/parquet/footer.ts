import type { FileHandle } from 'node:fs/promises';
import { readThriftStruct, type ThriftStruct, thriftTypes, writeThriftStruct } from './thrift-compact.ts';

/** Field ids of Parquet's metadata. @see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift */
const fileFields = { rows: 3, rowGroups: 4 } as const;
const rowGroupFields = { columns: 1, rows: 3, fileOffset: 5, ordinal: 7 } as const;
const chunkFields = { fileOffset: 2, metadata: 3, firstIndex: 4, lastIndex: 7 } as const;
const columnFields = {
  compressedBytes: 7,
  dataPage: 9,
  indexPage: 10,
  dictionaryPage: 11,
  bloomFilter: 14,
  bloomFilterBytes: 15,
} as const;

const magic = Buffer.from('PAR1');
const tailBytes = 8;

/** What stands before the first row group. */
export const parquetHead: Uint8Array = magic;

/** A file's metadata, and where it starts. */
export interface ParquetFooter {
  readonly metadata: ThriftStruct;
  readonly rowGroups: readonly ThriftStruct[];
  /** Bytes before the footer. */
  readonly dataEnd: number;
}

/** Reads a file's footer. Throws RangeError where there is none. */
export async function readFooter(file: FileHandle): Promise<ParquetFooter> {
  const { size } = await file.stat();
  const tail = await readAt(file, size - tailBytes, tailBytes);
  if (!tail.subarray(4).equals(magic)) throw new RangeError('The file does not end as a Parquet file.');
  const length = tail.readUInt32LE(0);
  const dataEnd = size - tailBytes - length;
  const metadata = readThriftStruct(await readAt(file, dataEnd, length));
  return { metadata, rowGroups: metadata.structs(fileFields.rowGroups), dataEnd };
}

/** The end of a file of the same schema as `metadata` has, with these row groups. */
export function encodeFooter(metadata: ThriftStruct, rowGroups: readonly ThriftStruct[]): Buffer {
  rowGroups.forEach((rowGroup, index) => {
    rowGroup.setInteger(rowGroupFields.ordinal, BigInt(Math.min(index, 32_767)), thriftTypes.i16);
  });
  metadata.setInteger(fileFields.rows, BigInt(countRows(rowGroups)));
  metadata.setStructs(fileFields.rowGroups, rowGroups);
  const encoded = writeThriftStruct(metadata);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(encoded.length);
  return Buffer.concat([encoded, length, magic]);
}

/** Rows in row groups together. */
export function countRows(rowGroups: readonly ThriftStruct[]): number {
  return rowGroups.reduce((sum, rowGroup) => sum + Number(rowGroup.integer(rowGroupFields.rows) ?? 0n), 0);
}

/** The metadata of a row group's columns, in the order of the schema's leaves. */
export function columnsOf(rowGroup: ThriftStruct): readonly ThriftStruct[] {
  return rowGroup
    .structs(rowGroupFields.columns)
    .map((chunk) => chunk.struct(chunkFields.metadata))
    .filter((column) => column !== undefined);
}

/** The bytes of the file that hold a row group's pages. */
export function spanOf(rowGroup: ThriftStruct): { start: number; end: number } {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const column of columnsOf(rowGroup)) {
    const dictionary = Number(column.integer(columnFields.dictionaryPage) ?? 0n);
    const data = Number(column.integer(columnFields.dataPage) ?? 0n);
    const first = dictionary > 0 ? Math.min(dictionary, data) : data;
    start = Math.min(start, first);
    end = Math.max(end, first + Number(column.integer(columnFields.compressedBytes) ?? 0n));
  }
  return { start, end };
}

/** Says of a row group that its pages are `by` bytes further on. What stands outside of them is not moved, and forgotten. */
export function moveRowGroup(rowGroup: ThriftStruct, by: number): void {
  moveField(rowGroup, rowGroupFields.fileOffset, by);
  for (const chunk of rowGroup.structs(rowGroupFields.columns)) {
    moveField(chunk, chunkFields.fileOffset, by);
    for (let id = chunkFields.firstIndex; id <= chunkFields.lastIndex; id += 1) chunk.fields.delete(id);
    const column = chunk.struct(chunkFields.metadata);
    if (column === undefined) continue;
    for (const id of [columnFields.dataPage, columnFields.indexPage, columnFields.dictionaryPage]) {
      moveField(column, id, by);
    }
    column.fields.delete(columnFields.bloomFilter);
    column.fields.delete(columnFields.bloomFilterBytes);
  }
}

/** Zero stands for an offset that is not given. */
function moveField(struct: ThriftStruct, id: number, by: number): void {
  const offset = struct.integer(id);
  if (offset !== undefined && offset > 0n) struct.setInteger(id, offset + BigInt(by));
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  if (position < 0) throw new RangeError('The file is too short for a Parquet file.');
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new RangeError('The file ended while its footer was read.');
  return buffer;
}
