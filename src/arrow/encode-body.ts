import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { compressFrame } from 'lz4-napi';
import type { ArrayData } from '../core/array-data.ts';
import type { BodyCodec, BufferSpan, FieldNode } from '../core/ipc-message.ts';

/** How the buffers of a body are compressed; null writes them plain. `level` is zstd's; LZ4 frames have none. */
export interface BodyCompression {
  readonly codec: BodyCodec | null;
  readonly level?: number | null;
}

/** A message body with what its metadata must say of it. */
export interface EncodedBody {
  readonly body: Uint8Array;
  readonly nodes: readonly FieldNode[];
  readonly buffers: readonly BufferSpan[];
  readonly variadicCounts: readonly number[];
}

/** A plain message body in pieces, to be written one after the other: buffers where they are, and padding between them. */
export interface BodyInParts extends Omit<EncodedBody, 'body'> {
  readonly parts: readonly Uint8Array[];
  readonly bodyBytes: number;
}

const bufferAlignment = 64;
const lengthPrefixBytes = 8;
/** Each takes a compressor of some hundred kilobytes, and batches may have thousands of buffers. */
const compressedAtOnce = 16;
const notCompressed = -1n;
/** Below this a compressed frame is never smaller than what it holds. */
const leastCompressedBytes = 64;
const zstdCompressAsync = promisify(zstdCompress);

/**
 * Lays columns out as one message body: depth-first, each buffer at a multiple of 64 bytes, compressed if asked.
 * A buffer that compression would not shrink is stored plain after a length of -1.
 * The body is new memory; the columns may be reused at once when the promise has resolved.
 * @see https://arrow.apache.org/docs/format/Columnar.html#recordbatch-message
 */
export async function encodeBody(
  columns: readonly ArrayData[],
  compression: BodyCompression,
): Promise<EncodedBody> {
  const nodes: FieldNode[] = [];
  const plain: (Uint8Array | null)[] = [];
  const variadicCounts: number[] = [];
  for (const column of columns) collect(column, nodes, plain, variadicCounts);
  const { codec, level = null } = compression;
  const parts = codec === null ? plain.map(plainPart) : await compressParts(plain, codec, level);
  return { ...layOut(parts), nodes, variadicCounts };
}

/** Lays columns out as {@link encodeBody} does, uncompressed and without copying: the parts are the columns' own buffers. */
export function collectBody(columns: readonly ArrayData[]): BodyInParts {
  const nodes: FieldNode[] = [];
  const plain: (Uint8Array | null)[] = [];
  const variadicCounts: number[] = [];
  for (const column of columns) collect(column, nodes, plain, variadicCounts);
  const buffers: BufferSpan[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const buffer of plain) {
    const { length } = buffer ?? nothing;
    buffers.push({ offset, length });
    if (buffer === null || length === 0) continue;
    parts.push(buffer);
    const end = align(offset + length);
    if (end > offset + length) parts.push(padding.subarray(0, end - offset - length));
    offset = end;
  }
  return { parts, bodyBytes: offset, nodes, buffers, variadicCounts };
}

/** One buffer as it goes into the body: an optional length prefix, then bytes. */
interface BodyPart {
  readonly prefix: bigint | null;
  readonly bytes: Uint8Array;
}

const nothing = new Uint8Array(0);
const padding = new Uint8Array(bufferAlignment);

function collect(
  array: ArrayData,
  nodes: FieldNode[],
  buffers: (Uint8Array | null)[],
  variadicCounts: number[],
): void {
  nodes.push({ length: array.length, nullCount: array.nullCount });
  const { kind } = array.field.type;
  if (array.field.dictionary === null && (kind === 'utf8-view' || kind === 'binary-view')) {
    variadicCounts.push(array.buffers.length - 2);
  }
  array.buffers.forEach((buffer, index) => {
    const isUnneededValidity = index === 0 && array.nullCount === 0 && hasValidity(array);
    buffers.push(isUnneededValidity ? null : buffer);
  });
  for (const child of array.children) collect(child, nodes, buffers, variadicCounts);
}

function hasValidity(array: ArrayData): boolean {
  return array.field.dictionary !== null || array.field.type.kind !== 'union';
}

function plainPart(buffer: Uint8Array | null): BodyPart {
  return { prefix: null, bytes: buffer ?? nothing };
}

async function compressParts(
  buffers: readonly (Uint8Array | null)[],
  codec: BodyCodec,
  level: number | null,
): Promise<BodyPart[]> {
  const parts: BodyPart[] = [];
  for (let at = 0; at < buffers.length; at += compressedAtOnce) {
    const some = buffers.slice(at, at + compressedAtOnce);
    parts.push(...(await Promise.all(some.map((buffer) => compressedPart(buffer, codec, level)))));
  }
  return parts;
}

async function compressedPart(
  buffer: Uint8Array | null,
  codec: BodyCodec,
  level: number | null,
): Promise<BodyPart> {
  if (buffer === null || buffer.length === 0) return { prefix: null, bytes: nothing };
  if (buffer.length < leastCompressedBytes) return { prefix: notCompressed, bytes: buffer };
  const compressed = codec === 'zstd' ? await compressZstd(buffer, level) : await compressFrame(buffer);
  if (compressed.length >= buffer.length) return { prefix: notCompressed, bytes: buffer };
  return { prefix: BigInt(buffer.length), bytes: compressed };
}

function compressZstd(buffer: Uint8Array, level: number | null): Promise<Buffer> {
  return zstdCompressAsync(buffer, {
    // One output chunk of the worst size: growing it in steps takes twice the time.
    chunkSize: Math.max(1024, buffer.length + (buffer.length >> 8) + 64),
    ...(level === null ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } }),
  });
}

function layOut(parts: readonly BodyPart[]): { body: Uint8Array; buffers: BufferSpan[] } {
  const buffers: BufferSpan[] = [];
  let offset = 0;
  for (const { prefix, bytes } of parts) {
    const length = bytes.length + (prefix === null ? 0 : lengthPrefixBytes);
    buffers.push({ offset, length });
    offset = align(offset + length);
  }
  const body = Buffer.allocUnsafeSlow(offset);
  let end = 0;
  parts.forEach(({ prefix, bytes }, index) => {
    let position = buffers[index]?.offset ?? 0;
    body.fill(0, end, position);
    if (prefix !== null) {
      body.writeBigInt64LE(prefix, position);
      position += lengthPrefixBytes;
    }
    body.set(bytes, position);
    end = position + bytes.length;
  });
  body.fill(0, end);
  return { body, buffers };
}

function align(offset: number): number {
  return Math.ceil(offset / bufferAlignment) * bufferAlignment;
}
