import type { ArrayData } from '../core/array-data.ts';
import type { ArrowType } from '../core/schema.ts';
import { isBitSet } from './encode-vectors.ts';

/** Some rows of an array: the items of one list. */
export interface ListCell {
  readonly kind: 'list';
  readonly array: ArrayData;
  readonly from: number;
  readonly to: number;
}

/** One row of several arrays: the members of one struct. */
export interface StructCell {
  readonly kind: 'struct';
  readonly arrays: readonly ArrayData[];
  readonly row: number;
}

/** A month-day-nanosecond interval; the narrower intervals fill what they have. */
export interface IntervalCell {
  readonly kind: 'interval';
  readonly months: number;
  readonly days: number;
  readonly nanoseconds: bigint;
}

/**
 * One value as it is stored: integers of 64 bits, timestamps, durations and unscaled decimals as bigint, other integers,
 * dates in days and floats as number, texts as string.
 */
export type Cell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | ListCell
  | StructCell
  | IntervalCell;

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads the value in a row of a checked array. A union's value is its member's; a map is a list of its entries. */
export function readCell(array: ArrayData, row: number): Cell {
  const { field, buffers } = array;
  if (array.dictionary !== null) return readDictionaryCell(array, array.dictionary, row);
  const { type } = field;
  if (type.kind === 'null') return null;
  if (type.kind === 'union') return readUnionCell(array, row);
  if (type.kind === 'run-end-encoded') return readRunCell(array, row);
  const validity = buffers[0];
  if (validity && !isBitSet(validity, row)) return null;
  switch (type.kind) {
    case 'list':
    case 'map':
      return listCell(array, Number(readInt(buffers[1], row, 32)), Number(readInt(buffers[1], row + 1, 32)));
    case 'large-list':
      return listCell(array, Number(readInt(buffers[1], row, 64)), Number(readInt(buffers[1], row + 1, 64)));
    case 'list-view':
    case 'large-list-view': {
      const width = type.kind === 'list-view' ? 32 : 64;
      const from = Number(readInt(buffers[1], row, width));
      return listCell(array, from, from + Number(readInt(buffers[2], row, width)));
    }
    case 'fixed-size-list':
      return listCell(array, row * type.listSize, (row + 1) * type.listSize);
    case 'struct':
      return { kind: 'struct', arrays: array.children, row };
    case 'bool':
      return isBitSet(bufferAt(array, 1), row);
    case 'utf8':
    case 'large-utf8':
    case 'utf8-view':
      return utf8.decode(readBinary(array, type, row));
    case 'binary':
    case 'large-binary':
    case 'binary-view':
      return readBinary(array, type, row);
    case 'fixed-size-binary':
      return bufferAt(array, 1).subarray(row * type.byteWidth, (row + 1) * type.byteWidth);
    default:
      return readNumber(bufferAt(array, 1), type, row);
  }
}

function readDictionaryCell(array: ArrayData, dictionary: ArrayData, row: number): Cell {
  const encoding = array.field.dictionary;
  const validity = array.buffers[0];
  if (encoding === null || (validity && !isBitSet(validity, row))) return null;
  const { indexBitWidth, indexSigned } = encoding;
  return readCell(dictionary, Number(readInt(array.buffers[1], row, indexBitWidth, indexSigned)));
}

function readUnionCell(array: ArrayData, row: number): Cell {
  const { type } = array.field;
  if (type.kind !== 'union') return null;
  const member = array.children[type.typeIds.indexOf(Number(readInt(array.buffers[0], row, 8)))];
  if (member === undefined) return null;
  return readCell(member, type.mode === 'sparse' ? row : Number(readInt(array.buffers[1], row, 32)));
}

function readRunCell(array: ArrayData, row: number): Cell {
  const [ends, values] = array.children;
  if (ends === undefined || values === undefined) return null;
  let run = 0;
  while (run < ends.length - 1 && Number(readCell(ends, run)) <= row) run += 1;
  return readCell(values, run);
}

function listCell(array: ArrayData, from: number, to: number): Cell {
  const [items] = array.children;
  return items === undefined ? null : { kind: 'list', array: items, from, to };
}

function readBinary(array: ArrayData, type: ArrowType, row: number): Uint8Array {
  if (type.kind === 'utf8-view' || type.kind === 'binary-view') return readView(array, row);
  const width = type.kind === 'large-utf8' || type.kind === 'large-binary' ? 64 : 32;
  const from = Number(readInt(array.buffers[1], row, width));
  return bufferAt(array, 2).subarray(from, Number(readInt(array.buffers[1], row + 1, width)));
}

/** A view holds up to twelve bytes itself; longer ones stand in a data buffer. */
function readView(array: ArrayData, row: number): Uint8Array {
  const views = bufferAt(array, 1);
  const start = row * 16;
  const length = Number(readInt(views, row * 4, 32));
  if (length <= 12) return views.subarray(start + 4, start + 4 + length);
  const from = Number(readInt(views, row * 4 + 3, 32));
  return bufferAt(array, 2 + Number(readInt(views, row * 4 + 2, 32))).subarray(from, from + length);
}

function readNumber(buffer: Uint8Array, type: ArrowType, row: number): Cell {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  switch (type.kind) {
    case 'int':
      return readInt(buffer, row, type.bitWidth, type.signed);
    case 'float':
      if (type.bitWidth === 64) return view.getFloat64(row * 8, true);
      return type.bitWidth === 32 ? view.getFloat32(row * 4, true) : readHalf(view.getUint16(row * 2, true));
    case 'decimal':
      return readDecimal(view, row, type.bitWidth);
    case 'date':
      return Number(readInt(buffer, row, type.unit === 'day' ? 32 : 64));
    case 'time':
      return readInt(buffer, row, type.bitWidth);
    case 'timestamp':
    case 'duration':
      return readInt(buffer, row, 64);
    case 'interval':
      return readInterval(view, type.unit, row);
    default:
      return null;
  }
}

function readInt(
  buffer: Uint8Array | null | undefined,
  row: number,
  bitWidth: 8 | 16 | 32 | 64,
  signed = true,
): number | bigint {
  if (!buffer) return 0;
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  switch (bitWidth) {
    case 8:
      return signed ? view.getInt8(row) : view.getUint8(row);
    case 16:
      return signed ? view.getInt16(row * 2, true) : view.getUint16(row * 2, true);
    case 32:
      return signed ? view.getInt32(row * 4, true) : view.getUint32(row * 4, true);
    case 64:
      return signed ? view.getBigInt64(row * 8, true) : view.getBigUint64(row * 8, true);
  }
}

function readDecimal(view: DataView, row: number, bitWidth: 32 | 64 | 128 | 256): bigint {
  if (bitWidth === 32) return BigInt(view.getInt32(row * 4, true));
  const words = bitWidth / 64;
  let value = view.getBigInt64((row * words + words - 1) * 8, true);
  for (let word = words - 2; word >= 0; word -= 1) {
    value = (value << 64n) | view.getBigUint64((row * words + word) * 8, true);
  }
  return value;
}

function readInterval(
  view: DataView,
  unit: 'year-month' | 'day-time' | 'month-day-nano',
  row: number,
): IntervalCell {
  if (unit === 'year-month') {
    return { kind: 'interval', months: view.getInt32(row * 4, true), days: 0, nanoseconds: 0n };
  }
  if (unit === 'day-time') {
    const milliseconds = BigInt(view.getInt32(row * 8 + 4, true));
    return {
      kind: 'interval',
      months: 0,
      days: view.getInt32(row * 8, true),
      nanoseconds: milliseconds * 1_000_000n,
    };
  }
  return {
    kind: 'interval',
    months: view.getInt32(row * 16, true),
    days: view.getInt32(row * 16 + 4, true),
    nanoseconds: view.getBigInt64(row * 16 + 8, true),
  };
}

function readHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bufferAt(array: ArrayData, index: number): Uint8Array {
  return array.buffers[index] ?? new Uint8Array(0);
}
