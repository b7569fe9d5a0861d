import { createArrayGatherer, plainField } from '../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../core/array-data.ts';
import { type ArrowField, type ArrowType, describeType, type TimeUnit } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import { foldCase } from './identifier.ts';
import {
  findInexactQuotient,
  findLongDecimal,
  findNonMultiple,
  findOutside,
  findOutsideRange,
} from './value-checks.ts';
import {
  halvesToFloats,
  narrowDecimals,
  nullsToTexts,
  toMonthDayNano,
  toPlainUnion,
  viewsToLists,
} from './value-conversions.ts';

/** How one column of a stream is handed to DuckDB. */
export interface LoadColumn {
  /** The field as DuckDB is told it. */
  readonly field: ArrowField;
  /** The same field with the types that were sent. */
  readonly source: ArrowField;
  /** Turns an array of the stream's field into one of `field`. Throws TYPE_UNSUPPORTED for values DuckDB cannot hold exactly. */
  convert(array: ArrayData): ArrayData;
}

type Convert = (array: ArrayData) => ArrayData;

interface Step {
  readonly field: ArrowField;
  readonly convert: Convert | null;
}

/** Extension types that DuckDB turns into types of its own, by name, with the storage they must have. */
const knownExtensions: Readonly<Record<string, (type: ArrowType) => boolean>> = {
  'arrow.uuid': (type) => type.kind === 'fixed-size-binary' && type.byteWidth === 16,
  'arrow.bool8': (type) => type.kind === 'int' && type.bitWidth === 8 && type.signed,
};
const extensionName = 'ARROW:extension:name';
const maxDecimalDigits = 38;
const maxFixedListSize = 100_000;
const microsecondsPer: Record<TimeUnit, number> = {
  second: 1_000_000,
  millisecond: 1_000,
  microsecond: 1,
  nanosecond: 0,
};

const secondsPerDay = 86_400;
const ticksPerSecond: Record<TimeUnit, number> = {
  second: 1,
  millisecond: 1_000,
  microsecond: 1_000_000,
  nanosecond: 1_000_000_000,
};

/** Plans a column. Throws TYPE_UNSUPPORTED naming column and type where DuckDB has no exact place for it. */
export function planColumn(field: ArrowField): LoadColumn {
  const encoded = needsPlainValues(field);
  const source = encoded ? plainField(field) : field;
  const step = field.dictionary !== null && !encoded ? planDictionary(field) : plan(source, field.name);
  return {
    field: step.field,
    source,
    convert(array) {
      const plain = encoded ? gatherPlain(field, array) : array;
      return step.convert === null ? plain : step.convert(plain);
    },
  };
}

/** DuckDB reads dictionaries at the top level only, and of flat values; all other encodings are unfolded first. */
function needsPlainValues(field: ArrowField): boolean {
  if (field.dictionary !== null) return field.children.length > 0 || !isTextOrNumber(field.type);
  return isEncodedInside(field);
}

function isEncodedInside(field: ArrowField): boolean {
  return (
    field.type.kind === 'run-end-encoded' ||
    field.children.some((child) => child.dictionary !== null || isEncodedInside(child))
  );
}

function isTextOrNumber(type: ArrowType): boolean {
  return (
    type.kind === 'utf8' ||
    type.kind === 'large-utf8' ||
    type.kind === 'int' ||
    (type.kind === 'float' && type.bitWidth > 16)
  );
}

function gatherPlain(field: ArrowField, array: ArrayData): ArrayData {
  const gatherer = createArrayGatherer(field);
  gatherer.append(array, 0, array.length);
  return gatherer.take();
}

function planDictionary(field: ArrowField): Step {
  return { field: { ...field, metadata: new Map() }, convert: null };
}

function plan(field: ArrowField, path: string): Step {
  const children = field.children.map((child) => plan(child, `${path}.${child.name}`));
  const leaf = planType(field, path);
  const handed: ArrowField = {
    ...field,
    type: leaf?.type ?? field.type,
    children: children.map((child) => child.field),
    metadata: keptMetadata(field),
  };
  const nested = children.some((child) => child.convert !== null) ? children : null;
  if (leaf?.convert === undefined && nested === null) return { field: handed, convert: null };
  return {
    field: handed,
    convert(array) {
      const converted = leaf?.convert === undefined ? array : leaf.convert(array);
      if (nested === null) return { ...converted, field: handed };
      const inner = converted.children.map((child, index) => nested[index]?.convert?.(child) ?? child);
      return { ...converted, field: handed, children: inner };
    },
  };
}

function keptMetadata(field: ArrowField): ReadonlyMap<string, string> {
  const name = field.metadata.get(extensionName);
  return name !== undefined && knownExtensions[name]?.(field.type) === true
    ? new Map([
        [extensionName, name],
        ['ARROW:extension:metadata', ''],
      ])
    : new Map();
}

interface LeafPlan {
  readonly type?: ArrowType;
  readonly convert?: Convert;
}

function planType(field: ArrowField, path: string): LeafPlan | undefined {
  const { type } = field;
  switch (type.kind) {
    case 'null':
      // DuckDB would read an INTEGER, which few columns take; a text that is NULL fits every one.
      return { type: { kind: 'utf8' }, convert: nullsToTexts };
    case 'float':
      return type.bitWidth === 16
        ? { type: { kind: 'float', bitWidth: 32 }, convert: halvesToFloats }
        : undefined;
    case 'decimal':
      return planDecimal(field, type, path);
    case 'timestamp':
      return type.timezone === null ? undefined : planZonedTimestamp(field, type.unit, path);
    case 'duration':
      if (type.unit === 'nanosecond') throw unsupported(field, path, 'DuckDB’s INTERVAL has no nanoseconds');
      return planScaled(field, type.unit, path);
    case 'date':
      return type.unit === 'day'
        ? undefined
        : check(field, path, (array) => findInexactQuotient(array, 86_400_000), 'is no whole day');
    case 'time':
      return check(
        field,
        path,
        (array) => findOutsideRange(array, secondsPerDay * ticksPerSecond[type.unit], type.bitWidth),
        'is no time of a day',
      );
    case 'interval':
      return planInterval(field, type.unit, path);
    case 'list-view':
      return { type: { kind: 'list' }, convert: viewsToLists };
    case 'large-list-view':
      return { type: { kind: 'large-list' }, convert: viewsToLists };
    case 'fixed-size-list':
      if (type.listSize < 1 || type.listSize > maxFixedListSize)
        throw unsupported(field, path, `DuckDB’s arrays have 1 to ${maxFixedListSize} values`);
      return undefined;
    case 'struct':
      if (field.children.length === 0) throw unsupported(field, path, 'DuckDB has no struct without fields');
      refuseRepeatedChildren(field, path);
      return undefined;
    case 'union':
      if (field.children.length === 0) throw unsupported(field, path, 'DuckDB has no union without members');
      refuseRepeatedChildren(field, path);
      return {
        type: { kind: 'union', mode: 'sparse', typeIds: field.children.map((_, position) => position) },
        convert: toPlainUnion,
      };
    default:
      return undefined;
  }
}

function planInterval(
  field: ArrowField,
  unit: 'year-month' | 'day-time' | 'month-day-nano',
  path: string,
): LeafPlan {
  if (unit !== 'month-day-nano') {
    return { type: { kind: 'interval', unit: 'month-day-nano' }, convert: toMonthDayNano };
  }
  return check(
    field,
    path,
    (array) => findNonMultiple(array, 1000, 2, 1),
    'has a part below a microsecond, which DuckDB’s INTERVAL cannot hold',
  );
}

function planDecimal(
  field: ArrowField,
  type: ArrowType & { kind: 'decimal' },
  path: string,
): LeafPlan | undefined {
  const { precision, scale } = type;
  if (precision < 1 || precision > maxDecimalDigits || scale < 0 || scale > precision) {
    throw unsupported(
      field,
      path,
      `DuckDB’s DECIMAL has at most ${maxDecimalDigits} digits and a scale between 0 and them`,
    );
  }
  const find = (array: ArrayData) => findLongDecimal(array, precision, type.bitWidth);
  const checked = check(field, path, find, 'has more digits than its type');
  if (type.bitWidth !== 256) return checked;
  return {
    type: { ...type, bitWidth: 128 },
    convert: (array) => narrowDecimals(checked.convert?.(array) ?? array),
  };
}

function planZonedTimestamp(field: ArrowField, unit: TimeUnit, path: string): LeafPlan | undefined {
  if (unit !== 'nanosecond') return planScaled(field, unit, path);
  return check(
    field,
    path,
    (array) => findNonMultiple(array, 1000),
    'has a part below a microsecond, which DuckDB’s TIMESTAMP WITH TIME ZONE cannot hold',
  );
}

/** Values that DuckDB multiplies to microseconds must stay inside 64 bits. */
function planScaled(field: ArrowField, unit: TimeUnit, path: string): LeafPlan | undefined {
  if (unit === 'microsecond') return undefined;
  const limit = Math.floor(Number(2n ** 63n) / microsecondsPer[unit]) - 1;
  return check(field, path, (array) => findOutside(array, limit), 'is too far from zero for DuckDB');
}

function check(field: ArrowField, path: string, find: (array: ArrayData) => number, fault: string): LeafPlan {
  return {
    convert(array) {
      const row = find(array);
      if (row >= 0) throw unsupported(field, path, `the value in row ${row + 1} of a batch ${fault}`);
      return array;
    },
  };
}

function refuseRepeatedChildren(field: ArrowField, path: string): void {
  const seen = new Set<string>();
  for (const { name } of field.children) {
    const key = foldCase(name);
    if (name === '' || name.includes('\0'))
      throw unsupported(field, path, 'DuckDB wants a name without NUL for every field of a struct');
    if (seen.has(key))
      throw unsupported(
        field,
        path,
        `its field ${JSON.stringify(name)} is there twice (DuckDB ignores case)`,
      );
    seen.add(key);
  }
}

function unsupported(field: ArrowField, path: string, why: string): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Column ${JSON.stringify(path)} of type ${describeType(field)} cannot be loaded exactly: ${why}.`,
    { details: { column: path } },
  );
}
