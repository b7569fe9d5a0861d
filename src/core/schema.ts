/** Units of time as Arrow's Schema.fbs numbers them. */
export type TimeUnit = 'second' | 'millisecond' | 'microsecond' | 'nanosecond';

/**
 * An Arrow logical type, one variant a type of the format.
 * @see https://arrow.apache.org/docs/format/Columnar.html#logical-types
 */
export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'int'; readonly bitWidth: 8 | 16 | 32 | 64; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bitWidth: 16 | 32 | 64 }
  | {
      readonly kind: 'decimal';
      readonly precision: number;
      readonly scale: number;
      readonly bitWidth: 32 | 64 | 128 | 256;
    }
  | { readonly kind: 'utf8' | 'large-utf8' | 'utf8-view' }
  | { readonly kind: 'binary' | 'large-binary' | 'binary-view' }
  | { readonly kind: 'fixed-size-binary'; readonly byteWidth: number }
  | { readonly kind: 'date'; readonly unit: 'day' | 'millisecond' }
  | { readonly kind: 'time'; readonly unit: TimeUnit; readonly bitWidth: 32 | 64 }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly timezone: string | null }
  | { readonly kind: 'duration'; readonly unit: TimeUnit }
  | { readonly kind: 'interval'; readonly unit: 'year-month' | 'day-time' | 'month-day-nano' }
  | { readonly kind: 'list' | 'large-list' | 'list-view' | 'large-list-view' }
  | { readonly kind: 'fixed-size-list'; readonly listSize: number }
  | { readonly kind: 'struct' }
  | { readonly kind: 'map'; readonly keysSorted: boolean }
  | { readonly kind: 'union'; readonly mode: 'sparse' | 'dense'; readonly typeIds: readonly number[] }
  | { readonly kind: 'run-end-encoded' };

/** How a field's values are dictionary-encoded on the wire. */
export interface DictionaryEncoding {
  readonly id: bigint;
  readonly indexBitWidth: 8 | 16 | 32 | 64;
  readonly indexSigned: boolean;
  readonly ordered: boolean;
}

/** One field of a schema; `type` is the value type also where the field is dictionary-encoded. */
export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
  readonly nullable: boolean;
  readonly children: readonly ArrowField[];
  readonly dictionary: DictionaryEncoding | null;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A schema as the stream declares it. */
export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** The type as Arrow's documentation writes it, e.g. `timestamp[us, tz=UTC]`, `list<item: int64>`. For messages to people. */
export function describeType(field: Pick<ArrowField, 'type' | 'children' | 'dictionary'>): string {
  const value = describeValueType(field);
  if (field.dictionary === null) return value;
  const { indexSigned, indexBitWidth } = field.dictionary;
  return `dictionary<values=${value}, indices=${indexSigned ? '' : 'u'}int${indexBitWidth}>`;
}

const unitSuffix: Record<TimeUnit, string> = {
  second: 's',
  millisecond: 'ms',
  microsecond: 'us',
  nanosecond: 'ns',
};

function describeValueType(field: Pick<ArrowField, 'type' | 'children'>): string {
  const { type } = field;
  const children = () => field.children.map((child) => `${child.name}: ${describeType(child)}`).join(', ');
  switch (type.kind) {
    case 'int':
      return `${type.signed ? '' : 'u'}int${type.bitWidth}`;
    case 'float':
      return type.bitWidth === 16 ? 'halffloat' : type.bitWidth === 32 ? 'float' : 'double';
    case 'decimal':
      return `decimal${type.bitWidth}(${type.precision}, ${type.scale})`;
    case 'fixed-size-binary':
      return `fixed_size_binary[${type.byteWidth}]`;
    case 'date':
      return type.unit === 'day' ? 'date32[day]' : 'date64[ms]';
    case 'time':
      return `time${type.bitWidth}[${unitSuffix[type.unit]}]`;
    case 'timestamp':
      return `timestamp[${unitSuffix[type.unit]}${type.timezone === null ? '' : `, tz=${type.timezone}`}]`;
    case 'duration':
      return `duration[${unitSuffix[type.unit]}]`;
    case 'interval':
      return `${type.unit.replaceAll('-', '_')}_interval`;
    case 'fixed-size-list':
      return `fixed_size_list<${children()}>[${type.listSize}]`;
    case 'union':
      return `${type.mode}_union<${children()}>`;
    case 'list':
    case 'large-list':
    case 'list-view':
    case 'large-list-view':
    case 'struct':
    case 'map':
    case 'run-end-encoded':
      return `${type.kind.replaceAll('-', '_')}<${children()}>`;
    default:
      return type.kind.replaceAll('-', '_');
  }
}
