import { byteWidth } from '../../../arrow/encode-gatherer.ts';
import { countUnsetBits } from '../../../arrow/encode-vectors.ts';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { type CopiedMemory, readAddresses, readBytes } from './native-memory.ts';

/** Bytes of the struct `ArrowArray`. */
export const arrayStructBytes = 80;

/** What the struct `ArrowArray` holds; its layout is fixed by the C data interface, with 64-bit pointers. */
interface CArray {
  readonly length: number;
  readonly nullCount: number;
  readonly buffers: readonly bigint[];
  readonly children: readonly bigint[];
  readonly dictionary: bigint;
}

function readStruct(struct: Buffer): CArray {
  if (struct.readBigInt64LE(16) !== 0n) {
    throw new ArrowportError('INTERNAL', 'DuckDB handed out an array that starts at an offset.');
  }
  return {
    length: Number(struct.readBigInt64LE(0)),
    nullCount: Number(struct.readBigInt64LE(8)),
    buffers: readAddresses(struct.readBigUInt64LE(40), Number(struct.readBigInt64LE(24))),
    children: readAddresses(struct.readBigUInt64LE(48), Number(struct.readBigInt64LE(32))),
    dictionary: struct.readBigUInt64LE(56),
  };
}

/** The array whose `ArrowArray` is at the address, in copies held by `memory`. */
export function copyArray(address: bigint, field: ArrowField, memory: CopiedMemory): ArrayData {
  const array = readStruct(readBytes(address, arrayStructBytes));
  const { length } = array;
  const buffers = copyBuffers(array, field, memory);
  const validity = hasValidity(field) ? buffers[0] : null;
  return {
    field,
    length,
    nullCount: countNulls(array, field, validity),
    buffers,
    children:
      field.dictionary === null
        ? field.children.map((child, index) => copyArray(array.children[index] ?? 0n, child, memory))
        : [],
    dictionary:
      field.dictionary === null ? null : copyArray(array.dictionary, { ...field, dictionary: null }, memory),
  };
}

function hasValidity(field: ArrowField): boolean {
  if (field.dictionary !== null) return true;
  return field.type.kind !== 'null' && field.type.kind !== 'union' && field.type.kind !== 'run-end-encoded';
}

function countNulls(array: CArray, field: ArrowField, validity: Uint8Array | null | undefined): number {
  if (field.dictionary === null && field.type.kind === 'null') return array.length;
  if (!validity) return 0;
  return array.nullCount >= 0 ? array.nullCount : countUnsetBits(validity, 0, array.length);
}

/** Copies the buffers; the lengths that the C data interface leaves out follow from the type and the offsets. */
function copyBuffers(array: CArray, field: ArrowField, memory: CopiedMemory): (Uint8Array | null)[] {
  const { length, buffers } = array;
  const copy = (index: number, bytes: number): Buffer => {
    const address = buffers[index] ?? 0n;
    return memory.copy(address, address === 0n ? 0 : bytes);
  };
  const validity = () => ((buffers[0] ?? 0n) === 0n ? null : copy(0, Math.ceil(length / 8)));
  if (field.dictionary !== null) return [validity(), copy(1, length * (field.dictionary.indexBitWidth / 8))];
  const { type } = field;
  switch (type.kind) {
    case 'null':
    case 'run-end-encoded':
      return [];
    case 'struct':
    case 'fixed-size-list':
      return [validity()];
    case 'bool':
      return [validity(), copy(1, Math.ceil(length / 8))];
    case 'utf8':
    case 'binary': {
      const offsets = copyOffsets(copy, length, 4);
      return [validity(), offsets, copy(2, offsets.readInt32LE(length * 4))];
    }
    case 'large-utf8':
    case 'large-binary': {
      const offsets = copyOffsets(copy, length, 8);
      return [validity(), offsets, copy(2, Number(offsets.readBigInt64LE(length * 8)))];
    }
    case 'utf8-view':
    case 'binary-view':
      return [validity(), copy(1, length * 16), ...copyViewData(buffers, memory)];
    case 'list':
    case 'map':
      return [validity(), copyOffsets(copy, length, 4)];
    case 'large-list':
      return [validity(), copyOffsets(copy, length, 8)];
    case 'list-view':
      return [validity(), copy(1, length * 4), copy(2, length * 4)];
    case 'large-list-view':
      return [validity(), copy(1, length * 8), copy(2, length * 8)];
    case 'union':
      return type.mode === 'sparse' ? [copy(0, length)] : [copy(0, length), copy(1, length * 4)];
    default:
      return [validity(), copy(1, length * byteWidth(type))];
  }
}

/** Offsets of an array without rows may be absent: they are one zero then. */
function copyOffsets(copy: (index: number, bytes: number) => Buffer, length: number, width: 4 | 8): Buffer {
  return length === 0 ? Buffer.alloc(width) : copy(1, (length + 1) * width);
}

/** View types end with a buffer that holds the lengths of their data buffers. */
function copyViewData(buffers: readonly bigint[], memory: CopiedMemory): Buffer[] {
  const data = buffers.slice(2, -1);
  const lengths = readBytes(buffers.at(-1) ?? 0n, data.length * 8);
  return data.map((address, index) => memory.copy(address, Number(lengths.readBigInt64LE(index * 8))));
}
