import { readCell } from '../../arrow/cell-values.ts';
import { createRowWriter, type RowWriter, type TextForm } from '../../arrow/column-text.ts';
import type { ArrayData } from '../../core/array-data.ts';

/** Writes the values of a column: by its Arrow type, but for types of DuckDB's that Arrow has no like of. */
export function createCellWriter(
  column: ArrayData,
  columnType: string | undefined,
  form: TextForm,
): RowWriter {
  const write = createRowWriter(column, form);
  const special = columnType === undefined ? undefined : readers.get(columnType);
  if (special === undefined) return write;
  return (row) => {
    const cell = readCell(column, row);
    const text = cell === null ? null : special(cell);
    if (text === null) return write(row);
    return form === 'json' && columnType === 'BIT' ? JSON.stringify(text) : text;
  };
}

type Cell = ReturnType<typeof readCell>;

/** The texts of such values; null for a value that is not stored as expected. */
const readers: ReadonlyMap<string, (cell: Cell) => string | null> = new Map([
  ['BIT', (cell) => (cell instanceof Uint8Array && cell.byteLength > 1 ? bitText(cell) : null)],
  ['BIGNUM', (cell) => (cell instanceof Uint8Array && cell.byteLength > 3 ? bignumText(cell) : null)],
  ['UHUGEINT', (cell) => (typeof cell === 'bigint' ? String(BigInt.asUintN(128, cell)) : null)],
]);

/** The first byte counts the bits at the start of the second that are none. */
function bitText([padding = 0, ...bytes]: Uint8Array): string {
  return bytes
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(padding);
}

const BIGNUM_HEADER_BYTES = 3;

/** Three bytes of sign and length, then the magnitude, the highest byte first; all are complemented below zero. */
function bignumText(bytes: Uint8Array): string {
  const isNegative = ((bytes[0] ?? 0) & 0x80) === 0;
  const digits = Buffer.from(bytes.subarray(BIGNUM_HEADER_BYTES).map((byte) => (isNegative ? ~byte : byte)));
  const magnitude = BigInt(`0x${digits.toString('hex')}`);
  return String(isNegative ? -magnitude : magnitude);
}
