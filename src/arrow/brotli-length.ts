import { BitReader, BitsEnded, NotFollowed, type PrefixCode, readPrefixCode } from './brotli-bits.ts';
import { wordLength } from './brotli-dictionary.ts';

/** What is known of a brotli stream that was followed. */
export interface FollowedStream {
  /** Bytes that what was followed unfolds to. */
  readonly bytes: number;
  /** Whether all that was given was followed; else it may unfold to more. */
  readonly isWhole: boolean;
}

/** What is followed at most: of more input, commands and blocks, a decoder makes output faster than they are read here. */
const mostInputBytes = 64 * 1024;
const mostCommands = 20_000;
const mostBlocks = 100;

/**
 * Follows the start of a brotli stream by what its commands say that they insert and copy, without making a byte of
 * output: what unfolds to thousands of times its size is few commands. Stops beyond `most` bytes, where the value of a
 * literal decides how the next one is coded, at what is no brotli, and after `inputBytes`, many commands or blocks.
 * @see https://www.rfc-editor.org/rfc/rfc7932
 */
export function followBrotli(
  start: Uint8Array,
  most: number,
  inputBytes: number = mostInputBytes,
): FollowedStream {
  const follower = new StreamFollower(new BitReader(start.subarray(0, inputBytes)), most);
  try {
    follower.run();
    return { bytes: follower.bytes, isWhole: true };
  } catch (thrown) {
    if (thrown instanceof BitsEnded)
      return { bytes: follower.bytes, isWhole: start.byteLength <= inputBytes };
    if (thrown instanceof NotFollowed) return { bytes: follower.bytes, isWhole: false };
    throw thrown;
  }
}

/** A code for lengths: the lowest of each symbol, and the bits behind it that are added. */
interface LengthCode {
  readonly base: readonly number[];
  readonly extra: readonly number[];
}

const insertLengths = makeLengths(
  0,
  [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 24],
);
const copyLengths = makeLengths(
  2,
  [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 24],
);
const blockLengths = makeLengths(
  1,
  [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 24],
);
/** By the upper bits of a command's symbol: where its insert and copy codes begin, in eights. */
const insertCells = [0, 0, 0, 0, 1, 1, 0, 2, 1, 2, 2] as const;
const copyCells = [0, 1, 0, 1, 0, 1, 2, 0, 2, 1, 2] as const;
const commandSymbols = 704;
/** Symbols below repeat the last distance. */
const implicitDistances = 128;
const endlessBlock = 2 ** 24;
/** How the first distance codes are made of the last four distances. */
const recentIndex = [0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1] as const;
const recentOffset = [0, 0, 0, 0, -1, 1, -2, 2, -3, 3, -1, 1, -2, 2, -3, 3] as const;

function makeLengths(first: number, extra: readonly number[]): LengthCode {
  let next = first;
  const base = extra.map((bits) => {
    const lowest = next;
    next += 2 ** bits;
    return lowest;
  });
  return { base, extra };
}

function readLength(bits: BitReader, { base, extra }: LengthCode, symbol: number): number {
  return (base[symbol] ?? 0) + bits.read(extra[symbol] ?? 0);
}

/** A number from 1 to 256. */
function readCount(bits: BitReader): number {
  if (bits.read(1) === 0) return 1;
  const width = bits.read(3);
  return 1 + 2 ** width + bits.read(width);
}

/** Which of several kinds of blocks the next symbol belongs to. */
class Blocks {
  readonly count: number;
  type = 0;
  left = endlessBlock;
  readonly #bits: BitReader;
  readonly #codes: { readonly type: PrefixCode; readonly length: PrefixCode } | null = null;
  #before = 1;

  constructor(bits: BitReader) {
    this.#bits = bits;
    this.count = readCount(bits);
    if (this.count === 1) return;
    const type = readPrefixCode(bits, this.count + 2);
    this.#codes = { type, length: readPrefixCode(bits, blockLengths.base.length) };
    this.left = readLength(bits, blockLengths, this.#codes.length.read(bits));
  }

  /** Goes on to the next block where this one is used up. */
  advance(): void {
    if (this.left > 0) return;
    if (this.#codes === null) throw new NotFollowed();
    const code = this.#codes.type.read(this.#bits);
    const next = code === 0 ? this.#before : code === 1 ? (this.type + 1) % this.count : code - 2;
    this.#before = this.type;
    this.type = next;
    this.left = readLength(this.#bits, blockLengths, this.#codes.length.read(this.#bits));
  }
}

/** Which code each context has: `size` contexts for each of `count` kinds of blocks. */
class ContextMap {
  /** How many codes there are. */
  readonly trees: number;
  readonly #size: number;
  readonly #map: Uint8Array;

  constructor(bits: BitReader, size: number, count: number) {
    this.#size = size;
    this.#map = new Uint8Array(size * count);
    this.trees = readCount(bits);
    if (this.trees > 1) readMap(bits, this.#map, this.trees);
  }

  /** The index of the code of a context. */
  at(type: number, context: number): number {
    return this.#map[type * this.#size + context] ?? 0;
  }

  /** The index of the one code that all contexts of a kind have. */
  whole(type: number): number {
    const contexts = this.#map.subarray(type * this.#size, (type + 1) * this.#size);
    const [first = 0] = contexts;
    if (contexts.some((tree) => tree !== first)) throw new NotFollowed();
    return first;
  }
}

function readMap(bits: BitReader, map: Uint8Array, trees: number): void {
  const longestRun = bits.read(1) === 0 ? 0 : bits.read(4) + 1;
  const code = readPrefixCode(bits, trees + longestRun);
  for (let index = 0; index < map.length; ) {
    const symbol = code.read(bits);
    if (symbol > 0 && symbol <= longestRun) {
      index += 2 ** symbol + bits.read(symbol);
      if (index > map.length) throw new NotFollowed();
      continue;
    }
    map[index] = symbol === 0 ? 0 : symbol - longestRun;
    index += 1;
  }
  if (bits.read(1) === 1) moveToFront(map);
}

function moveToFront(map: Uint8Array): void {
  const order = Array.from({ length: 256 }, (_, index) => index);
  for (const [index, place] of map.entries()) {
    const [value = 0] = order.splice(place, 1);
    order.unshift(value);
    map[index] = value;
  }
}

/** What the commands of one meta-block are coded with. */
class BlockCodes {
  readonly literals: Blocks;
  readonly commands: Blocks;
  readonly distances: Blocks;
  readonly commandCodes: readonly PrefixCode[];
  readonly #bits: BitReader;
  readonly #postfixBits: number;
  readonly #direct: number;
  readonly #literalMap: ContextMap;
  readonly #distanceMap: ContextMap;
  readonly #literalCodes: readonly PrefixCode[];
  readonly #distanceCodes: readonly PrefixCode[];
  /** The one code of each kind of literal block, once it was looked for. */
  readonly #literalCodeOf = new Map<number, PrefixCode>();

  constructor(bits: BitReader) {
    this.#bits = bits;
    this.literals = new Blocks(bits);
    this.commands = new Blocks(bits);
    this.distances = new Blocks(bits);
    this.#postfixBits = bits.read(2);
    this.#direct = bits.read(4) << this.#postfixBits;
    // How the values of literals choose a context is of no use here.
    for (let type = 0; type < this.literals.count; type += 1) bits.read(2);
    this.#literalMap = new ContextMap(bits, 64, this.literals.count);
    this.#distanceMap = new ContextMap(bits, 4, this.distances.count);
    const distanceSymbols = 16 + this.#direct + (48 << this.#postfixBits);
    this.#literalCodes = readCodes(bits, this.#literalMap.trees, 256);
    this.commandCodes = readCodes(bits, this.commands.count, commandSymbols);
    this.#distanceCodes = readCodes(bits, this.#distanceMap.trees, distanceSymbols);
  }

  /** The code of the literals of the block that has begun. */
  literalCode(): PrefixCode {
    const { type } = this.literals;
    const known = this.#literalCodeOf.get(type);
    if (known !== undefined) return known;
    const code = codeAt(this.#literalCodes, this.#literalMap.whole(type));
    this.#literalCodeOf.set(type, code);
    return code;
  }

  /** The symbol of a distance to copy so many bytes from. */
  readDistanceSymbol(copied: number): number {
    this.distances.advance();
    this.distances.left -= 1;
    const tree = this.#distanceMap.at(this.distances.type, Math.min(copied, 5) - 2);
    return codeAt(this.#distanceCodes, tree).read(this.#bits);
  }

  /** The distance of a symbol that is none of the recent ones. */
  readDistance(symbol: number): number {
    const direct = symbol - 15;
    if (direct <= this.#direct) return direct;
    const rest = symbol - 16 - this.#direct;
    const width = 1 + (rest >> (this.#postfixBits + 1));
    const upper = rest >> this.#postfixBits;
    const lower = rest & (2 ** this.#postfixBits - 1);
    const offset = (2 + (upper & 1)) * 2 ** width - 4;
    return (offset + this.#bits.read(width)) * 2 ** this.#postfixBits + lower + this.#direct + 1;
  }
}

function readCodes(bits: BitReader, count: number, symbols: number): PrefixCode[] {
  return Array.from({ length: count }, () => readPrefixCode(bits, symbols));
}

function codeAt(codes: readonly PrefixCode[], index: number): PrefixCode {
  const code = codes[index];
  if (code === undefined) throw new NotFollowed();
  return code;
}

class StreamFollower {
  bytes = 0;
  readonly #bits: BitReader;
  readonly #most: number;
  #window = 0;
  #commands = 0;
  #blocks = 0;
  /** The last four distances, the newest first. */
  #recent = [4, 11, 15, 16];

  constructor(bits: BitReader, most: number) {
    this.#bits = bits;
    this.#most = most;
  }

  run(): void {
    this.#window = 2 ** readWindowBits(this.#bits) - 16;
    while (this.bytes <= this.#most) {
      const isLast = this.#bits.read(1) === 1;
      if (isLast && this.#bits.read(1) === 1) return;
      this.#followBlock(isLast);
      if (isLast) return;
    }
  }

  #followBlock(isLast: boolean): void {
    const bits = this.#bits;
    const nibbles = bits.read(2) + 4;
    if (nibbles === 7) {
      skipMetadata(bits);
      return;
    }
    const length = bits.read(16) + (nibbles > 4 ? bits.read((nibbles - 4) * 4) * 65_536 : 0) + 1;
    if (!isLast && bits.read(1) === 1) {
      this.bytes += bits.bytesAhead(length);
      bits.skipBytes(length);
      return;
    }
    this.#blocks += 1;
    if (this.#blocks > mostBlocks) throw new NotFollowed();
    const codes = new BlockCodes(bits);
    const end = this.bytes + length;
    while (this.bytes < end && this.bytes <= this.#most) this.#followCommand(codes, end);
  }

  #followCommand(codes: BlockCodes, end: number): void {
    this.#commands += 1;
    if (this.#commands > mostCommands) throw new NotFollowed();
    codes.commands.advance();
    codes.commands.left -= 1;
    const symbol = codeAt(codes.commandCodes, codes.commands.type).read(this.#bits);
    const cell = symbol >> 6;
    const inserted = (insertCells[cell] ?? 0) * 8 + ((symbol >> 3) & 7);
    const copied = (copyCells[cell] ?? 0) * 8 + (symbol & 7);
    const literals = readLength(this.#bits, insertLengths, inserted);
    const copy = readLength(this.#bits, copyLengths, copied);
    if (this.bytes + literals > end) throw new NotFollowed();
    this.#followLiterals(codes, literals);
    if (this.bytes === end) return;
    const distance = symbol < implicitDistances ? 0 : codes.readDistanceSymbol(copy);
    const copiedBytes = this.#followCopy(codes, distance, copy);
    if (this.bytes + copiedBytes > end) throw new NotFollowed();
    this.bytes += copiedBytes;
  }

  #followLiterals(codes: BlockCodes, count: number): void {
    const { literals } = codes;
    for (let left = count; left > 0; ) {
      literals.advance();
      const now = Math.min(left, literals.left);
      const code = codes.literalCode();
      for (let index = 0; code.only === null && index < now; index += 1) code.read(this.#bits);
      literals.left -= now;
      this.bytes += now;
      left -= now;
    }
  }

  /** Returns how many bytes come of a copy from the distance of a symbol. */
  #followCopy(codes: BlockCodes, symbol: number, length: number): number {
    const distance =
      symbol < recentIndex.length
        ? (this.#recent[recentIndex[symbol] ?? 0] ?? 0) + (recentOffset[symbol] ?? 0)
        : codes.readDistance(symbol);
    if (distance <= 0) throw new NotFollowed();
    const farthest = Math.min(this.#window, this.bytes);
    // Beyond all that there is stands the static dictionary.
    if (distance > farthest) return wordLength(length, distance - farthest - 1);
    if (symbol !== 0) this.#recent = [distance, ...this.#recent.slice(0, 3)];
    return length;
  }
}

function readWindowBits(bits: BitReader): number {
  if (bits.read(1) === 0) return 16;
  const first = bits.read(3);
  if (first > 0) return 17 + first;
  const second = bits.read(3);
  if (second === 1) throw new NotFollowed();
  return second === 0 ? 17 : 8 + second;
}

function skipMetadata(bits: BitReader): void {
  if (bits.read(1) === 1) throw new NotFollowed();
  const width = bits.read(2) * 8;
  bits.skipBytes(width === 0 ? 0 : bits.read(width) + 1);
}
