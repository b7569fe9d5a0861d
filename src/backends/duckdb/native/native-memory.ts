import { loadLibduckdb } from './libduckdb.ts';

const library = loadLibduckdb();
const memcpy: (target: Uint8Array, address: bigint, length: number) => void = library.func('memcpy', 'void', [
  'void *',
  'uintptr_t',
  'size_t',
]);
const strlen: (address: bigint) => number = library.func('strlen', 'size_t', ['uintptr_t']);

const memcpyBetween: (target: number, source: number, length: number) => void = library.func(
  'memcpy',
  'void',
  ['uintptr_t', 'uintptr_t', 'size_t'],
);

/**
 * Copies between two addresses, which costs a third of a call with a buffer. Both must be of memory that lives as long as
 * the call: nothing checks it.
 */
export function copyBetween(target: number, source: number, length: number): void {
  memcpyBetween(target, source, length);
}

/** Copies native memory into `target`. The address must point at as many readable bytes: nothing checks it. */
export function copyMemory(target: Uint8Array, address: bigint): void {
  memcpy(target, address, target.length);
}

/** Reads the text at an address that ends with a zero byte; empty for address 0. */
export function readText(address: bigint): string {
  if (address === 0n) return '';
  return readBytes(address, Number(strlen(address))).toString('utf8');
}

/** A copy of the bytes at an address. */
export function readBytes(address: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (length > 0) copyMemory(bytes, address);
  return bytes;
}

/** The addresses in an array of pointers. */
export function readAddresses(address: bigint, count: number): bigint[] {
  const bytes = readBytes(address, count * 8);
  return Array.from({ length: count }, (_, index) => bytes.readBigUInt64LE(index * 8));
}

const slabBytes = 256 * 1024;

/** Copies of native memory, slab by slab, valid until `reset`, after which the slabs are used again. */
export class CopiedMemory {
  readonly #slabs: Buffer[] = [];
  #slab = -1;
  #used = 0;

  /** A copy that starts at a multiple of 64 bytes. The address must point at as many readable bytes. */
  copy(address: bigint, length: number): Buffer {
    const target = this.#reserve(length);
    if (length > 0) copyMemory(target, address);
    return target;
  }

  reset(): void {
    this.#slab = -1;
    this.#used = 0;
  }

  #reserve(length: number): Buffer {
    const start = (this.#used + 63) & ~63;
    const slab = this.#slabs[this.#slab];
    if (slab !== undefined && start + length <= slab.length) {
      this.#used = start + length;
      return slab.subarray(start, this.#used);
    }
    this.#slab += 1;
    this.#used = length;
    const next = this.#slabs[this.#slab];
    if (next !== undefined && next.length >= length) return next.subarray(0, length);
    const fresh = Buffer.allocUnsafeSlow(Math.max(slabBytes, length));
    this.#slabs[this.#slab] = fresh;
    return fresh.subarray(0, length);
  }
}
