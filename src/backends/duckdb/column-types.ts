import {
  ARRAY,
  BIGINT,
  DECIMAL,
  DOUBLE,
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBEnumType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBUnionType,
  HUGEINT,
  INTEGER,
  LIST,
  MAP,
  SMALLINT,
  SQLNULL,
} from '@duckdb/node-api';
import type { ArrowField } from '../../core/schema.ts';
import { foldCase } from './identifier.ts';

/** Bits of an integer type, and whether it has a sign. */
const integers: ReadonlyMap<DuckDBTypeId, { bits: number; signed: boolean; digits: number }> = new Map([
  [DuckDBTypeId.TINYINT, { bits: 8, signed: true, digits: 3 }],
  [DuckDBTypeId.SMALLINT, { bits: 16, signed: true, digits: 5 }],
  [DuckDBTypeId.INTEGER, { bits: 32, signed: true, digits: 10 }],
  [DuckDBTypeId.BIGINT, { bits: 64, signed: true, digits: 19 }],
  [DuckDBTypeId.HUGEINT, { bits: 128, signed: true, digits: 39 }],
  [DuckDBTypeId.UTINYINT, { bits: 8, signed: false, digits: 3 }],
  [DuckDBTypeId.USMALLINT, { bits: 16, signed: false, digits: 5 }],
  [DuckDBTypeId.UINTEGER, { bits: 32, signed: false, digits: 10 }],
  [DuckDBTypeId.UBIGINT, { bits: 64, signed: false, digits: 20 }],
  [DuckDBTypeId.UHUGEINT, { bits: 128, signed: false, digits: 39 }],
]);

/** Bits of the integers that a floating-point type holds exactly. */
const exactBits: ReadonlyMap<DuckDBTypeId, number> = new Map([
  [DuckDBTypeId.FLOAT, 24],
  [DuckDBTypeId.DOUBLE, 53],
]);

/** For each type, those of the same kind that hold all its values. */
const widerTimes: ReadonlyMap<DuckDBTypeId, readonly DuckDBTypeId[]> = new Map([
  [DuckDBTypeId.TIMESTAMP_S, [DuckDBTypeId.TIMESTAMP_MS, DuckDBTypeId.TIMESTAMP]],
  [DuckDBTypeId.TIMESTAMP_MS, [DuckDBTypeId.TIMESTAMP]],
  [DuckDBTypeId.TIME, [DuckDBTypeId.TIME_NS]],
]);

/** Whether every value of `from` becomes a value of `to` without loss: the rule of what a column takes. */
export function fitsInto(from: DuckDBType, to: DuckDBType): boolean {
  if (from.typeId === DuckDBTypeId.SQLNULL) return true;
  const nested = nestedFit(from, to);
  if (nested !== undefined) return nested;
  if (from.typeId === to.typeId) return sameLeaf(from, to);
  const integer = integers.get(from.typeId);
  if (integer !== undefined) return integerFits(integer, to);
  if (from.typeId === DuckDBTypeId.FLOAT) return to.typeId === DuckDBTypeId.DOUBLE;
  return widerTimes.get(from.typeId)?.includes(to.typeId) ?? false;
}

function sameLeaf(from: DuckDBType, to: DuckDBType): boolean {
  if (from instanceof DuckDBDecimalType && to instanceof DuckDBDecimalType) {
    return to.scale >= from.scale && to.width - to.scale >= from.width - from.scale;
  }
  if (from instanceof DuckDBEnumType && to instanceof DuckDBEnumType)
    return from.toString() === to.toString();
  return true;
}

function integerFits(from: { bits: number; signed: boolean; digits: number }, to: DuckDBType): boolean {
  const target = integers.get(to.typeId);
  if (target !== undefined) {
    return target.signed === from.signed
      ? target.bits >= from.bits
      : target.signed && target.bits > from.bits;
  }
  const exact = exactBits.get(to.typeId);
  if (exact !== undefined) return from.bits <= exact;
  return to instanceof DuckDBDecimalType && to.width - to.scale >= from.digits;
}

/** Undefined where neither side is nested. */
function nestedFit(from: DuckDBType, to: DuckDBType): boolean | undefined {
  if (from instanceof DuckDBArrayType) {
    if (to instanceof DuckDBArrayType)
      return from.length === to.length && fitsInto(from.valueType, to.valueType);
    return to instanceof DuckDBListType && fitsInto(from.valueType, to.valueType);
  }
  if (from instanceof DuckDBListType)
    return to instanceof DuckDBListType && fitsInto(from.valueType, to.valueType);
  if (from instanceof DuckDBMapType) {
    return (
      to instanceof DuckDBMapType &&
      fitsInto(from.keyType, to.keyType) &&
      fitsInto(from.valueType, to.valueType)
    );
  }
  if (from instanceof DuckDBUnionType || to instanceof DuckDBUnionType)
    return from.toString() === to.toString();
  if (from instanceof DuckDBStructType) return to instanceof DuckDBStructType && structFits(from, to);
  if (to instanceof DuckDBStructType || to instanceof DuckDBListType || to instanceof DuckDBMapType)
    return false;
  return undefined;
}

function structFits(from: DuckDBStructType, to: DuckDBStructType): boolean {
  return from.entryNames.every((name, index) => {
    const target = to.entryTypes[findEntry(to, name)];
    const source = from.entryTypes[index];
    return target !== undefined && source !== undefined && fitsInto(source, target);
  });
}

function findEntry(type: DuckDBStructType, name: string): number {
  return type.entryNames.findIndex((entry) => foldCase(entry) === foldCase(name));
}

/** The narrowest type that holds all values of both without loss; undefined where there is none. */
export function findCommonType(column: DuckDBType, incoming: DuckDBType): DuckDBType | undefined {
  if (fitsInto(incoming, column)) return column;
  if (column instanceof DuckDBStructType && incoming instanceof DuckDBStructType)
    return commonStruct(column, incoming);
  if (fitsInto(column, incoming)) return incoming;
  if (column instanceof DuckDBListType && incoming instanceof DuckDBListType) {
    return wrap(findCommonType(column.valueType, incoming.valueType), (type) => LIST(type));
  }
  if (
    column instanceof DuckDBArrayType &&
    incoming instanceof DuckDBArrayType &&
    column.length === incoming.length
  ) {
    return wrap(findCommonType(column.valueType, incoming.valueType), (type) => ARRAY(type, column.length));
  }
  if (
    column instanceof DuckDBMapType &&
    incoming instanceof DuckDBMapType &&
    fitsInto(incoming.keyType, column.keyType)
  ) {
    return wrap(findCommonType(column.valueType, incoming.valueType), (type) => MAP(column.keyType, type));
  }
  return commonNumber(column, incoming);
}

function wrap(type: DuckDBType | undefined, make: (type: DuckDBType) => DuckDBType): DuckDBType | undefined {
  return type === undefined ? undefined : make(type);
}

function commonStruct(column: DuckDBStructType, incoming: DuckDBStructType): DuckDBType | undefined {
  const names = [...column.entryNames];
  const types: DuckDBType[] = [];
  for (const [index, name] of column.entryNames.entries()) {
    const own = column.entryTypes[index];
    if (own === undefined) return undefined;
    const other = incoming.entryTypes[findEntry(incoming, name)];
    const common = other === undefined ? own : findCommonType(own, other);
    if (common === undefined) return undefined;
    types.push(common);
  }
  for (const [index, name] of incoming.entryNames.entries()) {
    const type = incoming.entryTypes[index];
    if (findEntry(column, name) >= 0 || type === undefined) continue;
    names.push(name);
    types.push(type);
  }
  return new DuckDBStructType(names, types);
}

function commonNumber(column: DuckDBType, incoming: DuckDBType): DuckDBType | undefined {
  const wide = [SMALLINT, INTEGER, BIGINT, HUGEINT, DOUBLE];
  const mixed = wide.find((type) => fitsInto(column, type) && fitsInto(incoming, type));
  if (mixed !== undefined) return mixed;
  const a = asDecimal(column);
  const b = asDecimal(incoming);
  if (a === undefined || b === undefined) return undefined;
  const scale = Math.max(a.scale, b.scale);
  const width = Math.max(a.width - a.scale, b.width - b.scale) + scale;
  return width <= 38 ? DECIMAL(width, scale) : undefined;
}

function asDecimal(type: DuckDBType): { width: number; scale: number } | undefined {
  if (type instanceof DuckDBDecimalType) return { width: type.width, scale: type.scale };
  const integer = integers.get(type.typeId);
  return integer === undefined ? undefined : { width: integer.digits, scale: 0 };
}

/** The type a new column gets: as it is, but INTEGER where nothing but nulls was announced, as DuckDB itself does. */
export function storableType(type: DuckDBType): DuckDBType {
  if (type.typeId === DuckDBTypeId.SQLNULL) return INTEGER;
  if (type instanceof DuckDBListType) return LIST(storableType(type.valueType));
  if (type instanceof DuckDBArrayType) return ARRAY(storableType(type.valueType), type.length);
  if (type instanceof DuckDBMapType) return MAP(storableType(type.keyType), storableType(type.valueType));
  if (type instanceof DuckDBStructType) {
    return new DuckDBStructType(type.entryNames, type.entryTypes.map(storableType));
  }
  return type;
}

/** The type that DuckDB reads a column as, with NULL's own type wherever `field` was sent as nothing but nulls. */
export function withNullTypes(type: DuckDBType, field: ArrowField): DuckDBType {
  if (field.type.kind === 'null') return SQLNULL;
  const inside = (child: DuckDBType, index: number) => {
    const childField = field.children[index];
    return childField === undefined ? child : withNullTypes(child, childField);
  };
  if (type instanceof DuckDBListType) return LIST(inside(type.valueType, 0));
  if (type instanceof DuckDBArrayType) return ARRAY(inside(type.valueType, 0), type.length);
  if (type instanceof DuckDBMapType) {
    const [key, value] = field.children[0]?.children ?? [];
    if (key === undefined || value === undefined) return type;
    return MAP(withNullTypes(type.keyType, key), withNullTypes(type.valueType, value));
  }
  if (type instanceof DuckDBStructType) {
    return new DuckDBStructType(type.entryNames, type.entryTypes.map(inside));
  }
  return type;
}
