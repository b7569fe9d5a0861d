import type { ArrowField, ArrowType, TimeUnit } from '../../../core/schema.ts';
import { addressOf } from './address.ts';

const schemaBytes = 72;
const nullableFlag = 2n;
const sortedKeysFlag = 4n;

/** A C `ArrowSchema` tree in memory of ours; `keep` must stay referenced as long as DuckDB may read it. */
export interface CSchema {
  readonly struct: Buffer;
  readonly keep: readonly unknown[];
}

/**
 * Lays a struct schema with these fields out as the C data interface wants it. `release` is the address of a callback
 * that does nothing: the memory is freed by letting go of `keep`.
 * @see https://arrow.apache.org/docs/format/CDataInterface.html#the-arrowschema-structure
 */
export function writeCSchema(fields: readonly ArrowField[], release: bigint): CSchema {
  const keep: unknown[] = [];
  const root: ArrowField = {
    name: '',
    type: { kind: 'struct' },
    nullable: false,
    children: fields,
    dictionary: null,
    metadata: new Map(),
  };
  return { struct: writeField(root, release, keep), keep };
}

function writeField(field: ArrowField, release: bigint, keep: unknown[]): Buffer {
  const struct = pinned(Buffer.allocUnsafe(schemaBytes).fill(0), keep);
  const { dictionary } = field;
  const format =
    dictionary === null
      ? formatOf(field)
      : formatOfType({ kind: 'int', bitWidth: dictionary.indexBitWidth, signed: dictionary.indexSigned });
  struct.writeBigUInt64LE(writeText(format, keep), 0);
  struct.writeBigUInt64LE(writeText(field.name, keep), 8);
  struct.writeBigUInt64LE(writeMetadata(field.metadata, keep), 16);
  const sorted = field.type.kind === 'map' && field.type.keysSorted ? sortedKeysFlag : 0n;
  struct.writeBigInt64LE(nullableFlag | sorted, 24);
  const children = dictionary === null ? field.children : [];
  struct.writeBigInt64LE(BigInt(children.length), 32);
  struct.writeBigUInt64LE(
    writePointers(
      children.map((child) => addressOf(writeField(child, release, keep))),
      keep,
    ),
    40,
  );
  if (dictionary !== null) {
    const values = writeField({ ...field, dictionary: null, metadata: new Map() }, release, keep);
    struct.writeBigUInt64LE(addressOf(values), 48);
  }
  struct.writeBigUInt64LE(release, 56);
  return struct;
}

/** Puts addresses one after another; 0 for none, as the C data interface allows. */
export function writePointers(addresses: readonly bigint[], keep: unknown[]): bigint {
  if (addresses.length === 0) return 0n;
  const table = pinned(Buffer.allocUnsafe(addresses.length * 8), keep);
  addresses.forEach((address, index) => {
    table.writeBigUInt64LE(address, index * 8);
  });
  return addressOf(table);
}

/** Memory that C reads must outlive the call that laid it out. */
function pinned(buffer: Buffer, keep: unknown[]): Buffer {
  keep.push(buffer);
  return buffer;
}

function writeText(text: string, keep: unknown[]): bigint {
  return addressOf(pinned(Buffer.from(`${text}\0`, 'utf8'), keep));
}

function writeMetadata(metadata: ReadonlyMap<string, string>, keep: unknown[]): bigint {
  if (metadata.size === 0) return 0n;
  const parts: Buffer[] = [int32(metadata.size)];
  for (const pair of metadata) {
    for (const text of pair) {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(int32(bytes.length), bytes);
    }
  }
  return addressOf(pinned(Buffer.concat(parts), keep));
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** The format string of a field's values. @see https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings */
function formatOf(field: ArrowField): string {
  return formatOfType(field.type);
}

const unitLetter: Record<TimeUnit, string> = {
  second: 's',
  millisecond: 'm',
  microsecond: 'u',
  nanosecond: 'n',
};
const plainFormats: Partial<Record<ArrowType['kind'], string>> = {
  null: 'n',
  bool: 'b',
  utf8: 'u',
  'large-utf8': 'U',
  'utf8-view': 'vu',
  binary: 'z',
  'large-binary': 'Z',
  'binary-view': 'vz',
  list: '+l',
  'large-list': '+L',
  'list-view': '+vl',
  'large-list-view': '+vL',
  struct: '+s',
  map: '+m',
  'run-end-encoded': '+r',
};
const integerLetters = { 8: 'c', 16: 's', 32: 'i', 64: 'l' } as const;
const floatLetters = { 16: 'e', 32: 'f', 64: 'g' } as const;
const intervalLetters = { 'year-month': 'M', 'day-time': 'D', 'month-day-nano': 'n' } as const;

function formatOfType(type: ArrowType): string {
  switch (type.kind) {
    case 'int': {
      const letter = integerLetters[type.bitWidth];
      return type.signed ? letter : letter.toUpperCase();
    }
    case 'float':
      return floatLetters[type.bitWidth];
    case 'decimal': {
      const width = type.bitWidth === 128 ? '' : `,${type.bitWidth}`;
      return `d:${type.precision},${type.scale}${width}`;
    }
    case 'fixed-size-binary':
      return `w:${type.byteWidth}`;
    case 'date':
      return type.unit === 'day' ? 'tdD' : 'tdm';
    case 'time':
      return `tt${unitLetter[type.unit]}`;
    case 'timestamp':
      return `ts${unitLetter[type.unit]}:${type.timezone ?? ''}`;
    case 'duration':
      return `tD${unitLetter[type.unit]}`;
    case 'interval':
      return `ti${intervalLetters[type.unit]}`;
    case 'fixed-size-list':
      return `+w:${type.listSize}`;
    case 'union':
      return `+u${type.mode === 'dense' ? 'd' : 's'}:${type.typeIds.join(',')}`;
    default:
      return plainFormats[type.kind] ?? '';
  }
}
