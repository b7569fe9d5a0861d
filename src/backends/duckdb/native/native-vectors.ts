import { countUnsetBits } from '../../../arrow/encode-vectors.ts';
import { addressOf } from './address.ts';
import { copyBetween } from './native-memory.ts';

const smallestBytes = 1024;

/** Bytes that grow at their end by copies of native memory; `take` hands them over and starts anew. */
export class NativeBytes {
  #bytes: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #address = 0;
  #length = 0;
  /** What was taken last: the next is likely to be as long, and growing to it step by step copies as much again. */
  #expectedLength = 0;

  get length(): number {
    return this.#length;
  }

  /** The memory from its start on, with what has not been reached yet; valid until the next growth. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  append(address: number, count: number): void {
    const start = this.extend(count);
    if (count > 0) copyBetween(this.#address + start, address, count);
  }

  appendZeros(count: number): void {
    const start = this.extend(count);
    this.#bytes.fill(0, start, start + count);
  }

  /** Grows by `count` bytes, uninitialized, and returns where in `bytes` they start. */
  extend(count: number): number {
    const start = this.#length;
    this.#reserve(start + count);
    this.#length = start + count;
    return start;
  }

  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#expectedLength = this.#length;
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const likely = this.#bytes.length === 0 ? this.#expectedLength : this.#bytes.length * 2;
    // Not from Node's pool: memory of its own can be handed to another thread, and freed.
    const grown = Buffer.allocUnsafeSlow(Math.max(smallestBytes, length, likely));
    grown.set(this.#bytes.subarray(0, this.#length));
    // Nobody has seen it but this; left to the collector, outgrown memory piles up.
    if (this.#bytes.length > 0) this.#bytes.buffer.transfer(0);
    this.#bytes = grown;
    this.#address = Number(addressOf(grown));
  }
}

/** Bits in Arrow's order (least significant first) that grow at their end. */
export class NativeBits {
  readonly #bytes = new NativeBytes();
  readonly #source = new NativeScratch();
  #length = 0;

  /** Appends `count` bits, from bit `from` of the bitmap at an address on. */
  append(address: number, from: number, count: number): void {
    if (this.#length % 8 === 0 && from % 8 === 0) {
      this.#bytes.append(address + from / 8, Math.ceil(count / 8));
      this.#length += count;
      return;
    }
    const bits = this.#source.read(address + (from >> 3), Math.ceil(((from & 7) + count) / 8));
    for (let done = 0; done < count; done += 8) {
      this.#appendByte(readByte(bits, (from & 7) + done), Math.min(8, count - done));
    }
  }

  appendOnes(count: number): void {
    for (let done = 0; done < count; ) {
      const taken = Math.min(8 - (this.#length % 8), count - done);
      this.#appendByte(0xff, taken);
      done += taken;
    }
  }

  take(): Uint8Array {
    this.#length = 0;
    return this.#bytes.take();
  }

  /** Appends the lowest `count` (1 to 8) bits of `value`. */
  #appendByte(value: number, count: number): void {
    const used = this.#length % 8;
    if (used === 0) {
      const at = this.#bytes.extend(1);
      this.#bytes.bytes[at] = value;
    } else {
      const at = this.#bytes.length - 1;
      const kept = (this.#bytes.bytes[at] ?? 0) & ((1 << used) - 1);
      this.#bytes.bytes[at] = kept | (value << used);
      if (used + count > 8) {
        const next = this.#bytes.extend(1);
        this.#bytes.bytes[next] = value >> (8 - used);
      }
    }
    this.#length += count;
  }
}

/** Memory for short looks at native memory. */
export class NativeScratch {
  #bytes = new Uint8Array(smallestBytes);
  #address = Number(addressOf(this.#bytes));

  /** A copy of the bytes at an address, valid until the next. */
  read(address: number, length: number): Uint8Array {
    if (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(length);
      this.#address = Number(addressOf(this.#bytes));
    }
    if (length > 0) copyBetween(this.#address, address, length);
    return this.#bytes.subarray(0, length);
  }

  /** How many of the bits from `from` up to `to` of the bitmap at an address are not set. */
  countUnset(address: number, from: number, to: number): number {
    const bits = this.read(address + (from >> 3), Math.ceil(to / 8) - (from >> 3));
    return countUnsetBits(bits, from & 7, (from & 7) + to - from);
  }
}

/** Eight bits from bit `from` on; what is behind the end is 0. */
function readByte(bits: Uint8Array, from: number): number {
  const shift = from & 7;
  const first = bits[from >> 3] ?? 0;
  return shift === 0 ? first : ((first >> shift) | ((bits[(from >> 3) + 1] ?? 0) << (8 - shift))) & 0xff;
}
