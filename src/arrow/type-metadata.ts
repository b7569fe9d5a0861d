import type { ArrowType, DictionaryEncoding, TimeUnit } from '../core/schema.ts';
import type { FlatTable } from './flatbuffer.ts';
import { malformed } from './ipc-error.ts';

type Kind = ArrowType['kind'];
type TypeOf<K extends Kind> = Extract<ArrowType, { kind: K }>;

const timeUnits: readonly TimeUnit[] = ['second', 'millisecond', 'microsecond', 'nanosecond'];
const intervalUnits: readonly TypeOf<'interval'>['unit'][] = ['year-month', 'day-time', 'month-day-nano'];
const maxDecimalPrecision: Record<TypeOf<'decimal'>['bitWidth'], number> = {
  32: 9,
  64: 18,
  128: 38,
  256: 76,
};

/** Reads member `tag` of the union `Type` of Schema.fbs. `path` names the column in IPC_MALFORMED errors. */
export function readType(
  tag: number,
  table: FlatTable | undefined,
  childCount: number,
  path: string,
): ArrowType {
  const read = typeReaders[tag];
  if (read === undefined) throw malformed(`type ${tag} is not a type of the Arrow format.`, path);
  if (table === undefined) throw malformed('the type is missing.', path);
  return read(table, path, childCount);
}

/** Reads a `DictionaryEncoding` table. */
export function readDictionaryEncoding(table: FlatTable, path: string): DictionaryEncoding {
  const index = table.table(1);
  const type = index === undefined ? ({ bitWidth: 32, signed: true } as const) : readInt(index, path);
  if (table.int16(3, 0) !== 0) throw malformed('the dictionary is of an unknown kind.', path);
  return {
    id: table.bigint(0),
    indexBitWidth: type.bitWidth,
    indexSigned: type.signed,
    ordered: table.bool(2),
  };
}

type TypeReader = (table: FlatTable, path: string, childCount: number) => ArrowType;

const typeReaders: readonly (TypeReader | undefined)[] = [
  undefined,
  () => ({ kind: 'null' }),
  readInt,
  readFloat,
  () => ({ kind: 'binary' }),
  () => ({ kind: 'utf8' }),
  () => ({ kind: 'bool' }),
  readDecimal,
  (table, path) => ({ kind: 'date', unit: pick(['day', 'millisecond'] as const, table.int16(0, 1), path) }),
  readTime,
  (table, path) => ({
    kind: 'timestamp',
    unit: pick(timeUnits, table.int16(0, 0), path),
    timezone: table.string(1) || null,
  }),
  (table, path) => ({ kind: 'interval', unit: pick(intervalUnits, table.int16(0, 0), path) }),
  () => ({ kind: 'list' }),
  () => ({ kind: 'struct' }),
  readUnion,
  (table, path) => ({ kind: 'fixed-size-binary', byteWidth: readSize(table, path) }),
  (table, path) => ({ kind: 'fixed-size-list', listSize: readSize(table, path) }),
  (table) => ({ kind: 'map', keysSorted: table.bool(0) }),
  (table, path) => ({ kind: 'duration', unit: pick(timeUnits, table.int16(0, 1), path) }),
  () => ({ kind: 'large-binary' }),
  () => ({ kind: 'large-utf8' }),
  () => ({ kind: 'large-list' }),
  () => ({ kind: 'run-end-encoded' }),
  () => ({ kind: 'binary-view' }),
  () => ({ kind: 'utf8-view' }),
  () => ({ kind: 'list-view' }),
  () => ({ kind: 'large-list-view' }),
];

function pick<T>(values: readonly T[], index: number, path: string): T {
  const value = values[index];
  if (value === undefined) throw malformed(`the type has an unknown unit or mode (${index}).`, path);
  return value;
}

function readSize(table: FlatTable, path: string): number {
  const size = table.int32(0, 0);
  if (size < 0) throw malformed(`the type has a negative size (${size}).`, path);
  return size;
}

function readInt(table: FlatTable, path: string): TypeOf<'int'> {
  const bitWidth = table.int32(0, 0);
  if (bitWidth !== 8 && bitWidth !== 16 && bitWidth !== 32 && bitWidth !== 64) {
    throw malformed(`integers of ${bitWidth} bits are not a type of the Arrow format.`, path);
  }
  return { kind: 'int', bitWidth, signed: table.bool(1) };
}

function readFloat(table: FlatTable, path: string): ArrowType {
  return { kind: 'float', bitWidth: pick([16, 32, 64] as const, table.int16(0, 0), path) };
}

function readDecimal(table: FlatTable, path: string): ArrowType {
  const precision = table.int32(0, 0);
  const scale = table.int32(1, 0);
  const bitWidth = table.int32(2, 128);
  if (bitWidth !== 32 && bitWidth !== 64 && bitWidth !== 128 && bitWidth !== 256) {
    throw malformed(`decimals of ${bitWidth} bits are not a type of the Arrow format.`, path);
  }
  if (precision < 1 || precision > maxDecimalPrecision[bitWidth]) {
    throw malformed(`a decimal of ${bitWidth} bits cannot have precision ${precision}.`, path);
  }
  return { kind: 'decimal', precision, scale, bitWidth };
}

function readTime(table: FlatTable, path: string): ArrowType {
  const unit = pick(timeUnits, table.int16(0, 1), path);
  const bitWidth = table.int32(1, 32);
  const expected = unit === 'second' || unit === 'millisecond' ? 32 : 64;
  if (bitWidth !== expected) throw malformed(`a time in ${unit}s cannot have ${bitWidth} bits.`, path);
  return { kind: 'time', unit, bitWidth: expected };
}

function readUnion(table: FlatTable, path: string, childCount: number): ArrowType {
  const mode = pick(['sparse', 'dense'] as const, table.int16(0, 0), path);
  if (childCount > 128) throw malformed('a union has more than 128 members.', path);
  const vector = table.vector(1, 4);
  const declared = table.find(1, 4) !== 0;
  if (declared && vector.length !== childCount) {
    throw malformed('the union does not have one type id for each member.', path);
  }
  const typeIds: number[] = [];
  for (let index = 0; index < childCount; index++) {
    const id = declared ? table.buffer.view.getInt32(vector.start + 4 * index, true) : index;
    if (id < 0 || id > 127 || typeIds.includes(id))
      throw malformed(`the union has a bad type id (${id}).`, path);
    typeIds.push(id);
  }
  return { kind: 'union', mode, typeIds };
}
