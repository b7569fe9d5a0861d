import type { ArrayData } from '../core/array-data.ts';
import type { ArrowField, ArrowType } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import { fixedByteWidth } from './array-layout.ts';
import {
  type ArrayGatherer,
  BinaryLayout,
  BitLayout,
  FixedWidthLayout,
  type Layout,
  NullLayout,
  readIntegers,
  ViewLayout,
} from './encode-layouts.ts';
import {
  DenseUnionLayout,
  FixedSizeListLayout,
  ListLayout,
  ListViewLayout,
  SparseUnionLayout,
  StructLayout,
} from './encode-nested-layouts.ts';

export type { ArrayGatherer } from './encode-layouts.ts';

import { BitVector, countUnsetBits, isBitSet } from './encode-vectors.ts';

/** The field as a gatherer's result has it: without dictionary and run-end encoding, at every depth. */
export function plainField(field: ArrowField): ArrowField {
  if (field.type.kind === 'run-end-encoded') {
    const values = plainField(fieldAt(field.children, 1));
    return { ...values, name: field.name, nullable: field.nullable, metadata: field.metadata };
  }
  return { ...field, children: field.children.map(plainField), dictionary: null };
}

/** Makes the gatherer for arrays of a field, which may be dictionary- or run-end-encoded. */
export function createArrayGatherer(field: ArrowField): ArrayGatherer {
  if (field.dictionary !== null) {
    return new DictionaryGatherer(createArrayGatherer({ ...field, dictionary: null }));
  }
  if (field.type.kind === 'run-end-encoded') {
    const values = { ...fieldAt(field.children, 1), name: field.name, nullable: field.nullable };
    return new RunGatherer(createArrayGatherer({ ...values, metadata: field.metadata }));
  }
  return new PlainGatherer(plainField(field), createLayout(field));
}

function createLayout(field: ArrowField): Layout {
  const { type } = field;
  const gatherChildren = () => field.children.map(createArrayGatherer);
  const gatherChild = () => createArrayGatherer(fieldAt(field.children, 0));
  switch (type.kind) {
    case 'null':
      return new NullLayout();
    case 'bool':
      return new BitLayout();
    case 'utf8':
    case 'binary':
      return new BinaryLayout(4);
    case 'large-utf8':
    case 'large-binary':
      return new BinaryLayout(8);
    case 'utf8-view':
    case 'binary-view':
      return new ViewLayout();
    case 'list':
    case 'map':
      return new ListLayout(4, gatherChild());
    case 'large-list':
      return new ListLayout(8, gatherChild());
    case 'list-view':
      return new ListViewLayout(4, gatherChild());
    case 'large-list-view':
      return new ListViewLayout(8, gatherChild());
    case 'fixed-size-list':
      return new FixedSizeListLayout(type.listSize, gatherChild());
    case 'struct':
      return new StructLayout(gatherChildren());
    case 'union':
      return type.mode === 'sparse'
        ? new SparseUnionLayout(type.typeIds, gatherChildren())
        : new DenseUnionLayout(type.typeIds, gatherChildren());
    default:
      return new FixedWidthLayout(byteWidth(type));
  }
}

/** Bytes of one value of a fixed-width type. */
export function byteWidth(type: ArrowType): number {
  const width = fixedByteWidth(type);
  if (width !== null) return width;
  throw new ArrowportError('TYPE_UNSUPPORTED', `Values of type ${type.kind} have no fixed width.`);
}

class PlainGatherer implements ArrayGatherer {
  readonly field: ArrowField;
  readonly #layout: Layout;
  readonly #validity = new BitVector();
  #nullCount = 0;
  #length = 0;

  constructor(field: ArrowField, layout: Layout) {
    this.field = field;
    this.#layout = layout;
  }

  get length(): number {
    return this.#length;
  }

  get reservedBytes(): number {
    return this.#validity.reservedBytes + this.#layout.reservedBytes;
  }

  append(array: ArrayData, from: number, to: number): void {
    if (to <= from) return;
    const bits = hasValidityBitmap(this.field) && array.nullCount > 0 ? array.buffers[0] : null;
    const isWhole = from === 0 && to === array.length;
    const nulls = !bits ? 0 : isWhole ? array.nullCount : countUnsetBits(bits, from, to);
    if (nulls > 0) {
      this.#startValidity();
      this.#nullCount += nulls;
    }
    if (this.#nullCount > 0) {
      if (bits && nulls > 0) this.#validity.append(bits, from, to - from);
      else this.#validity.appendRepeated(1, to - from);
    }
    this.#layout.append(array, from, to);
    this.#length += to - from;
  }

  appendNulls(count: number): void {
    if (count === 0) return;
    if (hasValidityBitmap(this.field)) {
      this.#startValidity();
      this.#validity.appendRepeated(0, count);
      this.#nullCount += count;
    }
    this.#layout.appendEmpty(count);
    this.#length += count;
  }

  take(): ArrayData {
    const validity = hasValidityBitmap(this.field)
      ? [this.#nullCount > 0 ? this.#validity.take() : null]
      : [];
    const length = this.#length;
    const nullCount = this.field.type.kind === 'null' ? length : this.#nullCount;
    this.#length = 0;
    this.#nullCount = 0;
    return {
      field: this.field,
      length,
      nullCount,
      buffers: [...validity, ...this.#layout.takeBuffers()],
      children: this.#layout.takeChildren(),
      dictionary: null,
    };
  }

  #startValidity(): void {
    if (this.#nullCount === 0) this.#validity.appendRepeated(1, this.#length);
  }
}

/** Writes each index's value in the index's place. */
class DictionaryGatherer implements ArrayGatherer {
  readonly #values: ArrayGatherer;

  constructor(values: ArrayGatherer) {
    this.#values = values;
  }

  get field(): ArrowField {
    return this.#values.field;
  }

  get length(): number {
    return this.#values.length;
  }

  get reservedBytes(): number {
    return this.#values.reservedBytes;
  }

  append(array: ArrayData, from: number, to: number): void {
    const { dictionary, field, nullCount } = array;
    const encoding = field.dictionary;
    if (dictionary === null || encoding === null) {
      this.#values.append(array, from, to);
      return;
    }
    const indices = readIntegers(array.buffers[1], encoding.indexBitWidth, encoding.indexSigned);
    const bits = nullCount > 0 ? array.buffers[0] : null;
    for (let row = from; row < to; row += 1) {
      const index = Number(indices[row]);
      if (bits && !isBitSet(bits, row)) this.#values.appendNulls(1);
      else this.#values.append(dictionary, index, index + 1);
    }
  }

  appendNulls(count: number): void {
    this.#values.appendNulls(count);
  }

  take(): ArrayData {
    return this.#values.take();
  }
}

/** Writes each run's value as often as the run is long. */
class RunGatherer implements ArrayGatherer {
  readonly #values: ArrayGatherer;

  constructor(values: ArrayGatherer) {
    this.#values = values;
  }

  get field(): ArrowField {
    return this.#values.field;
  }

  get length(): number {
    return this.#values.length;
  }

  get reservedBytes(): number {
    return this.#values.reservedBytes;
  }

  append(array: ArrayData, from: number, to: number): void {
    const [ends, values] = array.children;
    if (ends === undefined || values === undefined || ends.field.type.kind !== 'int') return;
    const runEnds = readIntegers(ends.buffers[1], ends.field.type.bitWidth, true);
    let row = from;
    for (let run = 0; run < ends.length && row < to; run += 1) {
      const end = Math.min(Number(runEnds[run]), to);
      for (; row < end; row += 1) this.#values.append(values, run, run + 1);
    }
  }

  appendNulls(count: number): void {
    this.#values.appendNulls(count);
  }

  take(): ArrayData {
    return this.#values.take();
  }
}

/** Whether arrays of the field have a validity bitmap as their first buffer. */
function hasValidityBitmap(field: ArrowField): boolean {
  return field.type.kind !== 'null' && field.type.kind !== 'union';
}

function fieldAt(fields: readonly ArrowField[], index: number): ArrowField {
  const field = fields[index];
  if (field === undefined) throw new ArrowportError('IPC_MALFORMED', 'A nested field lacks a child field.');
  return field;
}
