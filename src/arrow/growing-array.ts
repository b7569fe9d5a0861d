import type { ArrayData } from '../core/array-data.ts';
import { describeType } from '../core/schema.ts';
import { fixedByteWidth, offsetByteWidth } from './array-layout.ts';
import { malformed, unsupportedType } from './ipc-error.ts';
import { isValid } from './validate-bits.ts';
import { offsetAt } from './validate-offsets.ts';

const INT32_MAX = 2 ** 31 - 1;
const VIEW_BYTES = 16;
const INLINE_BYTES = 12;

/** An array that grows at its end, at a cost that goes with what is added, not with what is there. */
export interface GrowingArray {
  /**
   * Adds the values of a checked array of the same field. Arrays returned before stay as they are: only memory behind
   * them is written. Throws IPC_MALFORMED when 32-bit offsets would overflow.
   */
  append(values: ArrayData): ArrayData;
}

/** A growing array that starts with a copy of `values`. Throws TYPE_UNSUPPORTED for nested and dictionary-encoded types. */
export function createGrowingArray(values: ArrayData): GrowingArray {
  const layout = createLayout(values);
  if (layout === null) {
    throw unsupportedType(
      `a delta to a dictionary of ${describeType(values.field)} is not supported; send whole dictionaries.`,
      values.field.name,
    );
  }
  const growing = new LayoutArray(layout);
  growing.append(values);
  return growing;
}

/** The buffers behind the validity bitmap, of one kind of layout. */
interface Layout {
  append(values: ArrayData, length: number): void;
  buffers(length: number): Uint8Array[];
}

function createLayout({ field }: ArrayData): Layout | null {
  const width = fixedByteWidth(field.type);
  if (width !== null) return new FixedLayout(width);
  switch (field.type.kind) {
    case 'null':
      return { append: () => undefined, buffers: () => [] };
    case 'bool':
      return new BitLayout();
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
      return new BinaryLayout(offsetByteWidth(field.type) ?? 4);
    case 'utf8-view':
    case 'binary-view':
      return new ViewLayout();
    default:
      return null;
  }
}

class LayoutArray implements GrowingArray {
  readonly #layout: Layout;
  readonly #validity = new BitLayout();
  #length = 0;
  #nullCount = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  append(values: ArrayData): ArrayData {
    const { field, children, dictionary } = values;
    this.#layout.append(values, this.#length);
    this.#validity.appendBits(values.buffers[0] ?? null, this.#length, values.length);
    this.#length += values.length;
    this.#nullCount += values.nullCount;
    const buffers: (Uint8Array | null)[] = this.#layout.buffers(this.#length);
    if (field.type.kind !== 'null') {
      buffers.unshift(this.#nullCount === 0 ? null : (this.#validity.buffers(this.#length)[0] ?? null));
    }
    return { field, children, dictionary, length: this.#length, nullCount: this.#nullCount, buffers };
  }
}

/** Memory that doubles when it is full. There are always a few bytes behind what is in use. */
class GrowingBuffer {
  bytes: Uint8Array = new Uint8Array(256);

  /** Makes room for `length` bytes in all. */
  reserve(length: number): void {
    if (length + 8 <= this.bytes.byteLength) return;
    const larger = new Uint8Array(Math.max(length + 8, this.bytes.byteLength * 2));
    larger.set(this.bytes);
    this.bytes = larger;
  }

  write(bytes: Uint8Array, position: number): void {
    this.reserve(position + bytes.byteLength);
    this.bytes.set(bytes, position);
  }

  /** The first `length` bytes; never an empty view, so that it has an address. */
  view(length: number): Uint8Array {
    return this.bytes.subarray(0, Math.max(length, 8));
  }
}

function bufferOf(values: ArrayData, index: number): Uint8Array {
  return values.buffers[index] ?? new Uint8Array(0);
}

class FixedLayout implements Layout {
  readonly #width: number;
  readonly #values = new GrowingBuffer();

  constructor(width: number) {
    this.#width = width;
  }

  append(values: ArrayData, length: number): void {
    this.#values.write(bufferOf(values, 1).subarray(0, values.length * this.#width), length * this.#width);
  }

  buffers(length: number): Uint8Array[] {
    return [this.#values.view(length * this.#width)];
  }
}

class BitLayout implements Layout {
  readonly #bits = new GrowingBuffer();

  append(values: ArrayData, length: number): void {
    this.appendBits(bufferOf(values, 1), length, values.length);
  }

  /** Adds `count` bits behind the `length` that are there; an absent bitmap stands for all ones. */
  appendBits(bitmap: Uint8Array | null, length: number, count: number): void {
    this.#bits.reserve(Math.ceil((length + count) / 8));
    const { bytes } = this.#bits;
    for (let index = 0; index < count; index++) {
      const bit = length + index;
      const mask = 1 << (bit & 7);
      const byte = bytes[bit >>> 3] as number;
      bytes[bit >>> 3] = isValid(bitmap, index) ? byte | mask : byte & ~mask;
    }
  }

  buffers(length: number): Uint8Array[] {
    return [this.#bits.view(Math.ceil(length / 8))];
  }
}

class BinaryLayout implements Layout {
  readonly #offsetBytes: 4 | 8;
  readonly #offsets = new GrowingBuffer();
  readonly #data = new GrowingBuffer();
  #dataLength = 0;

  constructor(offsetBytes: 4 | 8) {
    this.#offsetBytes = offsetBytes;
  }

  append(values: ArrayData, length: number): void {
    const source = bufferOf(values, 1);
    const start = offsetAt(source, 0, this.#offsetBytes);
    const end = offsetAt(source, values.length, this.#offsetBytes);
    const shift = this.#dataLength - start;
    if (this.#offsetBytes === 4) requireInt32(end + shift, values);
    this.#offsets.reserve((length + values.length + 1) * this.#offsetBytes);
    const view = new DataView(this.#offsets.bytes.buffer);
    for (let index = 1; index <= values.length; index++) {
      const offset = offsetAt(source, index, this.#offsetBytes) + shift;
      const position = (length + index) * this.#offsetBytes;
      view.setUint32(position, offset % 4294967296, true);
      if (this.#offsetBytes === 8) view.setUint32(position + 4, Math.floor(offset / 4294967296), true);
    }
    this.#data.write(bufferOf(values, 2).subarray(start, end), this.#dataLength);
    this.#dataLength += end - start;
  }

  buffers(length: number): Uint8Array[] {
    return [this.#offsets.view((length + 1) * this.#offsetBytes), this.#data.view(this.#dataLength)];
  }
}

/** Views over one data buffer, which holds the values of all that was added. */
class ViewLayout implements Layout {
  readonly #views = new GrowingBuffer();
  readonly #data = new GrowingBuffer();
  #dataLength = 0;

  append(values: ArrayData, length: number): void {
    const shifts: number[] = [];
    for (const data of values.buffers.slice(2)) {
      shifts.push(this.#dataLength);
      this.#data.write(data ?? new Uint8Array(0), this.#dataLength);
      this.#dataLength += data?.byteLength ?? 0;
    }
    requireInt32(this.#dataLength, values);
    this.#views.write(bufferOf(values, 1).subarray(0, values.length * VIEW_BYTES), length * VIEW_BYTES);
    const words = new Int32Array(this.#views.bytes.buffer, length * VIEW_BYTES, values.length * 4);
    const validity = values.buffers[0] ?? null;
    for (let index = 0; index < values.length; index++) {
      if ((words[4 * index] as number) <= INLINE_BYTES || !isValid(validity, index)) continue;
      const shift = shifts[words[4 * index + 2] as number] ?? 0;
      words[4 * index + 2] = 0;
      words[4 * index + 3] = (words[4 * index + 3] as number) + shift;
    }
  }

  buffers(length: number): Uint8Array[] {
    return [this.#views.view(length * VIEW_BYTES), this.#data.view(this.#dataLength)];
  }
}

function requireInt32(end: number, values: ArrayData): void {
  if (end <= INT32_MAX) return;
  throw malformed('the values of its dictionary are too long for 32-bit offsets.', values.field.name);
}
