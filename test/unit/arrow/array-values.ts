import type { ArrayData } from '../../../src/core/array-data.ts';

/** Reads one value of an array as Arrow's integration JSON writes it, checking every access against the buffers. */
export function readLeaf(array: ArrayData, index: number): unknown {
  const { type } = array.field;
  const { dictionary } = array.field;
  if (dictionary !== null) return readInt(array, index, dictionary.indexBitWidth, dictionary.indexSigned);
  switch (type.kind) {
    case 'bool':
      return ((view(array, 1).getUint8(index >>> 3) >>> (index & 7)) & 1) === 1;
    case 'int':
      return readInt(array, index, type.bitWidth, type.signed);
    case 'float':
      return readFloat(array, index, type.bitWidth);
    case 'decimal':
      return readWide(array, index, type.bitWidth / 8).toString();
    case 'date':
      return readInt(array, index, type.unit === 'day' ? 32 : 64, true);
    case 'time':
      return readInt(array, index, type.bitWidth, true);
    case 'timestamp':
    case 'duration':
      return readInt(array, index, 64, true);
    case 'interval':
      return readInterval(array, index, type.unit);
    case 'fixed-size-binary':
      return hex(slice(array, 1, index * type.byteWidth, (index + 1) * type.byteWidth));
    case 'utf8':
    case 'large-utf8':
      return text(readBinary(array, index));
    case 'binary':
    case 'large-binary':
      return hex(readBinary(array, index));
    case 'utf8-view':
      return text(readView(array, index));
    case 'binary-view':
      return hex(readView(array, index));
    default:
      return undefined;
  }
}

/** Whether slot `index` is valid. */
export function isSlotValid(array: ArrayData, index: number): boolean {
  const { kind } = array.field.type;
  const plain = array.field.dictionary === null;
  if (plain && kind === 'null') return false;
  if (plain && (kind === 'union' || kind === 'run-end-encoded')) return true;
  const bitmap = array.buffers[0] ?? null;
  if (bitmap === null) return true;
  return ((view(array, 0).getUint8(index >>> 3) >>> (index & 7)) & 1) === 1;
}

/** Offset (or size) `index` of buffer `buffer`. */
export function readOffset(array: ArrayData, buffer: number, index: number): number {
  const { kind } = array.field.type;
  const isWide =
    kind === 'large-list' || kind === 'large-list-view' || kind === 'large-utf8' || kind === 'large-binary';
  return isWide
    ? Number(view(array, buffer).getBigInt64(index * 8, true))
    : view(array, buffer).getInt32(index * 4, true);
}

/** The type id of a union's slot. */
export function readTypeId(array: ArrayData, index: number): number {
  return view(array, 0).getInt8(index);
}

/**
 * Reads everything an array leads to, as a reader in C would, and throws where that leaves its buffers or its
 * children: the independent check of what the decoder promises.
 */
export function touchArray(array: ArrayData): void {
  if (array.field.type.kind === 'null' && array.dictionary === null) return;
  for (let index = 0; index < array.length; index++) {
    if (isSlotValid(array, index)) touchSlot(array, index);
  }
  for (const child of array.children) touchArray(child);
  if (array.dictionary !== null) touchArray(array.dictionary);
}

function touchSlot(array: ArrayData, index: number): void {
  const { type, dictionary } = array.field;
  if (dictionary !== null) {
    requireIndex(Number(readLeaf(array, index)), array.dictionary?.length ?? 0);
    return;
  }
  const child = array.children[0];
  switch (type.kind) {
    case 'list':
    case 'large-list':
    case 'map':
      requireRange(readOffset(array, 1, index), readOffset(array, 1, index + 1), child);
      break;
    case 'list-view':
    case 'large-list-view': {
      const start = readOffset(array, 1, index);
      requireRange(start, start + readOffset(array, 2, index), child);
      break;
    }
    case 'fixed-size-list':
      requireRange(index * type.listSize, (index + 1) * type.listSize, child);
      break;
    case 'struct':
      for (const member of array.children) requireIndex(index, member.length);
      break;
    case 'union': {
      const member = array.children[type.typeIds.indexOf(readTypeId(array, index))];
      requireIndex(type.mode === 'dense' ? readOffset(array, 1, index) : index, member?.length ?? 0);
      break;
    }
    default:
      readLeaf(array, index);
  }
}

function requireRange(start: number, end: number, child: ArrayData | undefined): void {
  if (start < 0 || end < start || end > (child?.length ?? 0))
    throw new RangeError(`${start}..${end} leaves the child`);
}

function requireIndex(index: number, length: number): void {
  if (index < 0 || index >= length) throw new RangeError(`${index} leaves 0..${length}`);
}

function view(array: ArrayData, buffer: number): DataView {
  const bytes = array.buffers[buffer] ?? null;
  if (bytes === null) throw new RangeError(`buffer ${buffer} is absent`);
  if (bytes.byteOffset % 8 !== 0) throw new RangeError(`buffer ${buffer} is misaligned`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function slice(array: ArrayData, buffer: number, start: number, end: number): Uint8Array {
  const bytes = array.buffers[buffer] ?? null;
  if (bytes === null || start < 0 || end < start || end > bytes.byteLength) {
    throw new RangeError(`${start}..${end} leaves buffer ${buffer}`);
  }
  return bytes.subarray(start, end);
}

function readInt(
  array: ArrayData,
  index: number,
  bitWidth: 8 | 16 | 32 | 64,
  signed: boolean,
): number | string {
  const values = view(array, 1);
  if (bitWidth === 8) return signed ? values.getInt8(index) : values.getUint8(index);
  if (bitWidth === 16) return signed ? values.getInt16(index * 2, true) : values.getUint16(index * 2, true);
  if (bitWidth === 32) return signed ? values.getInt32(index * 4, true) : values.getUint32(index * 4, true);
  return (signed ? values.getBigInt64(index * 8, true) : values.getBigUint64(index * 8, true)).toString();
}

function readFloat(array: ArrayData, index: number, bitWidth: 16 | 32 | 64): number {
  const values = view(array, 1);
  if (bitWidth === 64) return values.getFloat64(index * 8, true);
  if (bitWidth === 32) return values.getFloat32(index * 4, true);
  const bits = values.getUint16(index * 2, true);
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function readWide(array: ArrayData, index: number, byteWidth: number): bigint {
  let value = 0n;
  const bytes = slice(array, 1, index * byteWidth, (index + 1) * byteWidth);
  for (let byte = byteWidth - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[byte] ?? 0);
  return BigInt.asIntN(byteWidth * 8, value);
}

function readInterval(
  array: ArrayData,
  index: number,
  unit: 'year-month' | 'day-time' | 'month-day-nano',
): unknown {
  const values = view(array, 1);
  if (unit === 'year-month') return values.getInt32(index * 4, true);
  if (unit === 'day-time') {
    return { days: values.getInt32(index * 8, true), milliseconds: values.getInt32(index * 8 + 4, true) };
  }
  const nanoseconds = values.getBigInt64(index * 16 + 8, true);
  return {
    months: values.getInt32(index * 16, true),
    days: values.getInt32(index * 16 + 4, true),
    nanoseconds: nanoseconds.toString(),
  };
}

function readBinary(array: ArrayData, index: number): Uint8Array {
  return slice(array, 2, readOffset(array, 1, index), readOffset(array, 1, index + 1));
}

function readView(array: ArrayData, index: number): Uint8Array {
  const views = view(array, 1);
  const size = views.getInt32(index * 16, true);
  if (size < 0) throw new RangeError('a view has a negative length');
  if (size <= 12) return slice(array, 1, index * 16 + 4, index * 16 + 4 + size);
  const start = views.getInt32(index * 16 + 12, true);
  return slice(array, 2 + views.getInt32(index * 16 + 8, true), start, start + size);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
