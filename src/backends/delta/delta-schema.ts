import { DUCKDB_TYPE_KEY } from '../../core/migration.ts';
import { type ArrowField, type ArrowType, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

/**
 * A Delta type as the schema's JSON has it.
 * @see https://github.com/delta-io/delta/blob/master/PROTOCOL.md#schema-serialization-format
 */
export type DeltaType =
  | string
  | { readonly type: 'array'; readonly elementType: DeltaType; readonly containsNull: boolean }
  | {
      readonly type: 'map';
      readonly keyType: DeltaType;
      readonly valueType: DeltaType;
      readonly valueContainsNull: boolean;
    }
  | DeltaStruct;

/** A Delta struct; the schema of a table is one. */
export interface DeltaStruct {
  readonly type: 'struct';
  readonly fields: readonly DeltaField[];
}

/** A column or a nested field. */
export interface DeltaField {
  readonly name: string;
  readonly type: DeltaType;
  readonly nullable: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Stands for a column of Arrow's null type: it fits any nullable column, and makes none. */
export const VOID = 'void';

/** Stands for unsigned 64-bit integers: they fit decimals of 20 digits and more, and make no column. */
export const UINT64 = 'uint64';

const LOCAL_TIME = 'timestamp_ntz';

/** The Delta type that a new column of an Arrow field gets; may hold VOID and UINT64. Throws TYPE_UNSUPPORTED. */
export function deltaTypeOf(field: ArrowField, path: string): DeltaType {
  const { type } = field;
  switch (type.kind) {
    case 'list':
    case 'large-list':
    case 'list-view':
    case 'large-list-view':
    case 'fixed-size-list':
      return { type: 'array', elementType: childType(field, 0, `${path}.element`), containsNull: true };
    case 'map':
      return mapType(field, path);
    case 'struct':
      return structType(field, path);
    case 'run-end-encoded':
      return childType(field, 1, path);
    default: {
      const primitive = primitiveOf(type);
      if (primitive === undefined) throw unsupported(field, path);
      return primitive;
    }
  }
}

/** A nullable Delta field for an Arrow field. Throws TYPE_UNSUPPORTED. */
export function deltaFieldOf(field: ArrowField, path: string): DeltaField {
  const origin = field.metadata.get(DUCKDB_TYPE_KEY);
  const metadata = origin === undefined ? {} : { [DUCKDB_TYPE_KEY]: origin };
  return { name: field.name, type: deltaTypeOf(field, path), nullable: true, metadata };
}

/** The error for a column that Delta cannot hold; `advice` is a sentence with a space before it. */
export function unsupported(field: ArrowField, path: string, advice = adviceFor(field)): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Delta cannot hold column ${JSON.stringify(path)} of type ${describeType(field)} exactly.${advice}`,
    { details: { column: path } },
  );
}

/** Whether a type has VOID or UINT64 anywhere, and so can make no column. */
export function holdsUnmakeable(type: DeltaType): boolean {
  if (typeof type === 'string') return type === VOID || type === UINT64;
  if (type.type === 'array') return holdsUnmakeable(type.elementType);
  if (type.type === 'map') return holdsUnmakeable(type.keyType) || holdsUnmakeable(type.valueType);
  return type.fields.some((field) => holdsUnmakeable(field.type));
}

/** Whether a timestamp without a time zone stands in a type; where `inMaps` is false, what maps hold does not count. */
export function holdsLocalTime(type: DeltaType, inMaps: boolean): boolean {
  if (typeof type === 'string') return type === LOCAL_TIME;
  if (type.type === 'array') return holdsLocalTime(type.elementType, inMaps);
  if (type.type === 'struct') return type.fields.some((field) => holdsLocalTime(field.type, inMaps));
  return inMaps && (holdsLocalTime(type.keyType, true) || holdsLocalTime(type.valueType, true));
}

/** Whether a type is a float, or holds one. */
export function holdsFloat(type: DeltaType): boolean {
  if (typeof type === 'string') return type === 'float' || type === 'double';
  if (type.type === 'array') return holdsFloat(type.elementType);
  if (type.type === 'struct') return type.fields.some((field) => holdsFloat(field.type));
  return holdsFloat(type.keyType) || holdsFloat(type.valueType);
}

/** The type for people, e.g. `array<struct<a: long>>`. */
export function describeDeltaType(type: DeltaType): string {
  if (typeof type === 'string') return type;
  if (type.type === 'array') return `array<${describeDeltaType(type.elementType)}>`;
  if (type.type === 'map')
    return `map<${describeDeltaType(type.keyType)}, ${describeDeltaType(type.valueType)}>`;
  return `struct<${type.fields.map((field) => `${field.name}: ${describeDeltaType(field.type)}`).join(', ')}>`;
}

/** Digits and scale of a decimal type; undefined for others. */
export function findDecimal(
  type: DeltaType,
): { readonly precision: number; readonly scale: number } | undefined {
  const match = typeof type === 'string' ? /^decimal\((\d+),\s*(-?\d+)\)$/.exec(type) : null;
  return match === null ? undefined : { precision: Number(match[1]), scale: Number(match[2]) };
}

function childType(field: ArrowField, index: number, path: string): DeltaType {
  const child = field.children[index];
  if (child === undefined) throw unsupported(field, path);
  return deltaTypeOf(child, path);
}

function structType(field: ArrowField, path: string): DeltaStruct {
  const { children } = field;
  // Parquet has no group without fields, and Delta tells names apart by more than their case.
  if (children.length === 0 || haveTwins(children)) throw unsupported(field, path);
  return { type: 'struct', fields: children.map((child) => deltaFieldOf(child, `${path}.${child.name}`)) };
}

function haveTwins(fields: readonly ArrowField[]): boolean {
  return new Set(fields.map(({ name }) => name.toLowerCase())).size < fields.length;
}

function mapType(field: ArrowField, path: string): DeltaType {
  const [key, value] = field.children[0]?.children ?? [];
  if (key === undefined || value === undefined) throw unsupported(field, path);
  return {
    type: 'map',
    keyType: deltaTypeOf(key, `${path}.key`),
    valueType: deltaTypeOf(value, `${path}.value`),
    valueContainsNull: true,
  };
}

const SIGNED = { 8: 'byte', 16: 'short', 32: 'integer', 64: 'long' } as const;
const UNSIGNED = { 8: 'short', 16: 'integer', 32: 'long', 64: UINT64 } as const;
const MAX_DECIMAL_DIGITS = 38;

function primitiveOf(type: ArrowType): string | undefined {
  switch (type.kind) {
    case 'null':
      return VOID;
    case 'bool':
      return 'boolean';
    case 'int':
      return type.signed ? SIGNED[type.bitWidth] : UNSIGNED[type.bitWidth];
    case 'float':
      return type.bitWidth === 64 ? 'double' : 'float';
    case 'decimal':
      return type.precision <= MAX_DECIMAL_DIGITS && type.scale >= 0 && type.scale <= type.precision
        ? `decimal(${type.precision},${type.scale})`
        : undefined;
    case 'utf8':
    case 'large-utf8':
    case 'utf8-view':
      return 'string';
    case 'binary':
    case 'large-binary':
    case 'binary-view':
    case 'fixed-size-binary':
      return 'binary';
    case 'date':
      return 'date';
    case 'timestamp':
      if (type.unit === 'nanosecond') return undefined;
      return type.timezone === null ? 'timestamp_ntz' : 'timestamp';
    default:
      return undefined;
  }
}

function adviceFor({ type, children }: ArrowField): string {
  if (haveTwins(children)) return ' Names of its fields must differ by more than case.';
  if (type.kind === 'timestamp') return ' Cast it to timestamp[us].';
  if (type.kind === 'int') return ' Cast it to int64, or to decimal128(20, 0).';
  if (type.kind === 'time' || type.kind === 'duration') return ' Cast it to int64 or to a string.';
  return '';
}
