import type { ArrayData } from '../../core/array-data.ts';
import type { ArrowField } from '../../core/schema.ts';

/** What is looked at of a column: runs of neighbours in several places. */
const RUNS = 4;
const RUN_VALUES = 512;
/** Values that Parquet packs with one number of bits. */
const BLOCK_VALUES = 64;
/** Up to here the worker gives a column a dictionary. */
const DICTIONARY_BYTES = 256 * 1024;
const HIGH_WORD = 2 ** 32;
/** Decimals of up to so many digits are 64-bit integers in Parquet. */
const LONG_DIGITS = 18;

/**
 * The names of those columns whose integers take clearly fewer bits as packed differences to their neighbours than
 * plainly or in a dictionary, by a sample of the batch: keys that count up, times, numbers of few digits. Parquet calls
 * that DELTA_BINARY_PACKED; it is written and read faster as well.
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/
 */
export function findPackedColumns(columns: readonly ArrayData[]): readonly string[] {
  return columns.filter(isWorthPacking).map(({ field }) => field.name);
}

/** How the integers of a column stand in memory. */
interface IntegerLayout {
  readonly bits: 8 | 16 | 32 | 64;
  readonly isSigned: boolean;
  /** From one to the next. */
  readonly strideBytes: number;
}

/** Null where the values of a type are no integers in Parquet. */
function findLayout({ type, dictionary }: ArrowField): IntegerLayout | null {
  if (dictionary !== null) return null;
  if (type.kind === 'timestamp') return { bits: 64, isSigned: true, strideBytes: 8 };
  if (type.kind === 'date' && type.unit === 'day') return { bits: 32, isSigned: true, strideBytes: 4 };
  if (type.kind === 'decimal' && type.precision <= LONG_DIGITS) {
    return { bits: type.bitWidth === 32 ? 32 : 64, isSigned: true, strideBytes: type.bitWidth / 8 };
  }
  if (type.kind !== 'int' || (type.bitWidth === 64 && !type.signed)) return null;
  return { bits: type.bitWidth, isSigned: type.signed, strideBytes: type.bitWidth / 8 };
}

function isWorthPacking(array: ArrayData): boolean {
  const layout = findLayout(array.field);
  if (layout === null || array.length < RUNS * RUN_VALUES) return false;
  const runs = readRuns(array, layout).filter((run) => run.length > 1);
  const differences = runs.reduce((sum, run) => sum + run.length - 1, 0);
  if (differences < (RUNS * RUN_VALUES) / 4) return false;
  const packedBits = runs.reduce((sum, run) => sum + packedSize(run), 0) / differences;
  const storedBits = layout.bits === 64 ? 64 : 32;
  const kinds = estimateKinds(runs);
  if (kinds * (storedBits / 8) <= DICTIONARY_BYTES) return packedBits < Math.ceil(Math.log2(kinds));
  return packedBits <= storedBits * (7 / 8);
}

/** Values of places that are evenly apart, without nulls. Those of 64 bits lose digits, which does not matter here. */
function readRuns(array: ArrayData, layout: IntegerLayout): number[][] {
  const [validity, data] = array.buffers;
  if (!data) return [];
  const valueAt = reader(data, layout);
  const apart = (array.length - RUN_VALUES) / (RUNS - 1);
  return Array.from({ length: RUNS }, (_, number) => {
    const values = [];
    const start = Math.floor(number * apart);
    for (let index = start; index < start + RUN_VALUES; index++) {
      if (validity && ((validity[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
      values.push(valueAt(index));
    }
    return values;
  });
}

function reader(data: Uint8Array, { bits, isSigned, strideBytes }: IntegerLayout): (index: number) => number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (bits) {
    case 64:
      return (index) =>
        view.getInt32(index * strideBytes + 4, true) * HIGH_WORD + view.getUint32(index * strideBytes, true);
    case 32:
      return isSigned
        ? (index) => view.getInt32(index * strideBytes, true)
        : (index) => view.getUint32(index * strideBytes, true);
    case 16:
      return isSigned
        ? (index) => view.getInt16(index * 2, true)
        : (index) => view.getUint16(index * 2, true);
    case 8:
      return isSigned ? (index) => view.getInt8(index) : (index) => view.getUint8(index);
  }
}

/** Bits of the packed differences between neighbours. */
function packedSize(run: readonly number[]): number {
  const differences = run.slice(1).map((value, index) => value - (run[index] ?? 0));
  let bits = 0;
  for (let start = 0; start < differences.length; start += BLOCK_VALUES) {
    const block = differences.slice(start, start + BLOCK_VALUES);
    const range = Math.max(...block) - Math.min(...block);
    bits += block.length * Math.ceil(Math.log2(range + 1));
  }
  return bits;
}

/** How many different values the column has, judged by how many its parts have in common; infinite where that is none. */
function estimateKinds(runs: readonly number[][]): number {
  const distinct = runs.map((run) => new Set(run));
  const seen = distinct.reduce((sum, { size }) => sum + size, 0);
  const kinds = new Set(runs.flat()).size;
  const common = seen - kinds;
  if (common * 2 >= seen) return kinds;
  // As with birthdays: among so many pairs of values from different runs so many are equal.
  return (seen * seen * (1 - 1 / runs.length)) / 2 / common;
}
