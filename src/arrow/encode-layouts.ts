import type { ArrayData } from '../core/array-data.ts';
import type { ArrowField } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import { BitVector, ByteVector } from './encode-vectors.ts';

/**
 * Collects ranges of arrays of one field into one new array; what is appended is copied, so it may be reused.
 * Dictionary-encoded and run-end-encoded input comes out as its values: `field` says how the result is typed.
 */
export interface ArrayGatherer {
  readonly field: ArrowField;
  readonly length: number;
  /** Bytes of memory that are taken for what is being gathered. */
  readonly reservedBytes: number;
  /** Appends the rows from `from` up to `to`. */
  append(array: ArrayData, from: number, to: number): void;
  appendNulls(count: number): void;
  /** Hands the gathered array over and starts anew. */
  take(): ArrayData;
}

/** Where the values of one layout go; validity is kept by the gatherer around it. */
export interface Layout {
  readonly reservedBytes: number;
  append(array: ArrayData, from: number, to: number): void;
  /** Appends `count` slots without meaning, for nulls. */
  appendEmpty(count: number): void;
  takeBuffers(): (Uint8Array | null)[];
  takeChildren(): ArrayData[];
}

/** No values at all. */
export class NullLayout implements Layout {
  get reservedBytes(): number {
    return 0;
  }

  append(_array: ArrayData, _from: number, _to: number): void {}

  appendEmpty(_count: number): void {}

  takeBuffers(): Uint8Array[] {
    return [];
  }

  takeChildren(): ArrayData[] {
    return [];
  }
}

/** Booleans, a bit each. */
export class BitLayout extends NullLayout {
  readonly #bits = new BitVector();

  override get reservedBytes(): number {
    return this.#bits.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    this.#bits.append(bufferAt(array, 1), from, to - from);
  }

  override appendEmpty(count: number): void {
    this.#bits.appendRepeated(0, count);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#bits.take()];
  }
}

/** Values of the same number of bytes each. */
export class FixedWidthLayout extends NullLayout {
  readonly #values = new ByteVector();
  readonly #byteWidth: number;

  constructor(byteWidth: number) {
    super();
    this.#byteWidth = byteWidth;
  }

  override get reservedBytes(): number {
    return this.#values.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    this.#values.append(bufferAt(array, 1).subarray(from * this.#byteWidth, to * this.#byteWidth));
  }

  override appendEmpty(count: number): void {
    this.#values.appendZeros(count * this.#byteWidth);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#values.take()];
  }
}

/** Offsets that grow by what is appended behind them. */
export class OffsetVector {
  readonly #bytes = new ByteVector();
  readonly #width: 4 | 8;
  #end = 0;

  constructor(width: 4 | 8) {
    this.#width = width;
  }

  get reservedBytes(): number {
    return this.#bytes.reservedBytes;
  }

  /** Appends the ends of the rows from `from` up to `to`, and returns the range of values they span. */
  append(offsets: Uint8Array | null | undefined, from: number, to: number): { start: number; end: number } {
    const source = readIntegers(offsets, this.#width === 4 ? 32 : 64, true);
    const start = Number(source[from]);
    const end = Number(source[to]);
    const target = this.#extend(to - from);
    if (target instanceof Int32Array) {
      const shift = this.#end - start;
      if (end + shift > 0x7fffffff) throw tooLong();
      for (let row = from; row < to; row += 1) target[row - from] = Number(source[row + 1]) + shift;
    } else {
      const shift = BigInt(this.#end - start);
      for (let row = from; row < to; row += 1) target[row - from] = BigInt(source[row + 1] ?? 0) + shift;
    }
    this.#end += end - start;
    return { start, end };
  }

  appendEmpty(count: number): void {
    const target = this.#extend(count);
    if (target instanceof Int32Array) target.fill(this.#end);
    else target.fill(BigInt(this.#end));
  }

  take(): Uint8Array {
    if (this.#bytes.length === 0) this.#bytes.appendZeros(this.#width);
    this.#end = 0;
    return this.#bytes.take();
  }

  #extend(count: number): Int32Array | BigInt64Array {
    if (this.#bytes.length === 0) this.#bytes.appendZeros(this.#width);
    const { buffer, byteOffset } = this.#bytes.extend(count * this.#width);
    return this.#width === 4
      ? new Int32Array(buffer, byteOffset, count)
      : new BigInt64Array(buffer, byteOffset, count);
  }
}

/** Byte strings behind offsets. */
export class BinaryLayout extends NullLayout {
  readonly #offsets: OffsetVector;
  readonly #bytes = new ByteVector();

  constructor(offsetWidth: 4 | 8) {
    super();
    this.#offsets = new OffsetVector(offsetWidth);
  }

  override get reservedBytes(): number {
    return this.#offsets.reservedBytes + this.#bytes.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    const { start, end } = this.#offsets.append(array.buffers[1], from, to);
    if (end > start) this.#bytes.append(bufferAt(array, 2).subarray(start, end));
  }

  override appendEmpty(count: number): void {
    this.#offsets.appendEmpty(count);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#offsets.take(), this.#bytes.take()];
  }
}

const viewBytes = 16;
const longestInlineView = 12;

/** Views; long values are copied into one buffer, so that a part of an array does not carry the whole one's. */
export class ViewLayout extends NullLayout {
  readonly #views = new ByteVector();
  #full: Uint8Array[] = [];
  readonly #bytes = new ByteVector();

  override get reservedBytes(): number {
    const full = this.#full.reduce((sum, bytes) => sum + bytes.length, 0);
    return this.#views.reservedBytes + this.#bytes.reservedBytes + full;
  }

  override append(array: ArrayData, from: number, to: number): void {
    const source = bufferAt(array, 1);
    const target = this.#views.extend((to - from) * viewBytes);
    target.set(source.subarray(from * viewBytes, to * viewBytes));
    const bits = array.nullCount > 0 ? array.buffers[0] : null;
    for (let at = 0, row = from; row < to; at += viewBytes, row += 1) {
      const length = target.readInt32LE(at);
      if (bits && ((bits[row >> 3] ?? 0) & (1 << (row & 7))) === 0) target.fill(0, at, at + viewBytes);
      else if (length > longestInlineView) this.#moveValue(array, target, at, length);
    }
  }

  override appendEmpty(count: number): void {
    this.#views.appendZeros(count * viewBytes);
  }

  override takeBuffers(): Uint8Array[] {
    const buffers = this.#bytes.length > 0 ? [...this.#full, this.#bytes.take()] : this.#full;
    this.#full = [];
    return [this.#views.take(), ...buffers];
  }

  #moveValue(array: ArrayData, target: Buffer, at: number, length: number): void {
    const buffer = bufferAt(array, 2 + target.readInt32LE(at + 8));
    const start = target.readInt32LE(at + 12);
    if (this.#bytes.length + length > 0x7fffffff) this.#full.push(this.#bytes.take());
    target.writeInt32LE(this.#full.length, at + 8);
    target.writeInt32LE(this.#bytes.length, at + 12);
    this.#bytes.append(buffer.subarray(start, start + length));
  }
}

/** A buffer as the integers in it; an absent one has none. */
export function readIntegers(
  buffer: Uint8Array | null | undefined,
  bitWidth: 8 | 16 | 32 | 64,
  signed: boolean,
): ArrayLike<number> | ArrayLike<bigint> {
  const { buffer: memory, byteOffset, length } = buffer ?? new Uint8Array(0);
  const count = Math.floor(length / (bitWidth / 8));
  switch (bitWidth) {
    case 8:
      return signed ? new Int8Array(memory, byteOffset, count) : new Uint8Array(memory, byteOffset, count);
    case 16:
      return signed ? new Int16Array(memory, byteOffset, count) : new Uint16Array(memory, byteOffset, count);
    case 32:
      return signed ? new Int32Array(memory, byteOffset, count) : new Uint32Array(memory, byteOffset, count);
    case 64:
      return signed
        ? new BigInt64Array(memory, byteOffset, count)
        : new BigUint64Array(memory, byteOffset, count);
  }
}

/** A buffer that the layout must have. Throws IPC_MALFORMED. */
export function bufferAt(array: ArrayData, index: number): Uint8Array {
  const buffer = array.buffers[index];
  if (!buffer) throw new ArrowportError('IPC_MALFORMED', `Column ${array.field.name} lacks a buffer.`);
  return buffer;
}

/** Why a gathered column cannot grow: its offsets are 32 bits wide. */
export function tooLong(): ArrowportError {
  return new ArrowportError(
    'BODY_TOO_LARGE',
    'A record batch would hold more than 2 GiB in one column: gather fewer rows.',
  );
}
