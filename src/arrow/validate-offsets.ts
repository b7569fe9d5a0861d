const WORD = 4294967296;

/**
 * Whether `length + 1` 32-bit offsets start at 0 or above, never fall, and end within `limit`.
 * The buffer must hold them and be aligned.
 */
export function areOffsets32(buffer: Uint8Array, length: number, limit: number): boolean {
  const offsets = new Int32Array(buffer.buffer, buffer.byteOffset, length + 1);
  let previous = 0;
  for (let index = 0; index <= length; index++) {
    const offset = offsets[index] as number;
    if (offset < previous) return false;
    previous = offset;
  }
  return previous <= limit;
}

/** {@link areOffsets32} for 64-bit offsets. */
export function areOffsets64(buffer: Uint8Array, length: number, limit: number): boolean {
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, 2 * (length + 1));
  let previous = 0;
  for (let index = 0; index <= length; index++) {
    const offset = (words[2 * index + 1] as number) * WORD + ((words[2 * index] as number) >>> 0);
    if (offset < previous) return false;
    previous = offset;
  }
  return previous <= limit;
}

/** Offset `index` of a checked offsets buffer with offsets of 4 or 8 bytes. */
export function offsetAt(buffer: Uint8Array, index: number, offsetBytes: 4 | 8): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const low = view.getUint32(index * offsetBytes, true);
  return offsetBytes === 4 ? low : view.getInt32(index * 8 + 4, true) * WORD + low;
}

/**
 * The sum of the sizes of a list view whose every slice lies within `limit`; -1 when one does not.
 * Both buffers must hold `length` integers of `offsetBytes` bytes.
 */
export function sumListViews(
  offsets: Uint8Array,
  sizes: Uint8Array,
  length: number,
  offsetBytes: 4 | 8,
  limit: number,
): number {
  const step = offsetBytes >> 2;
  const starts = new Int32Array(offsets.buffer, offsets.byteOffset, length * step);
  const counts = new Int32Array(sizes.buffer, sizes.byteOffset, length * step);
  let total = 0;
  for (let index = 0; index < length; index++) {
    let start = starts[index * step] as number;
    let count = counts[index * step] as number;
    if (step === 2) {
      start = (starts[index * 2 + 1] as number) * WORD + (start >>> 0);
      count = (counts[index * 2 + 1] as number) * WORD + (count >>> 0);
    }
    if (start < 0 || count < 0 || start + count > limit) return -1;
    total += count;
  }
  return total;
}

/**
 * Whether run ends of `byteWidth` bytes are positive, rise strictly and reach `logicalLength`.
 */
export function areRunEnds(
  buffer: Uint8Array,
  length: number,
  byteWidth: 2 | 4 | 8,
  logicalLength: number,
): boolean {
  if (length === 0) return logicalLength === 0;
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  let previous = 0;
  for (let index = 0; index < length; index++) {
    let end: number;
    if (byteWidth === 2) end = view.getInt16(index * 2, true);
    else if (byteWidth === 4) end = view.getInt32(index * 4, true);
    else end = view.getInt32(index * 8 + 4, true) * WORD + view.getUint32(index * 8, true);
    if (end <= previous) return false;
    previous = end;
  }
  return previous >= logicalLength;
}
