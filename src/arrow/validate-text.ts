import { isAscii, isUtf8 } from 'node:buffer';
import { isValid } from './validate-bits.ts';
import { offsetAt } from './validate-offsets.ts';

/**
 * Whether every valid slot of a string array is UTF-8; what stands under null does not count. Offsets must have been
 * checked. Honest data costs one pass of native code over the bytes.
 */
export function isTextArray(
  offsets: Uint8Array,
  data: Uint8Array,
  validity: Uint8Array | null,
  length: number,
  offsetBytes: 4 | 8,
): boolean {
  if (length === 0) return true;
  const first = offsetAt(offsets, 0, offsetBytes);
  const last = offsetAt(offsets, length, offsetBytes);
  const range = data.subarray(first, last);
  if (isAscii(range)) return true;
  if (isUtf8(range) && areBoundaries(offsets, data, length, offsetBytes, last)) return true;
  for (let index = 0; index < length; index++) {
    if (!isValid(validity, index)) continue;
    const start = offsetAt(offsets, index, offsetBytes);
    const end = offsetAt(offsets, index + 1, offsetBytes);
    if (!isUtf8(data.subarray(start, end))) return false;
  }
  return true;
}

/** Whether no offset points into the middle of a character. */
function areBoundaries(
  offsets: Uint8Array,
  data: Uint8Array,
  length: number,
  offsetBytes: 4 | 8,
  end: number,
): boolean {
  const step = offsetBytes >> 2;
  const words = new Int32Array(offsets.buffer, offsets.byteOffset, (length + 1) * step);
  for (let index = 0; index < length; index++) {
    let offset = (words[index * step] as number) >>> 0;
    if (step === 2) offset += (words[index * 2 + 1] as number) * 4294967296;
    if (offset < end && isContinuation(data[offset] as number)) return false;
  }
  return true;
}

/** Whether a byte continues a UTF-8 character. */
export function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
