/** Smaller pieces are nothing to the collector. */
const SMALLEST_FREED_BYTES = 8 * 1024;

/** Bytes that grow at their end; `take` hands the memory over and starts anew. */
export class ByteVector {
  #bytes: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #length = 0;
  /** What was taken last: the next is likely to be as long, and growing to it step by step copies as much again. */
  #expectedLength = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory that are taken for it. */
  get reservedBytes(): number {
    return this.#bytes.length;
  }

  append(source: Uint8Array): void {
    this.extend(source.length).set(source);
  }

  appendZeros(count: number): void {
    this.extend(count).fill(0);
  }

  /** Grows by `count` bytes and returns them, uninitialized, at 8-byte alignment if the length had it. */
  extend(count: number): Buffer {
    const start = this.#length;
    this.#reserve(start + count);
    this.#length = start + count;
    return this.#bytes.subarray(start, this.#length);
  }

  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#expectedLength = taken.length;
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    // Not from Node's pool: vectors are viewed as wider numbers, so their memory starts aligned.
    const likely = this.#bytes.length === 0 ? this.#expectedLength : this.#bytes.length * 2;
    const grown = Buffer.allocUnsafeSlow(Math.max(1024, length, likely));
    grown.set(this.#bytes.subarray(0, this.#length));
    // Nobody keeps what extend returned; left to the collector, outgrown memory piles up.
    if (this.#bytes.length >= SMALLEST_FREED_BYTES) this.#bytes.buffer.transfer(0);
    this.#bytes = grown;
  }
}

/** Bits in Arrow's order (least significant first) that grow at their end. */
export class BitVector {
  #bytes = new ByteVector();
  #last: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get reservedBytes(): number {
    return this.#bytes.reservedBytes;
  }

  /** Appends `count` bits of `source`, from bit `from` on. */
  append(source: Uint8Array, from: number, count: number): void {
    if (count > 0 && this.#length % 8 === 0 && from % 8 === 0) {
      const start = from / 8;
      const bytes = Math.ceil(count / 8);
      const target = this.#bytes.extend(bytes);
      target.set(source.subarray(start, start + bytes));
      this.#last = target.subarray(bytes - 1);
      this.#length += count;
      return;
    }
    for (let done = 0; done < count; ) {
      const taken = Math.min(8, count - done);
      this.#appendByte(readBits(source, from + done), taken);
      done += taken;
    }
  }

  appendRepeated(bit: 0 | 1, count: number): void {
    const byte = bit === 1 ? 0xff : 0;
    let left = count;
    const head = Math.min(left, (8 - (this.#length % 8)) % 8);
    if (head > 0) this.#appendByte(byte, head);
    left -= head;
    if (left === 0) return;
    const target = this.#bytes.extend(Math.ceil(left / 8)).fill(byte);
    this.#last = target.subarray(target.length - 1);
    this.#length += left;
  }

  take(): Uint8Array {
    this.#length = 0;
    this.#last = Buffer.alloc(0);
    return this.#bytes.take();
  }

  /** Appends the lowest `count` (1 to 8) bits of `value`. */
  #appendByte(value: number, count: number): void {
    const used = this.#length % 8;
    if (used === 0) {
      this.#last = this.#bytes.extend(1);
      this.#last[0] = value;
    } else {
      const kept = (this.#last[0] ?? 0) & ((1 << used) - 1);
      this.#last[0] = kept | (value << used);
      if (used + count > 8) {
        this.#last = this.#bytes.extend(1);
        this.#last[0] = value >> (8 - used);
      }
    }
    this.#length += count;
  }
}

/** Whether bit `index` is set. */
export function isBitSet(bits: Uint8Array, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/** How many of the bits from `from` up to `to` are not set. */
export function countUnsetBits(bits: Uint8Array, from: number, to: number): number {
  let unset = 0;
  let index = from;
  for (; index < to && index % 8 !== 0; index += 1) unset += isBitSet(bits, index) ? 0 : 1;
  for (; index + 8 <= to; index += 8) unset += 8 - (setBitsOfByte[bits[index >> 3] ?? 0] ?? 0);
  for (; index < to; index += 1) unset += isBitSet(bits, index) ? 0 : 1;
  return unset;
}

const setBitsOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

function readBits(source: Uint8Array, from: number): number {
  const shift = from & 7;
  const first = source[from >> 3] ?? 0;
  if (shift === 0) return first;
  return (first >> shift) | (((source[(from >> 3) + 1] ?? 0) << (8 - shift)) & 0xff);
}
