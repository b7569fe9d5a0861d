import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { ArrayData } from '../../../src/core/array-data.ts';
import { isSlotValid, readLeaf, readOffset, readTypeId } from './array-values.ts';

/** A column of Arrow's integration JSON. */
export interface JsonColumn {
  readonly name: string;
  readonly count: number;
  readonly VALIDITY?: readonly number[];
  readonly OFFSET?: readonly (number | string)[];
  readonly SIZE?: readonly (number | string)[];
  readonly TYPE_ID?: readonly number[];
  readonly DATA?: readonly unknown[];
  readonly children?: readonly JsonColumn[];
}

interface JsonField {
  readonly name: string;
  readonly children: readonly JsonField[];
  readonly dictionary?: { readonly id: number };
}

/** Arrow's integration JSON: the true values of a gold stream. */
export interface IntegrationJson {
  readonly schema: { readonly fields: readonly JsonField[] };
  readonly dictionaries?: readonly {
    readonly id: number;
    readonly data: { readonly columns: readonly JsonColumn[] };
  }[];
  readonly batches: readonly { readonly count: number; readonly columns: readonly JsonColumn[] }[];
}

/** Reads a gzipped integration JSON; 64-bit numbers keep all their digits. */
export function readIntegrationJson(path: string): IntegrationJson {
  const text = gunzipSync(readFileSync(path)).toString('utf8');
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? context?.source
      : value;
  return JSON.parse(text, revive) as IntegrationJson;
}

/** Asserts that an array has the true values, validity and children, slot for slot. */
export function assertColumn(array: ArrayData, expected: JsonColumn, path: string): void {
  assert.equal(array.length, expected.count, `${path}: length`);
  let nulls = 0;
  for (let index = 0; index < expected.count; index++) {
    const valid = isSlotValid(array, index);
    if (!valid) nulls += 1;
    if (expected.VALIDITY !== undefined && array.field.type.kind !== 'null') {
      assert.equal(valid, expected.VALIDITY[index] === 1, `${path}[${index}]: validity`);
    }
    if (valid) assertSlot(array, expected, index, `${path}[${index}]`);
  }
  if (array.field.type.kind !== 'union') assert.equal(array.nullCount, nulls, `${path}: null count`);
  if (array.field.dictionary !== null) return;
  for (const [index, child] of array.children.entries()) {
    const childColumn = expected.children?.[index];
    assert.ok(childColumn !== undefined, `${path}: child ${index}`);
    assertColumn(child, childColumn, `${path}.${child.field.name}`);
  }
}

function assertSlot(array: ArrayData, expected: JsonColumn, index: number, path: string): void {
  const { kind } = array.field.type;
  if (array.field.dictionary === null && kind === 'union') {
    assert.equal(readTypeId(array, index), expected.TYPE_ID?.[index], `${path}: type id`);
    if (array.field.type.kind === 'union' && array.field.type.mode === 'dense') {
      assert.equal(readOffset(array, 1, index), expected.OFFSET?.[index], `${path}: offset`);
    }
    return;
  }
  if (array.field.dictionary === null && isList(kind)) {
    assert.equal(readOffset(array, 1, index), Number(expected.OFFSET?.[index]), `${path}: offset`);
    if (expected.SIZE !== undefined) {
      assert.equal(readOffset(array, 2, index), Number(expected.SIZE[index]), `${path}: size`);
    }
    return;
  }
  const value = readLeaf(array, index);
  const truth = expected.DATA?.[index];
  if (value === undefined || truth === undefined) return;
  if (typeof value === 'number' && typeof truth === 'number' && !Number.isInteger(truth)) {
    assert.ok(Math.abs(value - truth) <= Math.abs(truth) * 1e-3 + 1e-3, `${path}: ${value} is not ${truth}`);
  } else assert.deepEqual(digits(value), digits(truth), path);
}

function isList(kind: string): boolean {
  return ['list', 'large-list', 'map', 'list-view', 'large-list-view'].includes(kind);
}

/** Numbers and texts of digits are the same to this comparison. */
function digits(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, digits(part)]));
}

/** Asserts every dictionary that the fields of the JSON name, as the columns carry them. */
export function assertDictionaries(json: IntegrationJson, columns: readonly ArrayData[]): void {
  for (const [index, field] of json.schema.fields.entries()) {
    const column = columns[index];
    if (column !== undefined) assertDictionary(json, field, column);
  }
}

function assertDictionary(json: IntegrationJson, field: JsonField, array: ArrayData): void {
  const values = array.dictionary ?? array;
  if (field.dictionary !== undefined && array.dictionary !== null && array.length > array.nullCount) {
    const id = field.dictionary.id;
    const column = json.dictionaries?.find((dictionary) => dictionary.id === id)?.data.columns[0];
    assert.ok(column !== undefined, `the JSON has dictionary ${id}`);
    assertColumn(array.dictionary, column, `dictionary ${id}`);
  }
  for (const [index, child] of field.children.entries()) {
    const childArray = values.children[index];
    if (childArray !== undefined) assertDictionary(json, child, childArray);
  }
}
