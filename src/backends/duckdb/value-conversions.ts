import type { ArrayData } from '../../core/array-data.ts';

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
