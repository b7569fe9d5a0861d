import { isAscii, isUtf8 } from 'node:buffer';
import { isValid } from './validate-bits.ts';
import { isContinuation } from './validate-text.ts';

const INLINE_BYTES = 12;
const VIEW_BYTES = 16;

/** What is wrong with a view array, or how many bytes its values have in all. */
export type ViewCheck =
  | { readonly problem: string }
  | { readonly problem: null; readonly valueBytes: number };

/**
 * Checks every valid slot of a view array: its length, buffer, offset and prefix. What stands under null does not
 * count. The views buffer must hold `length` views and be aligned.
 */
export function checkViews(
  views: Uint8Array,
  data: readonly Uint8Array[],
  validity: Uint8Array | null,
  length: number,
): ViewCheck {
  const words = new Int32Array(views.buffer, views.byteOffset, length * 4);
  let valueBytes = 0;
  for (let index = 0; index < length; index++) {
    const size = words[4 * index] as number;
    if (size >= 0 && size <= INLINE_BYTES) {
      valueBytes += size;
      continue;
    }
    if (!isValid(validity, index)) continue;
    if (size < 0) return { problem: `the view at row ${index} has a negative length.` };
    const buffer = data[words[4 * index + 2] as number];
    const offset = words[4 * index + 3] as number;
    if (buffer === undefined || offset < 0 || offset + size > buffer.byteLength) {
      return { problem: `the view at row ${index} points outside its data.` };
    }
    const prefix =
      (buffer[offset] as number) |
      ((buffer[offset + 1] as number) << 8) |
      ((buffer[offset + 2] as number) << 16) |
      ((buffer[offset + 3] as number) << 24);
    if (prefix !== words[4 * index + 1]) return { problem: `the view at row ${index} has a wrong prefix.` };
    valueBytes += size;
  }
  return { problem: null, valueBytes };
}

/** Whether every valid slot of a checked view array is UTF-8. */
export function areTextViews(
  views: Uint8Array,
  data: readonly Uint8Array[],
  validity: Uint8Array | null,
  length: number,
): boolean {
  const words = new Int32Array(views.buffer, views.byteOffset, length * 4);
  const ascii = data.map((buffer) => isAscii(buffer));
  const whole = data.map((buffer, index) => ascii[index] === true || isUtf8(buffer));
  for (let index = 0; index < length; index++) {
    const size = words[4 * index] as number;
    if (size >= 0 && size <= INLINE_BYTES) {
      const bits =
        (words[4 * index + 1] as number) |
        (words[4 * index + 2] as number) |
        (words[4 * index + 3] as number);
      if ((bits & 0x80808080) === 0 || !isValid(validity, index)) continue;
      const start = index * VIEW_BYTES + 4;
      if (!isUtf8(views.subarray(start, start + size))) return false;
      continue;
    }
    if (!isValid(validity, index)) continue;
    const number = words[4 * index + 2] as number;
    if (ascii[number] === true) continue;
    const start = words[4 * index + 3] as number;
    if (!isTextSlice(data[number] as Uint8Array, start, start + size, whole[number] === true)) return false;
  }
  return true;
}

function isTextSlice(buffer: Uint8Array, start: number, end: number, wholeIsText: boolean): boolean {
  if (wholeIsText) {
    const endsWhole = end === buffer.byteLength || !isContinuation(buffer[end] as number);
    return endsWhole && !isContinuation(buffer[start] as number);
  }
  return isUtf8(buffer.subarray(start, end));
}
