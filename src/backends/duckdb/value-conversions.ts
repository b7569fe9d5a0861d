import { createArrayGatherer } from '../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../core/array-data.ts';

/** Nulls of no type as texts that are all null. */
export function nullsToTexts(array: ArrayData): ArrayData {
  const validity = new Uint8Array((array.length >> 3) + 8);
  const offsets = new Uint8Array((array.length + 1) * 4);
  return { ...array, nullCount: array.length, buffers: [validity, offsets, new Uint8Array(8)] };
}

/** Half floats as floats of 32 bits, which hold each of them exactly. */
export function halvesToFloats(array: ArrayData): ArrayData {
  const bytes = array.buffers[1] ?? new Uint8Array(0);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, array.length);
  const floats = new Float32Array(Math.max(array.length, 2));
  for (let row = 0; row < array.length; row += 1) floats[row] = halfToNumber(halves[row] ?? 0);
  return { ...array, buffers: [array.buffers[0] ?? null, new Uint8Array(floats.buffer)] };
}

/** @see https://en.wikipedia.org/wiki/Half-precision_floating-point_format */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** 256-bit decimals as 128-bit ones; the values must have been found to fit. */
export function narrowDecimals(array: ArrayData): ArrayData {
  const wide = array.buffers[1] ?? new Uint8Array(0);
  const narrow = new Uint8Array(Math.max(array.length * 16, 16));
  for (let row = 0; row < array.length; row += 1) {
    narrow.set(wide.subarray(row * 32, row * 32 + 16), row * 16);
  }
  return { ...array, buffers: [array.buffers[0] ?? null, narrow] };
}

/** Months, or days and milliseconds, as months, days and nanoseconds: the one interval DuckDB reads in full range. */
export function toMonthDayNano(array: ArrayData): ArrayData {
  const bytes = array.buffers[1] ?? new Uint8Array(0);
  const source = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  const target = new Uint8Array(Math.max(array.length * 16, 16));
  const parts = new Int32Array(target.buffer);
  const nanoseconds = new BigInt64Array(target.buffer);
  const { type } = array.field;
  if (type.kind === 'interval' && type.unit === 'year-month') {
    for (let row = 0; row < array.length; row += 1) parts[row * 4] = source[row] ?? 0;
  } else {
    for (let row = 0; row < array.length; row += 1) {
      parts[row * 4 + 1] = source[row * 2] ?? 0;
      nanoseconds[row * 2 + 1] = BigInt(source[row * 2 + 1] ?? 0) * 1_000_000n;
    }
  }
  return { ...array, buffers: [array.buffers[0] ?? null, target] };
}

/** List views as lists: the values in the order of their rows, each row's behind those of the row before. */
export function viewsToLists(array: ArrayData): ArrayData {
  const [child] = array.children;
  if (child === undefined) return array;
  const wide = array.field.type.kind === 'large-list-view';
  const starts = readIntegers(array.buffers[1], wide);
  const sizes = readIntegers(array.buffers[2], wide);
  const validity = array.buffers[0] ?? null;
  const gatherer = createArrayGatherer(child.field);
  const offsets = wide ? new BigInt64Array(array.length + 1) : new Int32Array(array.length + 1);
  let end = 0;
  for (let row = 0; row < array.length; row += 1) {
    const valid = validity === null || (((validity[row >> 3] ?? 0) >> (row & 7)) & 1) === 1;
    const size = valid ? Number(sizes[row] ?? 0) : 0;
    const start = Number(starts[row] ?? 0);
    if (size > 0) gatherer.append(child, start, start + size);
    end += size;
    if (offsets instanceof BigInt64Array) offsets[row + 1] = BigInt(end);
    else offsets[row + 1] = end;
  }
  return { ...array, buffers: [validity, new Uint8Array(offsets.buffer)], children: [gatherer.take()] };
}

function readIntegers(buffer: Uint8Array | null | undefined, wide: boolean): Int32Array | BigInt64Array {
  const bytes = buffer ?? new Uint8Array(0);
  return wide
    ? new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 3)
    : new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

/** Any union as a sparse one whose type ids are its children's positions, the only kind DuckDB reads safely. */
export function toPlainUnion(array: ArrayData): ArrayData {
  const { type } = array.field;
  if (type.kind !== 'union') return array;
  const positions = new Uint8Array(128);
  type.typeIds.forEach((id, position) => {
    positions[id] = position;
  });
  const ids = array.buffers[0] ?? new Uint8Array(0);
  const tags = new Uint8Array(Math.max(array.length, 8));
  for (let row = 0; row < array.length; row += 1) tags[row] = positions[ids[row] ?? 0] ?? 0;
  const children = type.mode === 'sparse' ? array.children : spreadChildren(array, tags);
  return { ...array, buffers: [tags], children };
}

/** The children of a dense union with one slot for each row. */
function spreadChildren(array: ArrayData, tags: Uint8Array): ArrayData[] {
  const offsets = readIntegers(array.buffers[1], false);
  return array.children.map((child, position) => {
    const gatherer = createArrayGatherer(child.field);
    for (let row = 0; row < array.length; row += 1) {
      const offset = Number(offsets[row] ?? 0);
      if (tags[row] === position) gatherer.append(child, offset, offset + 1);
      else gatherer.appendNulls(1);
    }
    return gatherer.take();
  });
}
