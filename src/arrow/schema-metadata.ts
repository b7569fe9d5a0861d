import type { ArrowField, ArrowSchema, ArrowType } from '../core/schema.ts';
import { describeType } from '../core/schema.ts';
import type { FlatTable } from './flatbuffer.ts';
import { malformed, unsupportedType } from './ipc-error.ts';
import { readDictionaryEncoding, readType } from './type-metadata.ts';

/** Most fields of a schema, nested ones included. */
export const MAX_FIELDS = 10_000;
/** How deep fields may be nested. */
export const MAX_NESTING = 64;
/** Most dictionary-encoded fields of a schema. */
export const MAX_DICTIONARIES = 1_000;
const MAX_METADATA_PAIRS = 100_000;

interface Budget {
  fields: number;
  dictionaries: number;
  pairs: number;
}

/**
 * Reads a `Schema` table. Throws IPC_MALFORMED, and TYPE_UNSUPPORTED for big-endian data.
 * @see https://github.com/apache/arrow/blob/main/format/Schema.fbs
 */
export function readSchema(table: FlatTable): ArrowSchema {
  const budget: Budget = { fields: MAX_FIELDS, dictionaries: MAX_DICTIONARIES, pairs: MAX_METADATA_PAIRS };
  const vector = table.vector(1, 4);
  const fields: ArrowField[] = [];
  for (let index = 0; index < vector.length; index++) {
    fields.push(readField(table.element(vector, index), '', 1, budget));
  }
  const endianness = table.int16(0, 0);
  if (endianness === 1) refuseBigEndian(fields);
  else if (endianness !== 0) throw malformed(`The schema has an unknown byte order (${endianness}).`);
  return { fields, metadata: readCustomMetadata(table, 2, budget) };
}

function refuseBigEndian(fields: readonly ArrowField[]): void {
  const [first] = fields;
  if (first === undefined) return;
  throw unsupportedType(
    `${describeType(first)} in big-endian byte order is not supported; write the stream in little-endian order.`,
    first.name,
  );
}

function readField(table: FlatTable, parentPath: string, depth: number, budget: Budget): ArrowField {
  budget.fields -= 1;
  if (budget.fields < 0) throw malformed(`The schema has more than ${MAX_FIELDS} fields.`);
  if (depth > MAX_NESTING) {
    throw malformed(`The fields of the schema are nested more than ${MAX_NESTING} deep.`);
  }
  const name = table.string(0) ?? '';
  const path = parentPath === '' ? name : `${parentPath}.${name}`;
  const vector = table.vector(5, 4);
  if (vector.length > budget.fields) throw malformed(`The schema has more than ${MAX_FIELDS} fields.`);
  const children: ArrowField[] = [];
  for (let index = 0; index < vector.length; index++) {
    children.push(readField(table.element(vector, index), path, depth + 1, budget));
  }
  const type = readType(table.uint8(2, 0), table.table(3), children.length, path);
  checkChildren(type, children, path);
  const encoding = table.table(4);
  if (encoding !== undefined) {
    budget.dictionaries -= 1;
    if (budget.dictionaries < 0)
      throw malformed(`The schema has more than ${MAX_DICTIONARIES} dictionaries.`);
  }
  return {
    name,
    type,
    nullable: table.bool(1),
    children,
    dictionary: encoding === undefined ? null : readDictionaryEncoding(encoding, path),
    metadata: readCustomMetadata(table, 6, budget),
  };
}

function readCustomMetadata(table: FlatTable, slot: number, budget: Budget): ReadonlyMap<string, string> {
  const vector = table.vector(slot, 4);
  budget.pairs -= vector.length;
  if (budget.pairs < 0) throw malformed(`The schema has more than ${MAX_METADATA_PAIRS} metadata entries.`);
  const pairs = new Map<string, string>();
  for (let index = 0; index < vector.length; index++) {
    const pair = table.element(vector, index);
    pairs.set(pair.string(0) ?? '', pair.string(1) ?? '');
  }
  return pairs;
}

function checkChildren(type: ArrowType, children: readonly ArrowField[], path: string): void {
  const expected = childCount(type);
  if (expected !== null && children.length !== expected) {
    throw malformed(`${type.kind} has ${children.length} child fields instead of ${expected}.`, path);
  }
  if (type.kind === 'map') checkMapEntries(children, path);
  if (type.kind === 'run-end-encoded') checkRunEnds(children, path);
}

/** How many child fields a type has; null where any number will do. */
function childCount(type: ArrowType): number | null {
  switch (type.kind) {
    case 'struct':
    case 'union':
      return null;
    case 'list':
    case 'large-list':
    case 'list-view':
    case 'large-list-view':
    case 'fixed-size-list':
    case 'map':
      return 1;
    case 'run-end-encoded':
      return 2;
    default:
      return 0;
  }
}

function checkMapEntries(children: readonly ArrowField[], path: string): void {
  const [entries] = children;
  if (entries?.type.kind !== 'struct' || entries.children.length !== 2 || entries.dictionary !== null) {
    throw malformed('a map needs one struct child with a key and a value.', path);
  }
}

function checkRunEnds(children: readonly ArrowField[], path: string): void {
  const type = children[0]?.type;
  if (type?.kind !== 'int' || !type.signed || type.bitWidth === 8 || children[0]?.dictionary !== null) {
    throw malformed('run ends must be signed integers of 16, 32 or 64 bits.', path);
  }
}
