import {
  BIGINT,
  BLOB,
  BOOLEAN,
  blobValue,
  DATE,
  DOUBLE,
  DuckDBDateValue,
  DuckDBIntervalValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBType,
  type DuckDBValue,
  FLOAT,
  INTEGER,
  INTERVAL,
  LIST,
  listValue,
  MAP,
  mapValue,
  SMALLINT,
  SQLNULL,
  STRUCT,
  structValue,
  TIME,
  TIMESTAMP,
  TIMESTAMP_MS,
  TIMESTAMP_NS,
  TIMESTAMP_S,
  TIMESTAMPTZ,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import {
  type Cell,
  type IntervalCell,
  type ListCell,
  readCell,
  type StructCell,
} from '../../../arrow/cell-values.ts';
import type { ArrayData } from '../../../core/array-data.ts';
import { type ArrowField, describeType, type TimeUnit } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { decimalType, decimalValue, isDate, isInt64, isMoment, isTimeOfDay } from './parameter-bounds.ts';
import type { ParameterExtent } from './parameter-extent.ts';

/** A value with the type that it is bound as. */
export interface TypedValue {
  readonly value: DuckDBValue;
  readonly type: DuckDBType;
}

/** How the value in a row of an Arrow array is bound. Throws TYPE_UNSUPPORTED for types that are not bound, BODY_TOO_LARGE. */
export function fromArrow(array: ArrayData, row: number, extent: ParameterExtent): TypedValue {
  extent.add();
  const cell = readCell(array, row);
  const field = valueField(array.field);
  const type = boundType(field);
  if (cell === null) return { value: null, type };
  return { value: toDuckDb(field, cell, extent), type };
}

/** What is run-end encoded binds as its values. */
function valueField(field: ArrowField): ArrowField {
  const [, values] = field.children;
  return field.type.kind === 'run-end-encoded' && values !== undefined ? valueField(values) : field;
}

function boundType(field: ArrowField): DuckDBType {
  const { type } = field;
  switch (type.kind) {
    case 'null':
      return SQLNULL;
    case 'bool':
      return BOOLEAN;
    case 'int':
      return (type.signed ? signedTypes : unsignedTypes)[type.bitWidth];
    case 'float':
      return type.bitWidth === 64 ? DOUBLE : FLOAT;
    case 'utf8':
    case 'large-utf8':
    case 'utf8-view':
      return VARCHAR;
    case 'binary':
    case 'large-binary':
    case 'binary-view':
    case 'fixed-size-binary':
      return BLOB;
    case 'date':
      return DATE;
    case 'time':
      return TIME;
    case 'timestamp':
      return type.timezone === null ? timestampTypes[type.unit] : TIMESTAMPTZ;
    case 'duration':
    case 'interval':
      return INTERVAL;
    case 'decimal':
      return decimalType(type) ?? refuse(field);
    case 'list':
    case 'large-list':
    case 'fixed-size-list':
    case 'list-view':
    case 'large-list-view':
      return LIST(boundType(valueField(childOf(field))));
    case 'struct':
      if (field.children.length === 0) return refuse(field);
      return STRUCT(
        Object.fromEntries(field.children.map((child) => [child.name, boundType(valueField(child))])),
      );
    case 'map': {
      const [key, value] = childOf(field).children;
      if (key === undefined || value === undefined) return refuse(field);
      return MAP(boundType(valueField(key)), boundType(valueField(value)));
    }
    default:
      return refuse(field);
  }
}

const signedTypes = { 8: TINYINT, 16: SMALLINT, 32: INTEGER, 64: BIGINT };
const unsignedTypes = { 8: UTINYINT, 16: USMALLINT, 32: UINTEGER, 64: UBIGINT };
const timestampTypes: Record<TimeUnit, DuckDBType> = {
  second: TIMESTAMP_S,
  millisecond: TIMESTAMP_MS,
  microsecond: TIMESTAMP,
  nanosecond: TIMESTAMP_NS,
};

function toDuckDb(field: ArrowField, cell: NonNullable<Cell>, extent: ParameterExtent): DuckDBValue {
  if (cell instanceof Uint8Array) return blobValue(cell);
  if (typeof cell === 'object') return toNested(field, cell, extent);
  if (typeof cell === 'number' || typeof cell === 'bigint') return toScalar(field, cell);
  return cell;
}

function toNested(
  field: ArrowField,
  cell: ListCell | StructCell | IntervalCell,
  extent: ParameterExtent,
): DuckDBValue {
  switch (cell.kind) {
    case 'list': {
      extent.expect(cell.to - cell.from);
      const rows = Array.from({ length: cell.to - cell.from }, (_, index) => cell.from + index);
      if (field.type.kind === 'map') return toMap(cell.array, rows, extent);
      return listValue(rows.map((row) => fromArrow(cell.array, row, extent).value));
    }
    case 'struct':
      return structValue(
        Object.fromEntries(
          cell.arrays.map((array) => [array.field.name, fromArrow(array, cell.row, extent).value]),
        ),
      );
    case 'interval':
      return new DuckDBIntervalValue(
        cell.months,
        cell.days,
        toMicroseconds(field, cell.nanoseconds, 'nanosecond'),
      );
  }
}

function toScalar(field: ArrowField, value: number | bigint): DuckDBValue {
  const { type } = field;
  switch (type.kind) {
    case 'date':
      return toDate(field, type.unit === 'day' ? Number(value) : Math.floor(Number(value) / 86_400_000));
    case 'time':
      return toTime(field, toMicroseconds(field, BigInt(value), type.unit));
    case 'timestamp':
      return toTimestamp(field, BigInt(value), type.unit, type.timezone !== null);
    case 'duration':
      return new DuckDBIntervalValue(0, 0, toMicroseconds(field, BigInt(value), type.unit));
    case 'decimal':
      return decimalValue(BigInt(value), type) ?? refuse(field);
    default:
      return value;
  }
}

function toTimestamp(field: ArrowField, ticks: bigint, unit: TimeUnit, zoned: boolean): DuckDBValue {
  if (zoned) {
    const micros = toMicroseconds(field, ticks, unit);
    return isMoment(micros) ? new DuckDBTimestampTZValue(micros) : refuse(field);
  }
  switch (unit) {
    case 'second':
      return new DuckDBTimestampSecondsValue(ticks);
    case 'millisecond':
      return new DuckDBTimestampMillisecondsValue(ticks);
    case 'microsecond':
      return isMoment(ticks) ? new DuckDBTimestampValue(ticks) : refuse(field);
    case 'nanosecond':
      return new DuckDBTimestampNanosecondsValue(ticks);
  }
}

/** Entries of a map are structs of a key and a value. */
function toMap(entries: ArrayData, rows: readonly number[], extent: ParameterExtent): DuckDBValue {
  const [keys, values] = entries.children;
  if (keys === undefined || values === undefined) return refuse(entries.field);
  return mapValue(
    rows.map((row) => ({
      key: fromArrow(keys, row, extent).value,
      value: fromArrow(values, row, extent).value,
    })),
  );
}

function toDate(field: ArrowField, days: number): DuckDBValue {
  return isDate(days) ? new DuckDBDateValue(days) : refuse(field);
}

function toTime(field: ArrowField, micros: bigint): DuckDBValue {
  return isTimeOfDay(micros) ? new DuckDBTimeValue(micros) : refuse(field);
}

function toMicroseconds(field: ArrowField, ticks: bigint, unit: TimeUnit): bigint {
  const micros = unit === 'nanosecond' ? ticks / 1000n : ticks * microsecondsIn[unit];
  if (unit === 'nanosecond' && ticks % 1000n !== 0n) throw unsupported(field);
  return isInt64(micros) ? micros : refuse(field);
}

const microsecondsIn = { second: 1_000_000n, millisecond: 1000n, microsecond: 1n };

function childOf(field: ArrowField): ArrowField {
  const [child] = field.children;
  if (child === undefined) throw unsupported(field);
  return child;
}

function refuse(field: ArrowField): never {
  throw unsupported(field);
}

function unsupported(field: ArrowField): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `The parameter ${JSON.stringify(field.name)} of type ${describeType(field)} has a value that DuckDB cannot hold exactly.`,
    { details: { column: field.name } },
  );
}
