import type { ArrayData } from '../core/array-data.ts';
import type { ArrowType, TimeUnit } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import { type Cell, type IntervalCell, readCell } from './cell-values.ts';

const perSecond: Record<TimeUnit, bigint> = {
  second: 1n,
  millisecond: 1_000n,
  microsecond: 1_000_000n,
  nanosecond: 1_000_000_000n,
};
/** Characters of the longest list or map: about a second of work. */
const maxNestedCharacters = 16 * 1024 * 1024;
const secondsPerDay = 86_400n;

/**
 * The value in a row as JSON: numbers with all their digits (also 64-bit integers and decimals), NaN and infinities as
 * text, dates and times by ISO 8601 (intervals too), timestamps with a time zone in UTC, binary as base64, maps as
 * objects of their keys' text. Throws RESULT_TOO_LARGE for lists and maps that take long to write.
 */
export function toJson(array: ArrayData, row: number): string {
  return cellToJson(array, readCell(array, row));
}

/**
 * The value in a row as a field of CSV: NULL is empty, an empty text is `""`; timestamps have a space between date and
 * time, nested values are JSON. Throws RESULT_TOO_LARGE as `toJson`.
 */
export function toCsv(array: ArrayData, row: number): string {
  const cell = readCell(array, row);
  if (cell === null) return '';
  if (typeof cell === 'string') return quoteCsv(cell);
  if (typeof cell === 'boolean') return String(cell);
  if (typeof cell === 'number' || typeof cell === 'bigint') {
    return scalarText(array.field.type, cell, ' ');
  }
  if (cell instanceof Uint8Array) return quoteCsv(base64(cell));
  if (cell.kind === 'interval') return intervalText(cell);
  return quoteCsv(cellToJson(array, cell));
}

/** A text as a field of CSV, in quotes where it needs them. */
export function quoteCsv(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function cellToJson(array: ArrayData, cell: Cell): string {
  if (cell === null) return 'null';
  if (typeof cell === 'string') return JSON.stringify(cell);
  if (typeof cell === 'boolean') return String(cell);
  if (typeof cell === 'number' || typeof cell === 'bigint') {
    const text = scalarText(array.field.type, cell, 'T');
    return isJsonNumber(array.field.type, cell) ? text : JSON.stringify(text);
  }
  if (cell instanceof Uint8Array) return JSON.stringify(base64(cell));
  if (cell.kind === 'interval') return JSON.stringify(intervalText(cell));
  if (cell.kind === 'struct') {
    const members = cell.arrays.map(
      (member) => `${JSON.stringify(member.field.name)}:${toJson(member, cell.row)}`,
    );
    return `{${members.join(',')}}`;
  }
  if (array.field.type.kind === 'map') return mapToJson(cell.array, cell);
  return `[${joinRows(cell, (row) => toJson(cell.array, row))}]`;
}

interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Nothing else runs while a value is written. */
function joinRows({ from, to }: RowRange, write: (row: number) => string): string {
  let text = '';
  for (let row = from; row < to; row += 1) {
    text += row === from ? write(row) : `,${write(row)}`;
    if (text.length > maxNestedCharacters) throw nestedTooLarge();
  }
  return text;
}

function nestedTooLarge(): ArrowportError {
  return new ArrowportError(
    'RESULT_TOO_LARGE',
    `A list or map takes more than ${maxNestedCharacters} characters as text: ask for Arrow or Parquet.`,
  );
}

function mapToJson(entries: ArrayData, rows: RowRange): string {
  const [keys, values] = entries.children;
  if (keys === undefined || values === undefined) return '{}';
  const members = joinRows(rows, (row) => {
    const key = toJson(keys, row);
    return `${key.startsWith('"') ? key : JSON.stringify(key)}:${toJson(values, row)}`;
  });
  return `{${members}}`;
}

/** The members of a union are read as values of their own, whose type is not at hand: numbers are numbers then. */
function isJsonNumber(type: ArrowType, value: number | bigint): boolean {
  if (typeof value === 'number' && !Number.isFinite(value)) return false;
  return type.kind === 'int' || type.kind === 'float' || type.kind === 'decimal' || type.kind === 'union';
}

function scalarText(type: ArrowType, value: number | bigint, separator: 'T' | ' '): string {
  switch (type.kind) {
    case 'decimal':
      return decimalText(BigInt(value), type.scale);
    case 'date':
      return dateText(type.unit === 'day' ? BigInt(value) : floorDivide(BigInt(value), 86_400_000n));
    case 'time':
      return timeText(BigInt(value), type.unit);
    case 'timestamp':
      return timestampText(BigInt(value), type.unit, separator, type.timezone !== null);
    case 'duration':
      return intervalText({
        kind: 'interval',
        months: 0,
        days: 0,
        nanoseconds: (BigInt(value) * perSecond.nanosecond) / perSecond[type.unit],
      });
    case 'float':
      return floatText(Number(value), type.bitWidth);
    default:
      return String(value);
  }
}

/** The shortest number that reads back as the same value, its sign of zero too. */
function floatText(value: number, bitWidth: number): string {
  if (Object.is(value, -0)) return '-0.0';
  if (bitWidth !== 32 || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Days of the largest and smallest dates that JavaScript's calendar knows. */
const calendarDays = 100_000_000n;

function dateText(days: bigint): string {
  if (days > calendarDays) return 'infinity';
  if (days < -calendarDays) return '-infinity';
  return new Date(Number(days) * 86_400_000).toISOString().slice(0, -14);
}

function timestampText(ticks: bigint, unit: TimeUnit, separator: string, zoned: boolean): string {
  const day = perSecond[unit] * secondsPerDay;
  const days = floorDivide(ticks, day);
  const date = dateText(days);
  if (date.endsWith('infinity')) return date;
  return `${date}${separator}${timeText(ticks - days * day, unit)}${zoned ? 'Z' : ''}`;
}

function timeText(ticks: bigint, unit: TimeUnit): string {
  const seconds = ticks / perSecond[unit];
  const two = (value: bigint) => String(value).padStart(2, '0');
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  return `${clock}${fraction(ticks % perSecond[unit], perSecond[unit])}`;
}

/** Without the zeros at its end; empty for none. */
function fraction(part: bigint, whole: bigint): string {
  if (part === 0n) return '';
  const digits = String(part).padStart(String(whole).length - 1, '0');
  return `.${digits.replace(/0+$/, '')}`;
}

function intervalText({ months, days, nanoseconds }: IntervalCell): string {
  const second = perSecond.nanosecond;
  const sign = nanoseconds < 0n ? '-' : '';
  const rest = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const time = [
    [rest / (3600n * second), 'H', ''],
    [(rest / (60n * second)) % 60n, 'M', ''],
    [(rest / second) % 60n, 'S', fraction(rest % second, second)],
  ] as const;
  const date = `${part(Math.trunc(months / 12), 'Y')}${part(months % 12, 'M')}${part(days, 'D')}`;
  const clock = time
    .map(([value, mark, digits]) => (value === 0n && digits === '' ? '' : `${sign}${value}${digits}${mark}`))
    .join('');
  if (date === '' && clock === '') return 'PT0S';
  return `P${date}${clock === '' ? '' : `T${clock}`}`;
}

function part(value: number, mark: string): string {
  return value === 0 ? '' : `${value}${mark}`;
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
