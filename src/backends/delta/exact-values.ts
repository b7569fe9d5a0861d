import type { ArrayData } from '../../core/array-data.ts';
import { type ArrowField, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

const DAY_MS = 86_400_000n;
const DAY_US = DAY_MS * 1000n;
/** The days that delta-rs has a calendar for: it ends on others. */
export const daysOfCalendar = { first: -96_465_292, last: 95_026_236 } as const;
/** 0001-01-01 and 9999-12-31: a partition's value is a text with a year of four digits. */
const FIRST_TEXT_DAY = -719_162n;
const LAST_TEXT_DAY = 2_932_896n;
const MAX_MICROSECONDS = 2n ** 63n - 1n;
const PER_SECOND = { second: 1_000_000n, millisecond: 1000n, microsecond: 1n, nanosecond: 0n } as const;

/**
 * Refuses values that Delta's type of their column cannot hold exactly: dates in milliseconds that are no whole days,
 * days that are in no calendar, times that microseconds since 1970 have no room for; and in `partitionBy` those that have
 * no text that is read back. Throws TYPE_UNSUPPORTED naming column, type and value.
 */
export function refuseInexact(arrays: readonly ArrayData[], partitionBy: readonly string[] = []): void {
  for (const array of arrays) {
    check(array, array.field.name, findRule);
    if (partitionBy.includes(array.field.name)) check(array, array.field.name, findPartitionRule);
  }
}

type Rule = ((value: bigint) => boolean) | null;

function check(array: ArrayData, path: string, find: (field: ArrowField) => Rule): void {
  const { field, dictionary, children } = array;
  if (dictionary !== null) {
    check(dictionary, path, find);
    return;
  }
  const isExact = find(field);
  if (isExact !== null) checkValues(array, path, isExact);
  for (const child of children) check(child, `${path}.${child.field.name}`, find);
}

function findRule({ type }: ArrowField): Rule {
  if (type.kind === 'date') {
    const isDay = (day: bigint) => day >= daysOfCalendar.first && day <= daysOfCalendar.last;
    return type.unit === 'day' ? isDay : (value) => value % DAY_MS === 0n && isDay(value / DAY_MS);
  }
  if (type.kind !== 'timestamp' || type.unit === 'microsecond' || type.unit === 'nanosecond') return null;
  const most = MAX_MICROSECONDS / PER_SECOND[type.unit];
  return (value) => value <= most && value >= -most;
}

function findPartitionRule({ type }: ArrowField): Rule {
  if (type.kind === 'decimal' && type.scale > 0) return (value) => value >= 0n;
  const hasText = (day: bigint) => day >= FIRST_TEXT_DAY && day <= LAST_TEXT_DAY;
  if (type.kind === 'date') return type.unit === 'day' ? hasText : (value) => hasText(value / DAY_MS);
  if (type.kind !== 'timestamp' || type.unit === 'nanosecond') return null;
  const factor = PER_SECOND[type.unit];
  return (value) =>
    value * factor >= FIRST_TEXT_DAY * DAY_US && value * factor < (LAST_TEXT_DAY + 1n) * DAY_US;
}

function checkValues(array: ArrayData, path: string, isExact: (value: bigint) => boolean): void {
  const [validity, data] = array.buffers;
  if (data === undefined || data === null || array.length === 0) return;
  if (isUsual(array, data)) return;
  const valueAt = readValues(array.field, data);
  for (let index = 0; index < array.length; index++) {
    if (validity && ((validity[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
    const value = valueAt(index);
    if (isExact(value)) continue;
    throw new ArrowportError(
      'TYPE_UNSUPPORTED',
      `Delta cannot hold column ${JSON.stringify(path)} of type ${describeType(array.field)} exactly: row ${index} of a batch has ${value}${hint(array.field)}.`,
      { details: { column: path } },
    );
  }
}

/** Whether all values are days of a partition's years, nulls included: nothing is wrong with them, and seeing so is quick. */
function isUsual({ field: { type }, length }: ArrayData, data: Uint8Array): boolean {
  if (type.kind !== 'date' || type.unit !== 'day') return false;
  const days = new Int32Array(data.buffer, data.byteOffset, length);
  const first = Number(FIRST_TEXT_DAY);
  const last = Number(LAST_TEXT_DAY);
  return days.every((day) => day >= first && day <= last);
}

/** Values as their integers; of wide ones the highest 64 bits, which have the sign. */
function readValues({ type }: ArrowField, data: Uint8Array): (index: number) => bigint {
  const bytes =
    type.kind === 'decimal' ? type.bitWidth / 8 : type.kind === 'date' && type.unit === 'day' ? 4 : 8;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (bytes === 4) return (index) => BigInt(view.getInt32(index * 4, true));
  return (index) => view.getBigInt64((index + 1) * bytes - 8, true);
}

function hint({ type }: ArrowField): string {
  if (type.kind === 'timestamp') return '. Cast it to timestamp[us] within its range';
  return type.kind === 'decimal' ? ', and negative decimals are not read back from partitions' : '';
}
