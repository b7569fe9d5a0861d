import { byteSize, fixedByteWidth } from '../../../arrow/array-layout.ts';
import { type ArrayGatherer, createArrayGatherer } from '../../../arrow/encode-gatherer.ts';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { copyArray } from './arrow-c-array.ts';
import { CArrayView } from './c-array-view.ts';
import { CopiedMemory } from './native-memory.ts';
import { NativeBits, NativeBytes, NativeScratch } from './native-vectors.ts';

/** Gathers one column of the chunks of a result. */
export interface ChunkColumn {
  /** Turns to the `ArrowArray` at an address, which must stay as it is until the next turn. Returns its bytes. */
  look(address: number): number;
  /** Copies the rows from `from` up to `to` of what was looked at. */
  append(from: number, to: number): void;
  /** Hands over what was gathered and starts anew. */
  take(): ArrayData;
}

/** Makes the column for a field: flat values go straight to their place, all others through a copy of the array. */
export function createChunkColumn(field: ArrowField): ChunkColumn {
  const values = field.dictionary === null ? createValues(field) : null;
  return values === null ? new CopiedColumn(field) : new FlatColumn(field, values);
}

/** The values of a flat column, behind its validity. */
interface FlatValues {
  /** Buffers of an array, the validity among them. */
  readonly bufferCount: number;
  /** The bytes of the array that is looked at. */
  size(view: CArrayView): number;
  append(view: CArrayView, from: number, to: number): void;
  take(): Uint8Array[];
}

function createValues({ type }: ArrowField): FlatValues | null {
  if (type.kind === 'bool') return new BitValues();
  if (type.kind === 'utf8' || type.kind === 'binary') return new BinaryValues();
  const width = fixedByteWidth(type);
  return width === null ? null : new FixedValues(width);
}

class FlatColumn implements ChunkColumn {
  readonly #field: ArrowField;
  readonly #values: FlatValues;
  readonly #view = new CArrayView();
  readonly #scratch = new NativeScratch();
  readonly #validity = new NativeBits();
  #nullCount = 0;
  #length = 0;

  constructor(field: ArrowField, values: FlatValues) {
    this.#field = field;
    this.#values = values;
  }

  look(address: number): number {
    this.#view.look(address, this.#values.bufferCount);
    const bitmap = this.#view.buffer(0) === 0 ? 0 : Math.ceil(this.#view.length / 8);
    return bitmap + this.#values.size(this.#view);
  }

  append(from: number, to: number): void {
    if (to <= from) return;
    const nulls = this.#countNulls(from, to);
    if (nulls > 0 && this.#nullCount === 0) this.#validity.appendOnes(this.#length);
    this.#nullCount += nulls;
    if (nulls > 0) this.#validity.append(this.#view.buffer(0), from, to - from);
    else if (this.#nullCount > 0) this.#validity.appendOnes(to - from);
    this.#values.append(this.#view, from, to);
    this.#length += to - from;
  }

  take(): ArrayData {
    const nullCount = this.#nullCount;
    const length = this.#length;
    this.#nullCount = 0;
    this.#length = 0;
    return {
      field: this.#field,
      length,
      nullCount,
      buffers: [nullCount > 0 ? this.#validity.take() : null, ...this.#values.take()],
      children: [],
      dictionary: null,
    };
  }

  #countNulls(from: number, to: number): number {
    const { nullCount, length } = this.#view;
    const bitmap = this.#view.buffer(0);
    if (bitmap === 0 || nullCount === 0) return 0;
    if (nullCount > 0 && from === 0 && to === length) return nullCount;
    return this.#scratch.countUnset(bitmap, from, to);
  }
}

class BitValues implements FlatValues {
  readonly bufferCount = 2;
  readonly #bits = new NativeBits();

  size({ length }: CArrayView): number {
    return Math.ceil(length / 8);
  }

  append(view: CArrayView, from: number, to: number): void {
    this.#bits.append(view.buffer(1), from, to - from);
  }

  take(): Uint8Array[] {
    return [this.#bits.take()];
  }
}

class FixedValues implements FlatValues {
  readonly bufferCount = 2;
  readonly #width: number;
  readonly #values = new NativeBytes();

  constructor(width: number) {
    this.#width = width;
  }

  size({ length }: CArrayView): number {
    return length * this.#width;
  }

  append(view: CArrayView, from: number, to: number): void {
    this.#values.append(view.buffer(1) + from * this.#width, (to - from) * this.#width);
  }

  take(): Uint8Array[] {
    return [this.#values.take()];
  }
}

const offsetBytes = 4;
const mostDataBytes = 2 ** 31 - 1;

/** Texts and bytes behind 32-bit offsets. */
class BinaryValues implements FlatValues {
  readonly bufferCount = 3;
  readonly #offsets = new NativeBytes();
  readonly #data = new NativeBytes();
  readonly #scratch = new NativeScratch();
  /** The offsets' memory as numbers. */
  #numbers: Int32Array = new Int32Array(0);

  size(view: CArrayView): number {
    return (view.length + 1) * offsetBytes + this.#offsetAt(view, view.length);
  }

  append(view: CArrayView, from: number, to: number): void {
    const source = view.buffer(1);
    if (this.#offsets.length === 0) this.#offsets.appendZeros(offsetBytes);
    const first = this.#offsetAt(view, from);
    const at = this.#offsets.length / offsetBytes;
    this.#offsets.append(source + (from + 1) * offsetBytes, (to - from) * offsetBytes);
    const numbers = this.#offsetNumbers();
    const end = numbers[at + to - from - 1] ?? first;
    const shift = this.#data.length - first;
    if (end + shift > mostDataBytes)
      throw new ArrowportError('TYPE_UNSUPPORTED', 'A batch of text or bytes has 2 GiB or more.');
    if (shift !== 0)
      for (let row = at; row < at + to - from; row += 1) numbers[row] = (numbers[row] ?? 0) + shift;
    this.#data.append(view.buffer(2) + first, end - first);
  }

  take(): Uint8Array[] {
    if (this.#offsets.length === 0) this.#offsets.appendZeros(offsetBytes);
    return [this.#offsets.take(), this.#data.take()];
  }

  #offsetAt(view: CArrayView, row: number): number {
    if (row === 0 || view.buffer(1) === 0) return 0;
    const bytes = this.#scratch.read(view.buffer(1) + row * offsetBytes, offsetBytes);
    return new DataView(bytes.buffer).getInt32(0, true);
  }

  #offsetNumbers(): Int32Array {
    const { buffer } = this.#offsets.bytes;
    if (this.#numbers.buffer !== buffer) this.#numbers = new Int32Array(buffer);
    return this.#numbers;
  }
}

/** Nested, dictionary-encoded and view arrays: copied whole, then gathered. */
class CopiedColumn implements ChunkColumn {
  readonly #field: ArrowField;
  readonly #memory = new CopiedMemory();
  readonly #gatherer: ArrayGatherer;
  #array: ArrayData | null = null;

  constructor(field: ArrowField) {
    this.#field = field;
    this.#gatherer = createArrayGatherer(field);
  }

  look(address: number): number {
    this.#memory.reset();
    this.#array = copyArray(BigInt(address), this.#field, this.#memory);
    return byteSize(this.#array);
  }

  append(from: number, to: number): void {
    if (this.#array !== null) this.#gatherer.append(this.#array, from, to);
  }

  take(): ArrayData {
    return this.#gatherer.take();
  }
}
