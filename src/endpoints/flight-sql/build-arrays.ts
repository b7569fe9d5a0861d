import type { ArrayData } from '../../core/array-data.ts';
import type { ArrowBatch } from '../../core/query.ts';
import type { ArrowField, ArrowSchema } from '../../core/schema.ts';

/** A value as the small results of this room have it. Of a union: its member's index and value. */
export type CellValue =
  | null
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly CellValue[]
  | ReadonlyMap<number, readonly number[]>
  | UnionValue;

/** A value of a dense union. */
export interface UnionValue {
  readonly member: number;
  readonly value: CellValue;
}

/** Makes a record batch of rows that are there as values, each in the order of the schema's fields. */
export function buildBatch(schema: ArrowSchema, rows: readonly (readonly CellValue[])[]): ArrowBatch {
  const columns = schema.fields.map((field, index) =>
    buildArray(
      field,
      rows.map((row) => row[index] ?? null),
    ),
  );
  return { columns, rows: rows.length };
}

function buildArray(field: ArrowField, values: readonly CellValue[]): ArrayData {
  const { type } = field;
  const nullCount = values.filter((value) => value === null).length;
  const validity = nullCount === 0 ? null : buildBits(values.map((value) => value !== null));
  const base = { field, length: values.length, nullCount, children: [], dictionary: null };
  switch (type.kind) {
    case 'utf8':
    case 'binary':
      return { ...base, buffers: [validity, ...buildBinary(values)] };
    case 'bool':
      return { ...base, buffers: [validity, buildBits(values.map((value) => value === true))] };
    case 'int':
      return { ...base, buffers: [validity, buildIntegers(type.bitWidth, values)] };
    case 'list': {
      const lists = values.map((value) => (Array.isArray(value) ? (value as readonly CellValue[]) : []));
      const offsets = buildOffsets(lists.map((list) => list.length));
      return { ...base, buffers: [validity, offsets], children: [buildChild(field, 0, lists.flat())] };
    }
    case 'map':
      return buildMap(field, values);
    case 'union':
      return buildUnion(field, values);
    default:
      throw new Error(`There is no builder for ${type.kind}.`);
  }
}

function buildChild(field: ArrowField, index: number, values: readonly CellValue[]): ArrayData {
  const child = field.children[index];
  if (child === undefined) throw new Error(`The field ${field.name} has no child ${index}.`);
  return buildArray(child, values);
}

function buildMap(field: ArrowField, values: readonly CellValue[]): ArrayData {
  const maps = values.map((value) => (value instanceof Map ? [...value] : []));
  const entries = maps.flat() as [number, readonly number[]][];
  const [struct] = field.children;
  if (struct === undefined) throw new Error(`The map ${field.name} has no entries.`);
  const children = [
    buildChild(
      struct,
      0,
      entries.map(([key]) => key),
    ),
    buildChild(
      struct,
      1,
      entries.map(([, list]) => list),
    ),
  ];
  const entryArray: ArrayData = {
    field: struct,
    length: entries.length,
    nullCount: 0,
    buffers: [null],
    children,
    dictionary: null,
  };
  const offsets = buildOffsets(maps.map((map) => map.length));
  const buffers = [null, offsets];
  return { field, length: values.length, nullCount: 0, buffers, children: [entryArray], dictionary: null };
}

function buildUnion(field: ArrowField, values: readonly CellValue[]): ArrayData {
  const members: CellValue[][] = field.children.map(() => []);
  const typeIds = new Uint8Array(padded(values.length));
  const offsets = new Int32Array(padded(values.length * 4) / 4);
  values.forEach((value, row) => {
    const { member, value: inner } = value as UnionValue;
    const list = members[member] ?? [];
    typeIds[row] = member;
    offsets[row] = list.length;
    list.push(inner);
  });
  const children = members.map((list, index) => buildChild(field, index, list));
  const buffers = [typeIds.subarray(0, values.length), bytesOf(offsets, values.length * 4)];
  return { field, length: values.length, nullCount: 0, buffers, children, dictionary: null };
}

function buildBinary(values: readonly CellValue[]): [Uint8Array, Uint8Array] {
  const bytes = values.map((value) =>
    value instanceof Uint8Array ? value : Buffer.from(value === null ? '' : String(value)),
  );
  return [buildOffsets(bytes.map(({ byteLength }) => byteLength)), align(Buffer.concat(bytes))];
}

function buildOffsets(lengths: readonly number[]): Uint8Array {
  const offsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + length;
  });
  return bytesOf(offsets, offsets.byteLength);
}

function buildIntegers(bitWidth: 8 | 16 | 32 | 64, values: readonly CellValue[]): Uint8Array {
  const bytes = new Uint8Array(padded((values.length * bitWidth) / 8));
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (value === null) return;
    const number = BigInt(value as number | bigint);
    if (bitWidth === 64) view.setBigInt64(index * 8, number, true);
    else if (bitWidth === 32) view.setInt32(index * 4, Number(BigInt.asIntN(32, number)), true);
    else if (bitWidth === 16) view.setInt16(index * 2, Number(BigInt.asIntN(16, number)), true);
    else view.setInt8(index, Number(BigInt.asIntN(8, number)));
  });
  return bytes.subarray(0, (values.length * bitWidth) / 8);
}

function buildBits(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(padded(Math.ceil(bits.length / 8)));
  bits.forEach((bit, index) => {
    if (bit) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  });
  return bytes.subarray(0, Math.ceil(bits.length / 8));
}

function bytesOf(array: Int32Array, byteLength: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, byteLength);
}

/** Node's pooled buffers start anywhere. */
function align(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(padded(bytes.byteLength));
  copy.set(bytes);
  return copy.subarray(0, bytes.byteLength);
}

function padded(byteLength: number): number {
  return Math.max(8, Math.ceil(byteLength / 8) * 8);
}
