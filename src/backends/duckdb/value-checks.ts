import type { ArrayData } from '../../core/array-data.ts';

const wordFactor = 2 ** 32;

/** The buffer's 64-bit values as pairs of 32-bit words, low word first. */
function words(array: ArrayData): { low: Uint32Array; high: Int32Array } {
  const bytes = array.buffers[1] ?? new Uint8Array(0);
  const count = bytes.byteLength >> 2;
  return {
    low: new Uint32Array(bytes.buffer, bytes.byteOffset, count),
    high: new Int32Array(bytes.buffer, bytes.byteOffset, count),
  };
}

function isValid(bits: Uint8Array | null | undefined, index: number): boolean {
  return bits === null || bits === undefined || (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/**
 * The first row whose 64-bit value is no multiple of `divisor` (at most 2^20), or -1. `stride` and `at` name which
 * 64-bit word of wider values is meant. Nulls are passed over.
 */
export function findNonMultiple(array: ArrayData, divisor: number, stride = 1, at = 0): number {
  const { low, high } = words(array);
  const validity = array.buffers[0];
  const carry = wordFactor % divisor;
  for (let row = 0; row < array.length; row += 1) {
    const word = (row * stride + at) * 2;
    const remainder = (((high[word + 1] ?? 0) % divisor) * carry + (low[word] ?? 0)) % divisor;
    if (remainder !== 0 && isValid(validity, row)) return row;
  }
  return -1;
}

/** The first row whose 64-bit value is outside -limit..limit, or -1. Nulls are passed over. */
export function findOutside(array: ArrayData, limit: number): number {
  const { low, high } = words(array);
  const validity = array.buffers[0];
  for (let row = 0; row < array.length; row += 1) {
    const value = (high[row * 2 + 1] ?? 0) * wordFactor + (low[row * 2] ?? 0);
    if ((value > limit || value < -limit) && isValid(validity, row)) return row;
  }
  return -1;
}

/** The first row whose 64-bit value is no whole multiple of `divisor`, which may be large, or -1. */
export function findInexactQuotient(array: ArrayData, divisor: number): number {
  const { low, high } = words(array);
  const validity = array.buffers[0];
  for (let row = 0; row < array.length; row += 1) {
    const value = (high[row * 2 + 1] ?? 0) * wordFactor + (low[row * 2] ?? 0);
    if ((!Number.isSafeInteger(value) || value % divisor !== 0) && isValid(validity, row)) return row;
  }
  return -1;
}

/** The first row whose 256-bit value does not fit 128 bits, or -1. Nulls are passed over. */
export function findWideDecimal(array: ArrayData): number {
  const { high } = words(array);
  const validity = array.buffers[0];
  for (let row = 0; row < array.length; row += 1) {
    const sign = (high[row * 8 + 3] ?? 0) >> 31;
    for (let word = 4; word < 8; word += 1) {
      if (high[row * 8 + word] !== sign && isValid(validity, row)) return row;
    }
  }
  return -1;
}
