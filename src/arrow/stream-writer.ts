import { Builder, type Offset } from 'flatbuffers';
import type { ArrayData } from '../core/array-data.ts';
import type { ArrowSchema } from '../core/schema.ts';
import {
  type BodyCompression,
  type BodyInParts,
  collectBody,
  type EncodedBody,
  encodeBody,
} from './encode-body.ts';
import { writeSchema } from './encode-schema.ts';

/** A message ready to be framed: the flatbuffer `Message` (a multiple of 8 bytes) and its body. */
export interface EncodedMessage {
  readonly metadata: Uint8Array;
  readonly body: Uint8Array;
}

const metadataVersionV5 = 4;
const headerTypes = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const;
const codecNumbers = { 'lz4-frame': 0, zstd: 1 } as const;
const framePrefixBytes = 8;

/** What ends an IPC stream. */
export const endOfStream: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/**
 * Encodes a schema as the flatbuffer `Message` (metadata version V5) that opens a stream.
 * @see https://arrow.apache.org/docs/format/Columnar.html#schema-message
 */
export function encodeSchemaMessage(schema: ArrowSchema): Uint8Array {
  const builder = new Builder(1024);
  return finishMessage(builder, headerTypes.schema, writeSchema(builder, schema), 0);
}

/**
 * Encodes columns of `rows` rows as a record batch message. Dictionary-encoded columns write their indices;
 * their dictionaries go before, through {@link encodeDictionaryBatchMessage}.
 */
export async function encodeRecordBatchMessage(
  columns: readonly ArrayData[],
  rows: number,
  compression: BodyCompression,
): Promise<EncodedMessage> {
  const encoded = await encodeBody(columns, compression);
  const builder = new Builder(1024);
  const batch = writeRecordBatch(builder, rows, encoded, compression);
  const metadata = finishMessage(builder, headerTypes.recordBatch, batch, encoded.body.length);
  return { metadata, body: encoded.body };
}

/** A record batch message whose body is in parts. */
export interface MessageInParts extends Pick<BodyInParts, 'parts' | 'bodyBytes'> {
  readonly metadata: Uint8Array;
}

/** Encodes columns as {@link encodeRecordBatchMessage} does, uncompressed; the body's parts are the columns' own buffers. */
export function encodeRecordBatchParts(columns: readonly ArrayData[], rows: number): MessageInParts {
  const body = collectBody(columns);
  const builder = new Builder(1024);
  const batch = writeRecordBatch(builder, rows, body, { codec: null });
  const metadata = finishMessage(builder, headerTypes.recordBatch, batch, body.bodyBytes);
  return { metadata, parts: body.parts, bodyBytes: body.bodyBytes };
}

/** Encodes the values behind a dictionary id; a later batch of the same id replaces them, or adds to them with `isDelta`. */
export async function encodeDictionaryBatchMessage(
  id: bigint,
  values: ArrayData,
  compression: BodyCompression,
  isDelta = false,
): Promise<EncodedMessage> {
  const encoded = await encodeBody([values], compression);
  const builder = new Builder(1024);
  const batch = writeRecordBatch(builder, values.length, encoded, compression);
  builder.startObject(3);
  builder.addFieldInt64(0, id, 0n);
  builder.addFieldOffset(1, batch, 0);
  builder.addFieldInt8(2, Number(isDelta), 0);
  const header = builder.endObject();
  const metadata = finishMessage(builder, headerTypes.dictionaryBatch, header, encoded.body.length);
  return { metadata, body: encoded.body };
}

/**
 * Puts the IPC stream's frame around a message's metadata: continuation marker, length, metadata, padding to 8.
 * The body follows as it is.
 * @see https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
 */
export function frameMetadata(metadata: Uint8Array): Uint8Array {
  const padded = (metadata.length + 7) & ~7;
  const frame = Buffer.alloc(framePrefixBytes + padded);
  frame.writeUInt32LE(0xffffffff, 0);
  frame.writeUInt32LE(padded, 4);
  frame.set(metadata, framePrefixBytes);
  return frame;
}

function writeRecordBatch(
  builder: Builder,
  rows: number,
  encoded: Pick<EncodedBody, 'nodes' | 'buffers' | 'variadicCounts'>,
  { codec }: BodyCompression,
): Offset {
  const { nodes, buffers, variadicCounts } = encoded;
  builder.startVector(16, nodes.length, 8);
  for (const { length, nullCount } of nodes.toReversed()) writeLongPair(builder, length, nullCount);
  const nodesOffset = builder.endVector();
  builder.startVector(16, buffers.length, 8);
  for (const { offset, length } of buffers.toReversed()) writeLongPair(builder, offset, length);
  const buffersOffset = builder.endVector();
  let variadicOffset = 0;
  if (variadicCounts.length > 0) {
    builder.startVector(8, variadicCounts.length, 8);
    for (const count of variadicCounts.toReversed()) builder.addInt64(BigInt(count));
    variadicOffset = builder.endVector();
  }
  let compressionOffset = 0;
  if (codec !== null) {
    builder.startObject(2);
    builder.addFieldInt8(0, codecNumbers[codec], 0);
    compressionOffset = builder.endObject();
  }
  builder.startObject(5);
  builder.addFieldInt64(0, BigInt(rows), 0n);
  builder.addFieldOffset(1, nodesOffset, 0);
  builder.addFieldOffset(2, buffersOffset, 0);
  builder.addFieldOffset(3, compressionOffset, 0);
  builder.addFieldOffset(4, variadicOffset, 0);
  return builder.endObject();
}

/** Writes a struct of two 64-bit integers into the vector that is open; structs are written last member first. */
function writeLongPair(builder: Builder, first: number, second: number): void {
  builder.prep(8, 16);
  builder.writeInt64(BigInt(second));
  builder.writeInt64(BigInt(first));
}

function finishMessage(builder: Builder, headerType: number, header: Offset, bodyLength: number): Uint8Array {
  builder.startObject(5);
  builder.addFieldInt16(0, metadataVersionV5, 0);
  builder.addFieldInt8(1, headerType, 0);
  builder.addFieldOffset(2, header, 0);
  builder.addFieldInt64(3, BigInt(bodyLength), 0n);
  builder.finish(builder.endObject());
  const bytes = builder.asUint8Array();
  const padded = new Uint8Array((bytes.length + 7) & ~7);
  padded.set(bytes);
  return padded;
}
