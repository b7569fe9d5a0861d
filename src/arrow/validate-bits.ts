/** How many of the first `length` bits are set. The bitmap must hold them and start at a multiple of 4 bytes. */
export function countSetBits(bitmap: Uint8Array, length: number): number {
  const wordCount = length >>> 5;
  const words = new Uint32Array(bitmap.buffer, bitmap.byteOffset, wordCount);
  let count = 0;
  for (let index = 0; index < wordCount; index++) count += popcount(words[index] as number);
  for (let bit = wordCount * 32; bit < length; bit++) {
    count += ((bitmap[bit >>> 3] as number) >>> (bit & 7)) & 1;
  }
  return count;
}

function popcount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Whether slot `index` is valid; every slot is when there is no bitmap. */
export function isValid(validity: Uint8Array | null, index: number): boolean {
  return validity === null || (((validity[index >>> 3] as number) >>> (index & 7)) & 1) === 1;
}
