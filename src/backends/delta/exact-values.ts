import type { ArrayData } from '../../core/array-data.ts';
import { type ArrowField, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

const DAY_MS = 86_400_000n;
const MAX_DAYS = 2n ** 31n;
const MAX_MICROSECONDS = 2n ** 63n - 1n;
const PER_SECOND = { second: 1_000_000n, millisecond: 1000n } as const;

/**
 * Refuses values that Delta's type of their column cannot hold exactly: dates in milliseconds that are no whole days,
 * and times that microseconds since 1970 have no room for. Throws TYPE_UNSUPPORTED naming column, type and value.
 */
export function refuseInexact(arrays: readonly ArrayData[]): void {
  for (const array of arrays) check(array, array.field.name);
}

function check(array: ArrayData, path: string): void {
  const { field, dictionary, children } = array;
  if (dictionary !== null) {
    check(dictionary, path);
    return;
  }
  const isExact = findRule(field);
  if (isExact !== null) checkValues(array, path, isExact);
  for (const child of children) check(child, `${path}.${child.field.name}`);
}

function findRule({ type }: ArrowField): ((value: bigint) => boolean) | null {
  if (type.kind === 'date' && type.unit === 'millisecond') {
    return (value) => value % DAY_MS === 0n && value / DAY_MS < MAX_DAYS && value / DAY_MS >= -MAX_DAYS;
  }
  if (type.kind !== 'timestamp' || type.unit === 'microsecond' || type.unit === 'nanosecond') return null;
  const most = MAX_MICROSECONDS / PER_SECOND[type.unit];
  return (value) => value <= most && value >= -most;
}

function checkValues(array: ArrayData, path: string, isExact: (value: bigint) => boolean): void {
  const [validity, data] = array.buffers;
  if (data === undefined || data === null || array.length === 0) return;
  const values = new BigInt64Array(data.buffer, data.byteOffset, array.length);
  for (let index = 0; index < array.length; index++) {
    if (validity && ((validity[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
    const value = values[index] ?? 0n;
    if (isExact(value)) continue;
    throw new ArrowportError(
      'TYPE_UNSUPPORTED',
      `Delta cannot hold column ${JSON.stringify(path)} of type ${describeType(array.field)} exactly: row ${index} of a batch has ${value}. Cast it to timestamp[us] within its range.`,
      { details: { column: path } },
    );
  }
}
