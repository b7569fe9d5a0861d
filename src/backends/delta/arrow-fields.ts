import type { ArrowField, ArrowType } from '../../core/schema.ts';
import { type DeltaField, type DeltaType, findDecimal } from './delta-schema.ts';

const primitives: Readonly<Record<string, ArrowType>> = {
  boolean: { kind: 'bool' },
  byte: { kind: 'int', bitWidth: 8, signed: true },
  short: { kind: 'int', bitWidth: 16, signed: true },
  integer: { kind: 'int', bitWidth: 32, signed: true },
  long: { kind: 'int', bitWidth: 64, signed: true },
  float: { kind: 'float', bitWidth: 32 },
  double: { kind: 'float', bitWidth: 64 },
  string: { kind: 'utf8' },
  binary: { kind: 'binary' },
  date: { kind: 'date', unit: 'day' },
  timestamp: { kind: 'timestamp', unit: 'microsecond', timezone: 'UTC' },
  timestamp_ntz: { kind: 'timestamp', unit: 'microsecond', timezone: null },
};

/** The Arrow field that a Delta column's values are written as; undefined for types that are not known. */
export function findArrowField(column: Pick<DeltaField, 'name' | 'type'>): ArrowField | undefined {
  const { name, type } = column;
  if (typeof type === 'string') {
    const primitive = primitives[type] ?? findDecimalType(type);
    return primitive === undefined ? undefined : makeField(name, primitive, []);
  }
  if (type.type === 'struct') return makeNested(name, { kind: 'struct' }, type.fields);
  if (type.type === 'array')
    return makeNested(name, { kind: 'list' }, [{ name: 'element', type: type.elementType }]);
  const entries = makeNested('key_value', { kind: 'struct' }, [
    { name: 'key', type: type.keyType },
    { name: 'value', type: type.valueType },
  ]);
  return entries && makeField(name, { kind: 'map', keysSorted: false }, [entries]);
}

function makeNested(
  name: string,
  type: ArrowType,
  columns: readonly Pick<DeltaField, 'name' | 'type'>[],
): ArrowField | undefined {
  const children = columns.map(findArrowField).filter((child) => child !== undefined);
  return children.length === columns.length ? makeField(name, type, children) : undefined;
}

function makeField(name: string, type: ArrowType, children: readonly ArrowField[]): ArrowField {
  return { name, type, nullable: true, children, dictionary: null, metadata: new Map() };
}

function findDecimalType(type: DeltaType): ArrowType | undefined {
  const decimal = findDecimal(type);
  return decimal && { kind: 'decimal', ...decimal, bitWidth: 128 };
}
