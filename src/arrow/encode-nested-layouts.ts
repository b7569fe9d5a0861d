import type { ArrayData } from '../core/array-data.ts';
import { ArrowportError } from '../errors.ts';
import {
  type ArrayGatherer,
  bufferAt,
  NullLayout,
  OffsetVector,
  readIntegers,
  tooLong,
} from './encode-layouts.ts';
import { ByteVector } from './encode-vectors.ts';

/** Lists and maps: offsets into one child. */
export class ListLayout extends NullLayout {
  readonly #offsets: OffsetVector;
  readonly #items: ArrayGatherer;

  constructor(offsetWidth: 4 | 8, items: ArrayGatherer) {
    super();
    this.#offsets = new OffsetVector(offsetWidth);
    this.#items = items;
  }

  override get reservedBytes(): number {
    return this.#offsets.reservedBytes + this.#items.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    const { start, end } = this.#offsets.append(array.buffers[1], from, to);
    this.#items.append(childAt(array, 0), start, end);
  }

  override appendEmpty(count: number): void {
    this.#offsets.appendEmpty(count);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#offsets.take()];
  }

  override takeChildren(): ArrayData[] {
    return [this.#items.take()];
  }
}

/** List views: offsets and sizes, whose items are put in the order of the rows. */
export class ListViewLayout extends NullLayout {
  readonly #width: 4 | 8;
  readonly #offsets = new ByteVector();
  readonly #sizes = new ByteVector();
  readonly #items: ArrayGatherer;

  constructor(offsetWidth: 4 | 8, items: ArrayGatherer) {
    super();
    this.#width = offsetWidth;
    this.#items = items;
  }

  override get reservedBytes(): number {
    return this.#offsets.reservedBytes + this.#sizes.reservedBytes + this.#items.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    const bitWidth = this.#width === 4 ? 32 : 64;
    const offsets = readIntegers(array.buffers[1], bitWidth, true);
    const sizes = readIntegers(array.buffers[2], bitWidth, true);
    const bits = array.nullCount > 0 ? array.buffers[0] : null;
    for (let row = from; row < to; row += 1) {
      const isNull = bits && ((bits[row >> 3] ?? 0) & (1 << (row & 7))) === 0;
      const size = isNull ? 0 : Number(sizes[row]);
      const offset = Number(offsets[row]);
      this.#push(this.#items.length, size);
      this.#items.append(childAt(array, 0), offset, offset + size);
    }
  }

  override appendEmpty(count: number): void {
    for (let row = 0; row < count; row += 1) this.#push(this.#items.length, 0);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#offsets.take(), this.#sizes.take()];
  }

  override takeChildren(): ArrayData[] {
    return [this.#items.take()];
  }

  #push(offset: number, size: number): void {
    if (this.#width === 8) {
      this.#offsets.extend(8).writeBigInt64LE(BigInt(offset));
      this.#sizes.extend(8).writeBigInt64LE(BigInt(size));
      return;
    }
    if (offset + size > 0x7fffffff) throw tooLong();
    this.#offsets.extend(4).writeInt32LE(offset);
    this.#sizes.extend(4).writeInt32LE(size);
  }
}

/** Lists of one size: a child of that many rows a row. */
export class FixedSizeListLayout extends NullLayout {
  readonly #size: number;
  readonly #items: ArrayGatherer;

  constructor(size: number, items: ArrayGatherer) {
    super();
    this.#size = size;
    this.#items = items;
  }

  override get reservedBytes(): number {
    return this.#items.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    this.#items.append(childAt(array, 0), from * this.#size, to * this.#size);
  }

  override appendEmpty(count: number): void {
    this.#items.appendNulls(count * this.#size);
  }

  override takeChildren(): ArrayData[] {
    return [this.#items.take()];
  }
}

/** Structs: children of as many rows. */
export class StructLayout extends NullLayout {
  readonly #children: readonly ArrayGatherer[];

  constructor(children: readonly ArrayGatherer[]) {
    super();
    this.#children = children;
  }

  override get reservedBytes(): number {
    return sumReserved(this.#children);
  }

  override append(array: ArrayData, from: number, to: number): void {
    this.#children.forEach((child, index) => {
      child.append(childAt(array, index), from, to);
    });
  }

  override appendEmpty(count: number): void {
    for (const child of this.#children) child.appendNulls(count);
  }

  override takeChildren(): ArrayData[] {
    return this.#children.map((child) => child.take());
  }
}

/** Sparse unions: type ids, and children of as many rows. */
export class SparseUnionLayout extends StructLayout {
  readonly #typeIds = new ByteVector();
  readonly #emptyTypeId: number;

  constructor(typeIds: readonly number[], children: readonly ArrayGatherer[]) {
    super(children);
    this.#emptyTypeId = typeIds[0] ?? 0;
  }

  override get reservedBytes(): number {
    return this.#typeIds.reservedBytes + super.reservedBytes;
  }

  override append(array: ArrayData, from: number, to: number): void {
    this.#typeIds.append(bufferAt(array, 0).subarray(from, to));
    super.append(array, from, to);
  }

  override appendEmpty(count: number): void {
    this.#typeIds.extend(count).fill(this.#emptyTypeId);
    super.appendEmpty(count);
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#typeIds.take()];
  }
}

/** Dense unions: type ids, and each row's place in the child of its type. */
export class DenseUnionLayout extends NullLayout {
  readonly #childOfTypeId: ReadonlyMap<number, number>;
  readonly #children: readonly ArrayGatherer[];
  readonly #typeIds = new ByteVector();
  readonly #offsets = new ByteVector();
  readonly #emptyTypeId: number;

  constructor(typeIds: readonly number[], children: readonly ArrayGatherer[]) {
    super();
    this.#childOfTypeId = new Map(typeIds.map((typeId, index) => [typeId, index]));
    this.#children = children;
    this.#emptyTypeId = typeIds[0] ?? 0;
  }

  override get reservedBytes(): number {
    return this.#typeIds.reservedBytes + this.#offsets.reservedBytes + sumReserved(this.#children);
  }

  override append(array: ArrayData, from: number, to: number): void {
    const typeIds = readIntegers(array.buffers[0], 8, true);
    const offsets = readIntegers(array.buffers[1], 32, true);
    for (let row = from; row < to; row += 1) {
      const typeId = Number(typeIds[row]);
      const index = this.#childOfTypeId.get(typeId) ?? 0;
      const offset = Number(offsets[row]);
      this.#push(typeId, (child) => child.append(childAt(array, index), offset, offset + 1));
    }
  }

  override appendEmpty(count: number): void {
    for (let row = 0; row < count; row += 1) this.#push(this.#emptyTypeId, (child) => child.appendNulls(1));
  }

  override takeBuffers(): Uint8Array[] {
    return [this.#typeIds.take(), this.#offsets.take()];
  }

  override takeChildren(): ArrayData[] {
    return this.#children.map((child) => child.take());
  }

  #push(typeId: number, appendTo: (child: ArrayGatherer) => void): void {
    const child = this.#children[this.#childOfTypeId.get(typeId) ?? 0];
    if (child === undefined) return;
    this.#typeIds.extend(1).writeInt8(typeId);
    this.#offsets.extend(4).writeInt32LE(child.length);
    appendTo(child);
  }
}

function sumReserved(children: readonly ArrayGatherer[]): number {
  return children.reduce((sum, child) => sum + child.reservedBytes, 0);
}

function childAt(array: ArrayData, index: number): ArrayData {
  const child = array.children[index];
  if (!child) throw new ArrowportError('IPC_MALFORMED', `Column ${array.field.name} lacks a child.`);
  return child;
}
