import type { ArrowField, ArrowType, TimeUnit } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';

/** What an `ArrowSchema` of the C data interface says of itself; `children` are read already. */
export interface CSchemaParts {
  readonly format: string;
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly flags: number;
  readonly children: readonly ArrowField[];
  /** The field of the dictionary's values; null where the field is not dictionary-encoded. */
  readonly dictionary: ArrowField | null;
}

const flagDictionaryOrdered = 1;
const flagNullable = 2;
const flagMapKeysSorted = 4;

/**
 * Turns the parts of a C data interface schema into a field; `dictionaryId` names its dictionary, if it has one.
 * Throws TYPE_UNSUPPORTED for a format it does not know.
 * @see https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings
 */
export function readCField(parts: CSchemaParts, dictionaryId: bigint): ArrowField {
  const { name, metadata, flags, children, dictionary } = parts;
  const type = readFormat(parts.format, flags);
  const common = { name, nullable: (flags & flagNullable) !== 0, metadata };
  if (dictionary === null) return { ...common, type, children, dictionary: null };
  if (type.kind !== 'int') throw unknownFormat(parts.format);
  return {
    ...common,
    type: dictionary.type,
    children: dictionary.children,
    dictionary: {
      id: dictionaryId,
      indexBitWidth: type.bitWidth,
      indexSigned: type.signed,
      ordered: (flags & flagDictionaryOrdered) !== 0,
    },
  };
}

const timeUnits: Readonly<Record<string, TimeUnit>> = {
  s: 'second',
  m: 'millisecond',
  u: 'microsecond',
  n: 'nanosecond',
};

const plainFormats: Readonly<Record<string, ArrowType>> = {
  n: { kind: 'null' },
  b: { kind: 'bool' },
  c: { kind: 'int', bitWidth: 8, signed: true },
  C: { kind: 'int', bitWidth: 8, signed: false },
  s: { kind: 'int', bitWidth: 16, signed: true },
  S: { kind: 'int', bitWidth: 16, signed: false },
  i: { kind: 'int', bitWidth: 32, signed: true },
  I: { kind: 'int', bitWidth: 32, signed: false },
  l: { kind: 'int', bitWidth: 64, signed: true },
  L: { kind: 'int', bitWidth: 64, signed: false },
  e: { kind: 'float', bitWidth: 16 },
  f: { kind: 'float', bitWidth: 32 },
  g: { kind: 'float', bitWidth: 64 },
  z: { kind: 'binary' },
  Z: { kind: 'large-binary' },
  vz: { kind: 'binary-view' },
  u: { kind: 'utf8' },
  U: { kind: 'large-utf8' },
  vu: { kind: 'utf8-view' },
  tdD: { kind: 'date', unit: 'day' },
  tdm: { kind: 'date', unit: 'millisecond' },
  tts: { kind: 'time', unit: 'second', bitWidth: 32 },
  ttm: { kind: 'time', unit: 'millisecond', bitWidth: 32 },
  ttu: { kind: 'time', unit: 'microsecond', bitWidth: 64 },
  ttn: { kind: 'time', unit: 'nanosecond', bitWidth: 64 },
  tDs: { kind: 'duration', unit: 'second' },
  tDm: { kind: 'duration', unit: 'millisecond' },
  tDu: { kind: 'duration', unit: 'microsecond' },
  tDn: { kind: 'duration', unit: 'nanosecond' },
  tiM: { kind: 'interval', unit: 'year-month' },
  tiD: { kind: 'interval', unit: 'day-time' },
  tin: { kind: 'interval', unit: 'month-day-nano' },
  '+l': { kind: 'list' },
  '+L': { kind: 'large-list' },
  '+vl': { kind: 'list-view' },
  '+vL': { kind: 'large-list-view' },
  '+s': { kind: 'struct' },
  '+r': { kind: 'run-end-encoded' },
};

function readFormat(format: string, flags: number): ArrowType {
  const plain = plainFormats[format];
  if (plain !== undefined) return plain;
  if (format === '+m') return { kind: 'map', keysSorted: (flags & flagMapKeysSorted) !== 0 };
  const colon = format.indexOf(':');
  const head = format.slice(0, colon);
  const rest = format.slice(colon + 1);
  const numbers = rest.split(',').map(Number);
  const [first = 0, second = 0, third = 128] = numbers;
  const unit = timeUnits[head.slice(2)];
  switch (head) {
    case 'd':
      if (third !== 32 && third !== 64 && third !== 128 && third !== 256) throw unknownFormat(format);
      return { kind: 'decimal', precision: first, scale: second, bitWidth: third };
    case 'w':
      return { kind: 'fixed-size-binary', byteWidth: first };
    case '+w':
      return { kind: 'fixed-size-list', listSize: first };
    case '+us':
    case '+ud':
      return {
        kind: 'union',
        mode: head === '+us' ? 'sparse' : 'dense',
        typeIds: rest === '' ? [] : numbers,
      };
    default:
      if (!head.startsWith('ts') || unit === undefined) throw unknownFormat(format);
      return { kind: 'timestamp', unit, timezone: rest === '' ? null : rest };
  }
}

function unknownFormat(format: string): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `The Arrow format ${JSON.stringify(format)} is not known here.`,
  );
}
