import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../src/core/array-data.ts';
import type { ArrowType } from '../../src/core/schema.ts';

/** Rows of one record batch: a row group of DuckDB. */
export const rowsOfBatch = 122_880;

/** An Arrow IPC stream whose batches are all the same. */
export interface RepeatedBatch {
  /** The schema's message. */
  readonly head: Uint8Array;
  readonly batch: Uint8Array;
  readonly end: Uint8Array;
}

/** A column of {@link rowsOfBatch} rows over buffers in the order of its type's layout. */
export function makeColumn(
  name: string,
  type: ArrowType,
  buffers: readonly (Uint8Array | null)[],
  nullCount = 0,
): ArrayData {
  const field = { name, type, nullable: true, children: [], dictionary: null, metadata: new Map() };
  return { field, length: rowsOfBatch, nullCount, buffers: [...buffers], children: [], dictionary: null };
}

/** The bytes behind an array of numbers. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Encodes columns once, to be sent as often as a bench wants. */
export async function encodeRepeated(columns: readonly ArrayData[]): Promise<RepeatedBatch> {
  const schema = { fields: columns.map(({ field }) => field), metadata: new Map<string, string>() };
  const { metadata, body } = await encodeRecordBatchMessage(columns, rowsOfBatch, { codec: null });
  return {
    head: frameMetadata(encodeSchemaMessage(schema)),
    batch: Buffer.concat([frameMetadata(metadata), body]),
    end: endOfStream,
  };
}

/** The value in the middle; of two the greater. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
