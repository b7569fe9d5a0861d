import type { ArrayData } from '../core/array-data.ts';
import { fixedByteWidth, offsetByteWidth } from './array-layout.ts';
import { isValid } from './validate-bits.ts';
import { offsetAt } from './validate-offsets.ts';

const longestValues = new WeakMap<ArrayData, number>();

/**
 * An upper bound of the bytes that one value of a checked array stands for once dictionaries, runs and views are
 * written out. Remembered for each array.
 */
export function longestValueBytes(array: ArrayData): number {
  const known = longestValues.get(array);
  if (known !== undefined) return known;
  const bytes = computeLongest(array);
  longestValues.set(array, bytes);
  return bytes;
}

/** Says what {@link longestValueBytes} will answer for an array, where that is known already. */
export function rememberLongestValueBytes(array: ArrayData, bytes: number): void {
  longestValues.set(array, bytes);
}

/** Bytes that `count` values stand for: exact for strings and binary, and for one view; else an upper bound. */
export function rangeBytes(array: ArrayData, start: number, count: number): number {
  const { type } = array.field;
  const buffer = array.buffers[1] ?? null;
  if (array.dictionary !== null || buffer === null) return count * longestValueBytes(array);
  switch (type.kind) {
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary': {
      const width = offsetByteWidth(type) ?? 4;
      return offsetAt(buffer, start + count, width) - offsetAt(buffer, start, width);
    }
    case 'utf8-view':
    case 'binary-view':
      if (count !== 1) return count * longestValueBytes(array);
      return isValid(array.buffers[0] ?? null, start) ? offsetAt(buffer, start * 4, 4) : 0;
    default:
      return count * longestValueBytes(array);
  }
}

function computeLongest(array: ArrayData): number {
  const { type } = array.field;
  const [first, second] = array.children;
  if (array.dictionary !== null) return longestValueBytes(array.dictionary);
  switch (type.kind) {
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
    case 'utf8-view':
    case 'binary-view':
      return longestOf(array);
    case 'list':
    case 'large-list':
    case 'map':
    case 'list-view':
    case 'large-list-view':
      return first === undefined ? 0 : longestList(array) * (1 + longestValueBytes(first));
    case 'fixed-size-list':
      return first === undefined ? 0 : type.listSize * longestValueBytes(first);
    case 'struct':
      return array.children.reduce((sum, child) => sum + longestValueBytes(child), 0);
    case 'union':
      return array.children.reduce((most, child) => Math.max(most, longestValueBytes(child)), 0);
    case 'run-end-encoded':
      return second === undefined ? 0 : longestValueBytes(second);
    default:
      return fixedByteWidth(type) ?? 1;
  }
}

function longestOf(array: ArrayData): number {
  let longest = 0;
  for (let index = 0; index < array.length; index++) {
    const bytes = rangeBytes(array, index, 1);
    if (bytes > longest) longest = bytes;
  }
  return longest;
}

function longestList(array: ArrayData): number {
  const { kind } = array.field.type;
  const width = offsetByteWidth(array.field.type) ?? 4;
  const offsets = array.buffers[1] ?? null;
  const sizes = array.buffers[2] ?? null;
  if (offsets === null) return 0;
  let longest = 0;
  for (let index = 0; index < array.length; index++) {
    const count =
      kind === 'list-view' || kind === 'large-list-view'
        ? offsetAt(sizes ?? offsets, index, width)
        : offsetAt(offsets, index + 1, width) - offsetAt(offsets, index, width);
    if (count > longest) longest = count;
  }
  return longest;
}

/** Bytes that each valid slot of a dictionary-encoded array stands for. */
export function* indexedBytes(
  indices: Uint8Array,
  validity: Uint8Array | null,
  length: number,
  bitWidth: 8 | 16 | 32 | 64,
  values: ArrayData,
): Generator<number> {
  const view = new DataView(indices.buffer, indices.byteOffset, indices.byteLength);
  for (let slot = 0; slot < length; slot++) {
    if (!isValid(validity, slot)) continue;
    let index: number;
    if (bitWidth === 8) index = view.getUint8(slot);
    else if (bitWidth === 16) index = view.getUint16(slot * 2, true);
    else index = view.getUint32((slot * bitWidth) / 8, true);
    yield rangeBytes(values, index, 1);
  }
}

/** Bytes that each slot of a dense union stands for. */
export function* memberBytes(
  typeIds: Uint8Array,
  offsets: Uint8Array,
  length: number,
  members: ReadonlyMap<number, ArrayData>,
): Generator<number> {
  for (let slot = 0; slot < length; slot++) {
    const member = members.get(typeIds[slot] as number);
    if (member !== undefined) yield rangeBytes(member, offsetAt(offsets, slot, 4), 1);
  }
}

/** Bytes that each list of a list view stands for. */
export function* listBytes(
  offsets: Uint8Array,
  sizes: Uint8Array,
  length: number,
  offsetBytes: 4 | 8,
  values: ArrayData,
): Generator<number> {
  for (let slot = 0; slot < length; slot++) {
    const count = offsetAt(sizes, slot, offsetBytes);
    if (count > 0) yield rangeBytes(values, offsetAt(offsets, slot, offsetBytes), count);
  }
}

/** Bytes that each run stands for. */
export function* runBytes(
  runEnds: Uint8Array,
  runCount: number,
  byteWidth: 2 | 4 | 8,
  length: number,
  values: ArrayData,
): Generator<number> {
  const view = new DataView(runEnds.buffer, runEnds.byteOffset, runEnds.byteLength);
  let start = 0;
  for (let run = 0; run < runCount && start < length; run++) {
    const end = byteWidth === 2 ? view.getInt16(run * 2, true) : offsetAt(runEnds, run, byteWidth);
    yield (Math.min(end, length) - start) * rangeBytes(values, run, 1);
    start = end;
  }
}
