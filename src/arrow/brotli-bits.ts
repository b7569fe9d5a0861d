/** Thrown where the bits end: what was read before stands. */
export class BitsEnded extends Error {}

/** Thrown where the bits mean nothing, or something that is not followed here. */
export class NotFollowed extends Error {}

/** The bits of a brotli stream, the lowest of each byte first. Its reads throw {@link BitsEnded}. */
export class BitReader {
  /** With a few zeros behind, so that every look ahead finds bytes. */
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = new Uint8Array(bytes.byteLength + 4);
    this.#bytes.set(bytes);
    this.#end = bytes.byteLength * 8;
  }

  /** A number of up to 24 bits. */
  read(count: number): number {
    const bits = this.peek() & ((1 << count) - 1);
    this.skip(count);
    return bits;
  }

  /** The next 24 bits at least, zeros where there are fewer. */
  peek(): number {
    const bytes = this.#bytes;
    const at = this.#position >>> 3;
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    return word >>> (this.#position & 7);
  }

  skip(count: number): void {
    this.#position += count;
    if (this.#position <= this.#end) return;
    this.#position = this.#end;
    throw new BitsEnded();
  }

  /** Leaves out the rest of a byte, and so many whole ones. */
  skipBytes(count: number): void {
    this.skip(((8 - (this.#position & 7)) & 7) + count * 8);
  }

  /** How many of so many whole bytes there are behind the rest of this one. */
  bytesAhead(most: number): number {
    return Math.min(most, (this.#end - this.#position) >>> 3);
  }
}

const longestCode = 15;

/** A prefix code. */
export class PrefixCode {
  /** The one symbol that takes no bits, where there is no other; else null. */
  readonly only: number | null;
  readonly #counts = new Uint16Array(longestCode + 1);
  readonly #symbols: Uint16Array;

  /** Made from the length of each symbol's code, 0 for symbols that do not occur. */
  constructor(lengths: Uint8Array) {
    const used = lengths.reduce((sum, length) => sum + (length > 0 ? 1 : 0), 0);
    this.#symbols = new Uint16Array(used);
    for (const length of lengths) if (length > 0) this.#counts[length] = (this.#counts[length] ?? 0) + 1;
    const next = new Uint16Array(longestCode + 2);
    for (let length = 1; length <= longestCode; length += 1) {
      next[length + 1] = (next[length] ?? 0) + (this.#counts[length] ?? 0);
    }
    for (const [symbol, length] of lengths.entries()) {
      if (length === 0) continue;
      const place = next[length] ?? 0;
      this.#symbols[place] = symbol;
      next[length] = place + 1;
    }
    this.only = used === 1 ? (this.#symbols[0] ?? 0) : null;
  }

  read(bits: BitReader): number {
    if (this.only !== null) return this.only;
    let ahead = bits.peek();
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= longestCode; length += 1) {
      code |= ahead & 1;
      ahead >>>= 1;
      const count = this.#counts[length] as number;
      if (code - count < first) {
        bits.skip(length);
        return this.#symbols[index + code - first] ?? 0;
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new NotFollowed();
  }
}

/**
 * Reads a prefix code over so many symbols.
 * @see https://www.rfc-editor.org/rfc/rfc7932#section-3.4
 */
export function readPrefixCode(bits: BitReader, symbols: number): PrefixCode {
  const skip = bits.read(2);
  return new PrefixCode(skip === 1 ? readSimple(bits, symbols) : readLengths(bits, symbols, skip));
}

/** The lengths of codes with up to four symbols; the second form of four comes last. */
const simpleLengths = [[1], [1, 1], [1, 2, 2], [2, 2, 2, 2], [1, 2, 3, 3]] as const;

function readSimple(bits: BitReader, symbols: number): Uint8Array {
  const count = bits.read(2) + 1;
  const width = Math.ceil(Math.log2(symbols));
  const read = Array.from({ length: count }, () => bits.read(width));
  if (read.some((symbol) => symbol >= symbols) || new Set(read).size < count) throw new NotFollowed();
  const form = count === 4 ? 3 + bits.read(1) : count - 1;
  const lengths = new Uint8Array(symbols);
  for (const [index, symbol] of read.entries()) lengths[symbol] = simpleLengths[form]?.[index] ?? 0;
  return lengths;
}

const lengthOrder = [1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;
/** By the next four bits: what they mean as a length of a length's code, and how many of them do. */
const lengthOfLength = [0, 4, 3, 2, 0, 4, 3, 1, 0, 4, 3, 2, 0, 4, 3, 5] as const;
const widthOfLength = [2, 2, 2, 3, 2, 2, 2, 4, 2, 2, 2, 3, 2, 2, 2, 4] as const;
const initialLength = 8;

function readLengthCode(bits: BitReader, skip: number): PrefixCode {
  const lengths = new Uint8Array(18);
  let space = 32;
  let used = 0;
  for (let index = skip; index < lengthOrder.length && space > 0; index += 1) {
    const value = readLengthOfLength(bits);
    lengths[lengthOrder[index] ?? 0] = value;
    if (value === 0) continue;
    space -= 32 >> value;
    used += 1;
  }
  if (space !== 0 && used !== 1) throw new NotFollowed();
  return new PrefixCode(lengths);
}

function readLengthOfLength(bits: BitReader): number {
  let next = 0;
  for (let width = 1; width <= 4; width += 1) {
    next |= bits.read(1) << (width - 1);
    if (width > 1 && widthOfLength[next] === width) return lengthOfLength[next] ?? 0;
  }
  throw new NotFollowed();
}

function readLengths(bits: BitReader, symbols: number, skip: number): Uint8Array {
  const code = readLengthCode(bits, skip);
  const lengths = new Uint8Array(symbols);
  let space = 32768;
  let previous = initialLength;
  let repeated = -1;
  let repeat = 0;
  for (let symbol = 0; symbol < symbols && space > 0; ) {
    const read = code.read(bits);
    if (read < 16) {
      repeat = 0;
      lengths[symbol] = read;
      symbol += 1;
      if (read === 0) continue;
      previous = read;
      space -= 32768 >> read;
      continue;
    }
    const extra = read - 14;
    const length = read === 16 ? previous : 0;
    if (repeated !== length) repeat = 0;
    repeated = length;
    const before = repeat;
    repeat = (repeat > 0 ? (repeat - 2) << extra : 0) + bits.read(extra) + 3;
    const added = repeat - before;
    if (symbol + added > symbols) throw new NotFollowed();
    lengths.fill(length, symbol, symbol + added);
    symbol += added;
    if (length > 0) space -= added << (longestCode - length);
  }
  if (space !== 0) throw new NotFollowed();
  return lengths;
}
