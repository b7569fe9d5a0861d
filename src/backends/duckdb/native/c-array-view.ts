import { ArrowportError } from '../../../errors.ts';
import { addressOf } from './address.ts';
import { arrayStructBytes } from './arrow-c-array.ts';
import { copyBetween } from './native-memory.ts';

/** Pointers to buffers that are looked at: validity, offsets or values, data. */
const mostBuffers = 3;
const pointerWords = 2;
const structWords = arrayStructBytes / 4;
/** Where the members of the struct stand, in words of 32 bits. */
const words = { length: 0, nullCount: 2, offset: 4, children: 8, buffers: 10, childPointers: 12 } as const;

/**
 * Looks at one `ArrowArray` after the other, without an object for each. What it says holds until the next look.
 * @see https://arrow.apache.org/docs/format/CDataInterface.html#structure-definitions
 */
export class CArrayView {
  readonly #words = new Uint32Array(structWords + mostBuffers * pointerWords);
  readonly #address = Number(addressOf(new Uint8Array(this.#words.buffer)));
  #children = new Uint32Array(0);

  /** Reads the struct at an address and the addresses of its first buffers. Throws INTERNAL for a slice. */
  look(address: number, buffers: number): void {
    copyBetween(this.#address, address, arrayStructBytes);
    if (this.#number(words.offset) !== 0)
      throw new ArrowportError('INTERNAL', 'DuckDB handed out an array that starts at an offset.');
    if (buffers > 0) copyBetween(this.#address + arrayStructBytes, this.#number(words.buffers), buffers * 8);
  }

  get length(): number {
    return this.#number(words.length);
  }

  /** Negative where it has not been counted. */
  get nullCount(): number {
    return (this.#words[words.nullCount + 1] ?? 0) > 0x7fffffff ? -1 : this.#number(words.nullCount);
  }

  /** The address of a buffer that was asked for; 0 where there is none. */
  buffer(index: number): number {
    return this.#number(structWords + index * pointerWords);
  }

  /** The addresses of the children's structs. */
  children(): number[] {
    const count = this.#number(words.children);
    if (this.#children.length !== count * pointerWords)
      this.#children = new Uint32Array(count * pointerWords);
    if (count === 0) return [];
    const target = Number(addressOf(new Uint8Array(this.#children.buffer)));
    copyBetween(target, this.#number(words.childPointers), count * 8);
    return Array.from({ length: count }, (_, index) => readNumber(this.#children, index * pointerWords));
  }

  #number(word: number): number {
    return readNumber(this.#words, word);
  }
}

/** Two words as one number: addresses and lengths of a process have less than 53 bits. */
function readNumber(source: Uint32Array, word: number): number {
  return (source[word] ?? 0) + (source[word + 1] ?? 0) * 2 ** 32;
}
