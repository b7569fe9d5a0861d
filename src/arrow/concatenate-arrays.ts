import type { ArrayData } from '../core/array-data.ts';
import { describeType } from '../core/schema.ts';
import { fixedByteWidth, offsetByteWidth } from './array-layout.ts';
import { malformed, unsupportedType } from './ipc-error.ts';
import { isValid } from './validate-bits.ts';
import { offsetAt } from './validate-offsets.ts';

/**
 * One array with the values of `first`, then those of `second`, in memory of its own; both must be checked arrays of
 * the same field. Throws TYPE_UNSUPPORTED for nested and dictionary-encoded types, IPC_MALFORMED when 32-bit offsets
 * would overflow.
 */
export function concatenateArrays(first: ArrayData, second: ArrayData): ArrayData {
  const { field } = first;
  const { type } = field;
  const length = first.length + second.length;
  const nullCount = first.nullCount + second.nullCount;
  if (type.kind === 'null') return { ...first, length, nullCount };
  const validity = nullCount === 0 ? null : concatenateValidity(first, second);
  const buffers = concatenateValues(first, second);
  if (buffers === null) {
    throw unsupportedType(
      `a delta to a dictionary of ${describeType(field)} is not supported; send whole dictionaries.`,
      field.name,
    );
  }
  return { ...first, length, nullCount, buffers: [validity, ...buffers] };
}

function concatenateValues(first: ArrayData, second: ArrayData): Uint8Array[] | null {
  const { type } = first.field;
  const width = fixedByteWidth(type);
  if (width !== null) {
    const head = bufferOf(first, 1).subarray(0, first.length * width);
    return [join(head, bufferOf(second, 1).subarray(0, second.length * width))];
  }
  switch (type.kind) {
    case 'bool':
      return [concatenateBits(bufferOf(first, 1), first.length, bufferOf(second, 1), second.length)];
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
      return concatenateBinary(first, second, offsetByteWidth(type) ?? 4);
    case 'utf8-view':
    case 'binary-view':
      return concatenateViews(first, second);
    default:
      return null;
  }
}

function bufferOf(array: ArrayData, index: number): Uint8Array {
  return array.buffers[index] ?? new Uint8Array(0);
}

function join(head: Uint8Array, tail: Uint8Array): Uint8Array {
  // Never of length 0 and with a byte to spare, as bitmaps need it.
  const joined = new Uint8Array(head.byteLength + tail.byteLength + 8);
  joined.set(head);
  joined.set(tail, head.byteLength);
  return joined;
}

function concatenateValidity(first: ArrayData, second: ArrayData): Uint8Array {
  return concatenateBits(first.buffers[0] ?? null, first.length, second.buffers[0] ?? null, second.length);
}

/** Joins bitmaps; an absent one stands for all ones. */
function concatenateBits(
  first: Uint8Array | null,
  firstLength: number,
  second: Uint8Array | null,
  secondLength: number,
): Uint8Array {
  const joined = new Uint8Array(Math.ceil((firstLength + secondLength) / 8) + 8);
  if (first === null) joined.fill(255, 0, Math.ceil(firstLength / 8));
  else joined.set(first.subarray(0, Math.ceil(firstLength / 8)));
  for (let index = 0; index < secondLength; index++) {
    const bit = firstLength + index;
    const mask = 1 << (bit & 7);
    const byte = joined[bit >>> 3] as number;
    joined[bit >>> 3] = isValid(second, index) ? byte | mask : byte & ~mask;
  }
  return joined;
}

function concatenateBinary(first: ArrayData, second: ArrayData, offsetBytes: 4 | 8): Uint8Array[] {
  const offsets = new Uint8Array((first.length + second.length + 1) * offsetBytes);
  const view = new DataView(offsets.buffer);
  const pieces: Uint8Array[] = [];
  let row = 0;
  let end = 0;
  for (const array of [first, second]) {
    const source = bufferOf(array, 1);
    const start = offsetAt(source, 0, offsetBytes);
    const shift = end - start;
    for (let index = 0; index < array.length; index++) {
      end = offsetAt(source, index + 1, offsetBytes) + shift;
      row += 1;
      writeOffset(view, row, end, offsetBytes);
    }
    pieces.push(bufferOf(array, 2).subarray(start, start + end - (start + shift)));
  }
  if (offsetBytes === 4 && end > 2 ** 31 - 1) {
    throw malformed('the values of its dictionary are too long for 32-bit offsets.', first.field.name);
  }
  const [head, tail] = pieces as [Uint8Array, Uint8Array];
  return [offsets, join(head, tail)];
}

function writeOffset(view: DataView, row: number, offset: number, offsetBytes: 4 | 8): void {
  view.setUint32(row * offsetBytes, offset % 4294967296, true);
  if (offsetBytes === 8) view.setUint32(row * 8 + 4, Math.floor(offset / 4294967296), true);
}

function concatenateViews(first: ArrayData, second: ArrayData): Uint8Array[] {
  const head = bufferOf(first, 1).subarray(0, first.length * 16);
  const views = join(head, bufferOf(second, 1).subarray(0, second.length * 16));
  const firstData = dataOf(first);
  const words = new Int32Array(views.buffer, 0, (first.length + second.length) * 4);
  for (let index = first.length; index < first.length + second.length; index++) {
    const size = words[4 * index] as number;
    if (size > 12) words[4 * index + 2] = (words[4 * index + 2] as number) + firstData.length;
  }
  return [views, ...firstData, ...dataOf(second)];
}

function dataOf(array: ArrayData): Uint8Array[] {
  return array.buffers.slice(2).map((buffer) => buffer ?? new Uint8Array(0));
}
