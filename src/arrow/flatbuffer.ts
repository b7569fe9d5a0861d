import { malformed } from './ipc-error.ts';

/** Where a vector's elements stand in the buffer. */
export interface FlatVector {
  /** Byte position of the first element. */
  readonly start: number;
  readonly length: number;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const MAX_DEPTH = 192;

/**
 * A flatbuffer whose every read is checked against its bytes; anything that points outside, is misaligned or is
 * nested without end throws IPC_MALFORMED. The work and memory a reader can be made to spend is bounded by the
 * buffer's size: strings count against a budget also where they share bytes.
 * @see https://flatbuffers.dev/internals/
 */
export class FlatBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #stringBudget: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#stringBudget = bytes.byteLength * 2 + 4096;
  }

  /** The root table. */
  root(): FlatTable {
    this.require(0, 4, 4);
    return new FlatTable(this, this.view.getUint32(0, true), 0);
  }

  /** Throws unless `size` bytes stand at `position`, which is a multiple of `alignment`. */
  require(position: number, size: number, alignment: number): void {
    if (position < 0 || position + size > this.bytes.byteLength) {
      throw malformed('The metadata of a message points outside itself.');
    }
    if (position % alignment !== 0) throw malformed('The metadata of a message is misaligned.');
  }

  /** The position that the 32-bit offset at `position` points to. */
  follow(position: number): number {
    this.require(position, 4, 4);
    return position + this.view.getUint32(position, true);
  }

  /** The vector that the offset at `position` points to, with elements of `elementSize` bytes. */
  vectorAt(position: number, elementSize: number): FlatVector {
    const target = this.follow(position);
    this.require(target, 4, 4);
    const length = this.view.getUint32(target, true);
    this.require(target + 4, length * elementSize, 1);
    return { start: target + 4, length };
  }

  /** The string that the offset at `position` points to. */
  stringAt(position: number): string {
    const { start, length } = this.vectorAt(position, 1);
    this.#stringBudget -= length;
    if (this.#stringBudget < 0)
      throw malformed('The metadata of a message repeats its texts beyond measure.');
    try {
      return UTF8.decode(this.bytes.subarray(start, start + length));
    } catch {
      throw malformed('A text in the metadata of a message is not valid UTF-8.');
    }
  }

  /** The 64-bit integer at `position`, which must be exact as a number. */
  integerAt(position: number): number {
    const value = this.view.getInt32(position + 4, true) * 4294967296 + this.view.getUint32(position, true);
    if (!Number.isSafeInteger(value)) throw malformed('A 64-bit length in the metadata is out of range.');
    return value;
  }
}

/** One table of a {@link FlatBuffer}; `slot` is the field's number in its .fbs definition, counted from 0. */
export class FlatTable {
  readonly buffer: FlatBuffer;
  readonly depth: number;
  readonly #position: number;
  readonly #size: number;
  readonly #vtable: number;
  readonly #vtableSize: number;

  constructor(buffer: FlatBuffer, position: number, depth: number) {
    if (depth > MAX_DEPTH) throw malformed('The metadata of a message is nested too deeply.');
    buffer.require(position, 4, 4);
    const vtable = position - buffer.view.getInt32(position, true);
    buffer.require(vtable, 4, 2);
    const vtableSize = buffer.view.getUint16(vtable, true);
    const size = buffer.view.getUint16(vtable + 2, true);
    if (vtableSize < 4 || vtableSize % 2 !== 0 || size < 4) {
      throw malformed('A table in the metadata of a message is damaged.');
    }
    buffer.require(vtable, vtableSize, 2);
    buffer.require(position, size, 4);
    this.buffer = buffer;
    this.depth = depth;
    this.#position = position;
    this.#size = size;
    this.#vtable = vtable;
    this.#vtableSize = vtableSize;
  }

  /** Byte position of a field of `size` bytes; 0 when the table does not have it. */
  find(slot: number, size: number): number {
    const entry = 4 + 2 * slot;
    if (entry + 2 > this.#vtableSize) return 0;
    const offset = this.buffer.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + size > this.#size) {
      throw malformed('A table in the metadata of a message is damaged.');
    }
    return this.#position + offset;
  }

  uint8(slot: number, fallback: number): number {
    const position = this.find(slot, 1);
    return position === 0 ? fallback : this.buffer.view.getUint8(position);
  }

  int16(slot: number, fallback: number): number {
    const position = this.find(slot, 2);
    return position === 0 ? fallback : this.buffer.view.getInt16(position, true);
  }

  int32(slot: number, fallback: number): number {
    const position = this.find(slot, 4);
    return position === 0 ? fallback : this.buffer.view.getInt32(position, true);
  }

  bool(slot: number): boolean {
    return this.uint8(slot, 0) !== 0;
  }

  /** A 64-bit integer as an exact number; 0 when absent. */
  integer(slot: number): number {
    const position = this.find(slot, 8);
    return position === 0 ? 0 : this.buffer.integerAt(position);
  }

  /** A 64-bit integer; 0 when absent. */
  bigint(slot: number): bigint {
    const position = this.find(slot, 8);
    return position === 0 ? 0n : this.buffer.view.getBigInt64(position, true);
  }

  /** A string; undefined when absent. */
  string(slot: number): string | undefined {
    const position = this.find(slot, 4);
    return position === 0 ? undefined : this.buffer.stringAt(position);
  }

  /** A table; undefined when absent. */
  table(slot: number): FlatTable | undefined {
    const position = this.find(slot, 4);
    if (position === 0) return undefined;
    return new FlatTable(this.buffer, this.buffer.follow(position), this.depth + 1);
  }

  /** A vector of elements of `elementSize` bytes; empty when absent. */
  vector(slot: number, elementSize: number): FlatVector {
    const position = this.find(slot, 4);
    return position === 0 ? { start: 0, length: 0 } : this.buffer.vectorAt(position, elementSize);
  }

  /** The table that element `index` of a vector of tables points to. */
  element(vector: FlatVector, index: number): FlatTable {
    return new FlatTable(this.buffer, this.buffer.follow(vector.start + 4 * index), this.depth + 1);
  }
}
