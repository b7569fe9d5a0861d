import { ArrowportError } from '../../../errors.ts';
import type { ValueSize } from './value-size.ts';

/** Copies of the rows' values in one value that need no look while the statement runs. */
const maxCopies = 16;
/** The same of values that were gathered from many rows. */
const maxGatheredCopies = 4;
/** Bytes of the statement's own texts in a value of each row, and in one value for all. */
const maxRowBytes = 4096;
const maxConstantBytes = 65_536;
/** Values that bounded calls make, in one value. */
const maxMade = 4;
/** Rows that DuckDB hands to a function at once. */
const rowsAtOnce = 2048;
const leastValueBytes = 64;

/** Bytes that one value may have where so many calls together make `maxCallBytes` of as many rows as they are handed. */
export function valueShare(maxCallBytes: number, calls: number): number {
  return Math.max(leastValueBytes, Math.floor(maxCallBytes / rowsAtOnce / Math.max(1, calls)));
}

/** Whether the statement's own texts in a value are few enough. */
export function fitsText({ copies, made, elements, bytes }: ValueSize): boolean {
  return bytes <= (copies + made + elements > 0 ? maxRowBytes : maxConstantBytes);
}

/** What says that `call` puts more of the statement's own texts into a value than {@link fitsText} allows. */
export function textTooLarge(call: string): ArrowportError {
  return new ArrowportError(
    'RESULT_TOO_LARGE',
    `${call} into the values of each row (query.max_call_bytes).`,
    {
      details: { limit: 'query.max_call_bytes' },
    },
  );
}

/** Whether a value of this size needs no look while the statement runs. */
export function fitsOneValue(size: ValueSize): boolean {
  const { copies, elements, made, gathered } = size;
  return copies + elements <= (gathered ? maxGatheredCopies : maxCopies) && made <= maxMade && fitsText(size);
}

/** Whether a call goes through a list that may be long. */
export function searchesLong(name: string, sizes: readonly ValueSize[]): boolean {
  if (!/^(list_|array_|len$|contains$|unnest$|flatten$|string_split|str_split)/.test(name)) return false;
  return sizes.some((size) => size.elements === 0 && (size.gathered || size.made > 0));
}
