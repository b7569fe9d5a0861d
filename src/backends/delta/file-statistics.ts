import type { ParquetBound, ParquetColumnStatistics, ParquetFile } from '../../core/parquet-writer.ts';
import { ArrowportError } from '../../errors.ts';
import { type DeltaField, type DeltaType, findDecimal } from './delta-schema.ts';
import { daysOfCalendar } from './exact-values.ts';

const namedColumnsProperty = 'delta.dataSkippingStatsColumns';
const indexedColumnsProperty = 'delta.dataSkippingNumIndexedCols';
const defaultIndexedColumns = 32;
/** Characters of a text that statistics keep. */
const mostCharacters = 32;
const lastCharacter = '\u{10ffff}';
const dayMs = 86_400_000;
/** 0001-01-01 and 9999-12-31 in milliseconds: years outside have no agreed spelling. */
const firstMs = -62_135_596_800_000;
const lastMs = 253_402_300_799_999;

/**
 * A file's statistics in Delta's JSON: rows, nulls, and bounds for the columns that the table indexes, as exact as JSON
 * can say them and never narrower than the values.
 * @see https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics
 */
export function describeStatistics(
  file: ParquetFile,
  schema: readonly DeltaField[],
  configuration: Readonly<Record<string, string>>,
): string {
  const known = new Map(file.columns.map((column) => [JSON.stringify(column.path), column]));
  const names = configuration[namedColumnsProperty];
  const named = names === undefined ? null : parsePaths(names);
  const wanted = named === null ? Number(configuration[indexedColumnsProperty] ?? defaultIndexedColumns) : -1;
  const indexed = new Indexed(known, named, wanted < 0 ? Number.POSITIVE_INFINITY : wanted);
  const { nulls, mins, maxes } = indexed.describe(schema, []);
  return `{"numRecords":${file.rows},"minValues":${mins},"maxValues":${maxes},"nullCount":${nulls}}`;
}

/** Refuses dates that are in no calendar of delta-rs, as far as a file's bounds tell. Throws TYPE_UNSUPPORTED naming the column. */
export function refuseUnknownDays(file: ParquetFile, columns: readonly DeltaField[]): void {
  for (const { path, min, max } of file.columns) {
    if (typeof min !== 'bigint' || typeof max !== 'bigint' || typeAt(columns, path) !== 'date') continue;
    if (min >= daysOfCalendar.first && max <= daysOfCalendar.last) continue;
    throw new ArrowportError(
      'TYPE_UNSUPPORTED',
      `Delta cannot hold a date of column ${JSON.stringify(path.join('.'))}: it is too far away for a calendar.`,
      { details: { column: path.join('.') } },
    );
  }
}

function typeAt(fields: readonly DeltaField[], [name, ...rest]: readonly string[]): DeltaType | undefined {
  const type = fields.find((field) => field.name === name)?.type;
  if (rest.length === 0 || type === undefined) return type;
  return typeof type !== 'string' && type.type === 'struct' ? typeAt(type.fields, rest) : undefined;
}

interface Described {
  readonly nulls: string;
  readonly mins: string;
  readonly maxes: string;
}

/** Goes through a schema's columns until as many as are indexed have been met. */
class Indexed {
  readonly #known: ReadonlyMap<string, ParquetColumnStatistics>;
  /** Columns that have statistics with everything inside them; null for all. */
  readonly #named: readonly (readonly string[])[] | null;
  #left: number;

  constructor(
    known: ReadonlyMap<string, ParquetColumnStatistics>,
    named: readonly (readonly string[])[] | null,
    columns: number,
  ) {
    this.#known = known;
    this.#named = named;
    this.#left = columns;
  }

  describe(fields: readonly DeltaField[], parents: readonly string[]): Described {
    const nulls: string[] = [];
    const mins: string[] = [];
    const maxes: string[] = [];
    for (const { name, type } of fields) {
      if (this.#left <= 0) break;
      const path = [...parents, name];
      const key = JSON.stringify(name);
      if (typeof type !== 'string' && type.type === 'struct') {
        const inner = this.describe(type.fields, path);
        if (inner.nulls !== '{}') nulls.push(`${key}:${inner.nulls}`);
        if (inner.mins !== '{}') mins.push(`${key}:${inner.mins}`);
        if (inner.maxes !== '{}') maxes.push(`${key}:${inner.maxes}`);
        continue;
      }
      this.#left -= 1;
      const found = this.#isNamed(path) ? this.#known.get(JSON.stringify(path)) : undefined;
      if (found === undefined) continue;
      if (found.nullCount !== null) nulls.push(`${key}:${found.nullCount}`);
      const bounds = describeBounds(type, found);
      if (bounds === undefined) continue;
      mins.push(`${key}:${bounds.min}`);
      maxes.push(`${key}:${bounds.max}`);
    }
    return { nulls: `{${nulls.join(',')}}`, mins: `{${mins.join(',')}}`, maxes: `{${maxes.join(',')}}` };
  }

  #isNamed(path: readonly string[]): boolean {
    return this.#named?.some((named) => named.every((part, index) => part === path[index])) ?? true;
  }
}

/** Columns of a property: commas between them, dots between a column and its fields, backticks around what has either. */
function parsePaths(list: string): readonly (readonly string[])[] {
  const paths: string[][] = [[]];
  for (const [, quoted, plain, mark] of list.matchAll(/`((?:[^`]|``)*)`|([^`.,]+)|([.,])/g)) {
    if (mark === ',') paths.push([]);
    const name = quoted?.replaceAll('``', '`') ?? plain?.trim();
    if (name !== undefined && name !== '') paths.at(-1)?.push(name);
  }
  return paths.filter((path) => path.length > 0);
}

/** Both bounds as JSON; undefined where one of them cannot be said. */
function describeBounds(
  type: DeltaType,
  { min, max }: ParquetColumnStatistics,
): { min: string; max: string } | undefined {
  if (min === null || max === null || typeof type !== 'string') return undefined;
  const low = describeBound(type, min, 'min');
  const high = describeBound(type, max, 'max');
  return low === undefined || high === undefined ? undefined : { min: low, max: high };
}

function describeBound(type: string, bound: ParquetBound, side: 'min' | 'max'): string | undefined {
  if (typeof bound === 'boolean') return String(bound);
  if (typeof bound === 'number') return describeFloat(bound, side);
  if (bound instanceof Uint8Array) return type === 'string' ? describeText(bound, side) : undefined;
  if (type === 'date') return describeDay(Number(bound));
  if (type === 'timestamp') return describeInstant(bound, side, 'Z');
  if (type === 'timestamp_ntz') return describeInstant(bound, side, '');
  const decimal = findDecimal(type);
  return decimal === undefined ? String(bound) : placePoint(bound, decimal.scale);
}

/** Zeros of both signs are one value to some readers and two to others: the bound takes both in. */
function describeFloat(value: number, side: 'min' | 'max'): string | undefined {
  if (!Number.isFinite(value)) return undefined;
  if (value === 0) return side === 'min' ? '-0.0' : '0.0';
  const text = String(value);
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text;
}

/** A long greatest text is cut where the last character there is comes after whatever followed. */
function describeText(bytes: Uint8Array, side: 'min' | 'max'): string {
  const characters = [...Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')];
  if (characters.length <= mostCharacters) return JSON.stringify(characters.join(''));
  let end = mostCharacters;
  if (side === 'min') return JSON.stringify(characters.slice(0, end).join(''));
  while (characters[end] === lastCharacter) end += 1;
  const rest = end < characters.length ? lastCharacter : '';
  return JSON.stringify(characters.slice(0, end).join('') + rest);
}

function describeDay(day: number): string | undefined {
  const ms = day * dayMs;
  return ms < firstMs || ms > lastMs ? undefined : `"${new Date(ms).toISOString().slice(0, 10)}"`;
}

/** Readers take milliseconds: down for the least, up for the greatest. */
function describeInstant(microseconds: bigint, side: 'min' | 'max', zone: string): string | undefined {
  const rest = ((microseconds % 1000n) + 1000n) % 1000n;
  const floor = Number((microseconds - rest) / 1000n);
  const ms = side === 'max' && rest > 0n ? floor + 1 : floor;
  if (ms < firstMs || ms > lastMs) return undefined;
  return `"${new Date(ms).toISOString().slice(0, -1)}${zone}"`;
}

function placePoint(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  const digits = String(negative ? -unscaled : unscaled).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = scale === 0 ? '' : `.${digits.slice(-scale)}`;
  return `${negative ? '-' : ''}${whole}${fraction}`;
}
