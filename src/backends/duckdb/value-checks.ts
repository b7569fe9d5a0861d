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

/**
 * The first row whose value of 32 or 64 bits is below zero or above `limit`, or -1: DuckDB writes the text of a time that
 * is none past the end of its memory. Nulls are passed over.
 */
export function findOutsideRange(array: ArrayData, limit: number, bitWidth: 32 | 64): number {
  const { low, high } = words(array);
  const validity = array.buffers[0];
  const step = bitWidth / 32;
  for (let row = 0; row < array.length; row += 1) {
    const last = high[row * step + step - 1] ?? 0;
    const value = step === 1 ? last : last * wordFactor + (low[row * 2] ?? 0);
    if ((value < 0 || value > limit) && isValid(validity, row)) return row;
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

/**
 * The first row whose decimal has more than `precision` digits, or -1: DuckDB would keep its lower bits only. Nulls are
 * passed over.
 */
export function findLongDecimal(array: ArrayData, precision: number, bitWidth: number): number {
  const { low, high } = words(array);
  const validity = array.buffers[0];
  const wordsPerValue = bitWidth / 32;
  const limit = 10 ** precision;
  // The sum of words is rounded where it is large: only what is near the limit is looked at exactly.
  const surelyInside = limit * (1 - 1e-12);
  for (let row = 0; row < array.length; row += 1) {
    const first = row * wordsPerValue;
    let value = high[first + wordsPerValue - 1] ?? 0;
    for (let word = wordsPerValue - 2; word >= 0; word -= 1)
      value = value * wordFactor + (low[first + word] ?? 0);
    if (value < surelyInside && value > -surelyInside) continue;
    if (isValid(validity, row) && hasMoreDigits(low.subarray(first, first + wordsPerValue), precision))
      return row;
  }
  return -1;
}

function hasMoreDigits(value: Uint32Array, precision: number): boolean {
  let exact = 0n;
  for (const word of value.toReversed()) exact = (exact << 32n) | BigInt(word);
  exact = BigInt.asIntN(value.length * 32, exact);
  const limit = 10n ** BigInt(precision);
  return exact >= limit || exact <= -limit;
}
