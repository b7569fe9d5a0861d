import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBVarCharType,
} from '@duckdb/node-api';
import { quoteIdentifier } from './identifier.ts';

/** How values of a DuckDB type are kept in Delta, which has fewer types. */
export interface DeltaForm {
  /** The SQL type that a value is cast to; every value that passes `findFault` comes back from it unchanged. */
  readonly type: string;
  /** Whether the cast changes anything. */
  readonly isOther: boolean;
  /** A SQL condition that is true of a value without an exact form; null where every value has one. */
  findFault(value: string): string | null;
}

/** Types that are cast to another one, of which each value has an exact place. */
const exactForms: ReadonlyMap<DuckDBTypeId, string> = new Map([
  [DuckDBTypeId.UTINYINT, 'SMALLINT'],
  [DuckDBTypeId.USMALLINT, 'INTEGER'],
  [DuckDBTypeId.UINTEGER, 'BIGINT'],
  [DuckDBTypeId.UBIGINT, 'DECIMAL(20,0)'],
  [DuckDBTypeId.UUID, 'VARCHAR'],
  [DuckDBTypeId.ENUM, 'VARCHAR'],
  [DuckDBTypeId.BIT, 'VARCHAR'],
  [DuckDBTypeId.BIGNUM, 'VARCHAR'],
  [DuckDBTypeId.TIME, 'VARCHAR'],
  [DuckDBTypeId.TIME_TZ, 'VARCHAR'],
  [DuckDBTypeId.TIME_NS, 'VARCHAR'],
]);

/** Types of which only some values have an exact place in the other one: those that come back unchanged. */
const checkedForms: ReadonlyMap<DuckDBTypeId, readonly [own: string, other: string]> = new Map([
  [DuckDBTypeId.HUGEINT, ['HUGEINT', 'DECIMAL(38,0)']],
  [DuckDBTypeId.UHUGEINT, ['UHUGEINT', 'DECIMAL(38,0)']],
  [DuckDBTypeId.INTERVAL, ['INTERVAL', 'VARCHAR']],
  [DuckDBTypeId.TIMESTAMP_S, ['TIMESTAMP_S', 'TIMESTAMP']],
  [DuckDBTypeId.TIMESTAMP_MS, ['TIMESTAMP_MS', 'TIMESTAMP']],
  [DuckDBTypeId.TIMESTAMP_NS, ['TIMESTAMP_NS', 'TIMESTAMP']],
]);

const sameTypes: ReadonlyMap<DuckDBTypeId, string> = new Map([
  [DuckDBTypeId.BOOLEAN, 'BOOLEAN'],
  [DuckDBTypeId.TINYINT, 'TINYINT'],
  [DuckDBTypeId.SMALLINT, 'SMALLINT'],
  [DuckDBTypeId.INTEGER, 'INTEGER'],
  [DuckDBTypeId.BIGINT, 'BIGINT'],
  [DuckDBTypeId.FLOAT, 'FLOAT'],
  [DuckDBTypeId.DOUBLE, 'DOUBLE'],
  [DuckDBTypeId.BLOB, 'BLOB'],
]);

/** Dates beyond this year are of no calendar that readers of Delta have. */
const lastYear = 262_000;

/** How values of a type are kept in Delta; undefined for types that have no form there. */
export function findDeltaForm(type: DuckDBType): DeltaForm | undefined {
  const { typeId } = type;
  if (type instanceof DuckDBVarCharType)
    return form('VARCHAR', type.alias !== undefined && type.alias !== 'VARCHAR');
  if (type instanceof DuckDBDecimalType) return form(`DECIMAL(${type.width},${type.scale})`, false);
  const same = sameTypes.get(typeId);
  if (same !== undefined) return form(same, false);
  const exact = exactForms.get(typeId);
  if (exact !== undefined) return form(exact, true);
  const checked = checkedForms.get(typeId);
  if (checked !== undefined) return checkedForm(...checked);
  if (typeId === DuckDBTypeId.DATE) {
    const outside = (value: string) => `NOT isfinite(${value}) OR abs(year(${value})) > ${lastYear}`;
    return form('DATE', false, outside);
  }
  if (typeId === DuckDBTypeId.TIMESTAMP) return form('TIMESTAMP', false, (value) => `NOT isfinite(${value})`);
  if (typeId === DuckDBTypeId.TIMESTAMP_TZ)
    return form('TIMESTAMP WITH TIME ZONE', false, (value) => `NOT isfinite(${value})`);
  return findNestedForm(type);
}

function form(
  type: string,
  isOther: boolean,
  findFault: (value: string) => string | null = () => null,
): DeltaForm {
  return { type, isOther, findFault };
}

function checkedForm(own: string, other: string): DeltaForm {
  const infinite = own.startsWith('TIMESTAMP') ? (value: string) => `NOT isfinite(${value}) OR ` : () => '';
  return form(
    other,
    true,
    (value) =>
      `${infinite(value)}TRY_CAST(TRY_CAST(${value} AS ${other}) AS ${own}) IS DISTINCT FROM ${value}`,
  );
}

function findNestedForm(type: DuckDBType): DeltaForm | undefined {
  if (type instanceof DuckDBListType) return listForm(type.valueType, false);
  if (type instanceof DuckDBArrayType) return listForm(type.valueType, true);
  if (type instanceof DuckDBStructType) return structForm(type);
  if (!(type instanceof DuckDBMapType)) return undefined;
  const key = findDeltaForm(type.keyType);
  const value = findDeltaForm(type.valueType);
  if (key === undefined || value === undefined) return undefined;
  return form(`MAP(${key.type}, ${value.type})`, key.isOther || value.isOther, (map) =>
    anyOf([anyElement(key, `map_keys(${map})`), anyElement(value, `map_values(${map})`)]),
  );
}

function listForm(element: DuckDBType, isOther: boolean): DeltaForm | undefined {
  const inner = findDeltaForm(element);
  if (inner === undefined) return undefined;
  return form(`${inner.type}[]`, isOther || inner.isOther, (list) => anyElement(inner, list));
}

function structForm(type: DuckDBStructType): DeltaForm | undefined {
  const members: { readonly name: string; readonly form: DeltaForm }[] = [];
  for (const [index, name] of type.entryNames.entries()) {
    const entry = type.entryTypes[index];
    const inner = entry === undefined ? undefined : findDeltaForm(entry);
    if (inner === undefined || name === '') return undefined;
    members.push({ name, form: inner });
  }
  const types = members.map((member) => `${quoteIdentifier(member.name)} ${member.form.type}`);
  return form(
    `STRUCT(${types.join(', ')})`,
    members.some((member) => member.form.isOther),
    (value) =>
      anyOf(members.map((member) => member.form.findFault(`(${value}).${quoteIdentifier(member.name)}`))),
  );
}

function anyElement(inner: DeltaForm, list: string): string | null {
  // Each depth has a name of its own: the text of an inner lambda is longer than what it is made from.
  const name = `e${list.length}`;
  const fault = inner.findFault(name);
  return fault === null ? null : `len(list_filter(${list}, lambda ${name}: coalesce(${fault}, false))) > 0`;
}

function anyOf(conditions: readonly (string | null)[]): string | null {
  const present = conditions.filter((condition) => condition !== null);
  return present.length === 0
    ? null
    : present.map((condition) => `coalesce(${condition}, false)`).join(' OR ');
}
