import type { Builder, Offset } from 'flatbuffers';
import type { ArrowField, ArrowSchema, ArrowType, TimeUnit } from '../core/schema.ts';

/** Numbers of the union `Type` in Schema.fbs. */
const typeIds = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  interval: 11,
  list: 12,
  struct: 13,
  union: 14,
  'fixed-size-binary': 15,
  'fixed-size-list': 16,
  map: 17,
  duration: 18,
  'large-binary': 19,
  'large-utf8': 20,
  'large-list': 21,
  'run-end-encoded': 22,
  'binary-view': 23,
  'utf8-view': 24,
  'list-view': 25,
  'large-list-view': 26,
} as const satisfies Record<ArrowType['kind'], number>;

const timeUnits: Record<TimeUnit, number> = { second: 0, millisecond: 1, microsecond: 2, nanosecond: 3 };
const intervalUnits = { 'year-month': 0, 'day-time': 1, 'month-day-nano': 2 } as const;
const floatPrecisions = { 16: 0, 32: 1, 64: 2 } as const;

/**
 * Writes the table `Schema` and returns its offset.
 * @see https://github.com/apache/arrow/blob/main/format/Schema.fbs
 */
export function writeSchema(builder: Builder, schema: ArrowSchema): Offset {
  const fields = writeOffsets(
    builder,
    schema.fields.map((field) => writeField(builder, field)),
  );
  const metadata = writeMetadata(builder, schema.metadata);
  builder.startObject(4);
  // Endianness 0 (little) is the default; bodies are written in it on every platform Node.js has.
  builder.addFieldOffset(1, fields, 0);
  builder.addFieldOffset(2, metadata, 0);
  return builder.endObject();
}

function writeField(builder: Builder, field: ArrowField): Offset {
  const name = builder.createString(field.name);
  const children = writeOffsets(
    builder,
    field.children.map((child) => writeField(builder, child)),
  );
  const type = writeType(builder, field.type);
  const dictionary = writeDictionaryEncoding(builder, field);
  const metadata = writeMetadata(builder, field.metadata);
  builder.startObject(7);
  builder.addFieldOffset(0, name, 0);
  builder.addFieldInt8(1, Number(field.nullable), 0);
  builder.addFieldInt8(2, typeIds[field.type.kind], 0);
  builder.addFieldOffset(3, type, 0);
  builder.addFieldOffset(4, dictionary, 0);
  builder.addFieldOffset(5, children, 0);
  builder.addFieldOffset(6, metadata, 0);
  return builder.endObject();
}

function writeDictionaryEncoding(builder: Builder, field: ArrowField): Offset {
  if (field.dictionary === null) return 0;
  const { id, indexBitWidth, indexSigned, ordered } = field.dictionary;
  const indexType = writeType(builder, { kind: 'int', bitWidth: indexBitWidth, signed: indexSigned });
  builder.startObject(4);
  builder.addFieldInt64(0, id, 0n);
  builder.addFieldOffset(1, indexType, 0);
  builder.addFieldInt8(2, Number(ordered), 0);
  return builder.endObject();
}

/** Writes the type's own table. Field numbers and defaults are those of Schema.fbs. */
function writeType(builder: Builder, type: ArrowType): Offset {
  const text = type.kind === 'timestamp' && type.timezone !== null ? builder.createString(type.timezone) : 0;
  const ids = type.kind === 'union' ? writeInts(builder, type.typeIds) : 0;
  builder.startObject(3);
  switch (type.kind) {
    case 'int':
      builder.addFieldInt32(0, type.bitWidth, 0);
      builder.addFieldInt8(1, Number(type.signed), 0);
      break;
    case 'float':
      builder.addFieldInt16(0, floatPrecisions[type.bitWidth], 0);
      break;
    case 'decimal':
      builder.addFieldInt32(0, type.precision, 0);
      builder.addFieldInt32(1, type.scale, 0);
      builder.addFieldInt32(2, type.bitWidth, 128);
      break;
    case 'fixed-size-binary':
      builder.addFieldInt32(0, type.byteWidth, 0);
      break;
    case 'date':
      builder.addFieldInt16(0, type.unit === 'day' ? 0 : 1, 1);
      break;
    case 'time':
      builder.addFieldInt16(0, timeUnits[type.unit], 1);
      builder.addFieldInt32(1, type.bitWidth, 32);
      break;
    case 'timestamp':
      builder.addFieldInt16(0, timeUnits[type.unit], 0);
      builder.addFieldOffset(1, text, 0);
      break;
    case 'duration':
      builder.addFieldInt16(0, timeUnits[type.unit], 1);
      break;
    case 'interval':
      builder.addFieldInt16(0, intervalUnits[type.unit], 0);
      break;
    case 'fixed-size-list':
      builder.addFieldInt32(0, type.listSize, 0);
      break;
    case 'map':
      builder.addFieldInt8(0, Number(type.keysSorted), 0);
      break;
    case 'union':
      builder.addFieldInt16(0, type.mode === 'sparse' ? 0 : 1, 0);
      builder.addFieldOffset(1, ids, 0);
      break;
    default:
      // The other types have no parameters.
      break;
  }
  return builder.endObject();
}

function writeMetadata(builder: Builder, metadata: ReadonlyMap<string, string>): Offset {
  if (metadata.size === 0) return 0;
  const pairs = [...metadata].map(([key, value]) => {
    const keyOffset = builder.createString(key);
    const valueOffset = builder.createString(value);
    builder.startObject(2);
    builder.addFieldOffset(0, keyOffset, 0);
    builder.addFieldOffset(1, valueOffset, 0);
    return builder.endObject();
  });
  return writeOffsets(builder, pairs);
}

function writeOffsets(builder: Builder, offsets: readonly Offset[]): Offset {
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) builder.addOffset(offset);
  return builder.endVector();
}

function writeInts(builder: Builder, values: readonly number[]): Offset {
  builder.startVector(4, values.length, 4);
  for (const value of values.toReversed()) builder.addInt32(value);
  return builder.endVector();
}
