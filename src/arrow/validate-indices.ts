import { isValid } from './validate-bits.ts';

type Indices = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/**
 * Whether every valid slot's dictionary index is at least 0 and below `limit`. What stands under null does not count.
 * The buffer must hold `length` integers of `bitWidth` bits and be aligned.
 */
export function areIndices(
  buffer: Uint8Array,
  validity: Uint8Array | null,
  length: number,
  bitWidth: 8 | 16 | 32 | 64,
  signed: boolean,
  limit: number,
): boolean {
  if (bitWidth === 64) return areIndices64(buffer, validity, length, limit);
  const indices = viewIndices(buffer, length, bitWidth, signed);
  return indices instanceof Int32Array
    ? areInt32Indices(indices, validity, length, limit)
    : areSomeIndices(indices, validity, length, limit);
}

function viewIndices(buffer: Uint8Array, length: number, bitWidth: 8 | 16 | 32, signed: boolean): Indices {
  const { buffer: memory, byteOffset } = buffer;
  if (bitWidth === 8) {
    return signed ? new Int8Array(memory, byteOffset, length) : new Uint8Array(memory, byteOffset, length);
  }
  if (bitWidth === 16) {
    return signed ? new Int16Array(memory, byteOffset, length) : new Uint16Array(memory, byteOffset, length);
  }
  return signed ? new Int32Array(memory, byteOffset, length) : new Uint32Array(memory, byteOffset, length);
}

// The commonest index type has a loop of its own, so that it stays monomorphic.
function areInt32Indices(
  indices: Int32Array,
  validity: Uint8Array | null,
  length: number,
  limit: number,
): boolean {
  for (let index = 0; index < length; index++) {
    const value = indices[index] as number;
    if ((value < 0 || value >= limit) && isValid(validity, index)) return false;
  }
  return true;
}

function areSomeIndices(
  indices: Indices,
  validity: Uint8Array | null,
  length: number,
  limit: number,
): boolean {
  for (let index = 0; index < length; index++) {
    const value = indices[index] as number;
    if ((value < 0 || value >= limit) && isValid(validity, index)) return false;
  }
  return true;
}

function areIndices64(
  buffer: Uint8Array,
  validity: Uint8Array | null,
  length: number,
  limit: number,
): boolean {
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, 2 * length);
  for (let index = 0; index < length; index++) {
    const high = words[2 * index + 1] as number;
    const low = (words[2 * index] as number) >>> 0;
    if ((high !== 0 || low >= limit) && isValid(validity, index)) return false;
  }
  return true;
}

/** The first type id (of `length`) that is none of `typeIds`; undefined when all are. */
export function findUnknownTypeId(
  buffer: Uint8Array,
  length: number,
  typeIds: readonly number[],
): number | undefined {
  const known = new Uint8Array(256);
  for (const id of typeIds) known[id] = 1;
  for (let index = 0; index < length; index++) {
    const id = buffer[index] as number;
    if (known[id] === 0) return (id << 24) >> 24;
  }
  return undefined;
}

/** Whether each dense union offset lies within its member; type ids must have been checked. */
export function areDenseOffsets(
  typeIdBuffer: Uint8Array,
  offsetBuffer: Uint8Array,
  length: number,
  members: ReadonlyMap<number, { readonly length: number }>,
): boolean {
  const limits = new Float64Array(256);
  for (const [id, member] of members) limits[id] = member.length;
  const offsets = new Int32Array(offsetBuffer.buffer, offsetBuffer.byteOffset, length);
  for (let index = 0; index < length; index++) {
    const offset = offsets[index] as number;
    if (offset < 0 || offset >= (limits[typeIdBuffer[index] as number] as number)) return false;
  }
  return true;
}
