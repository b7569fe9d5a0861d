import type { BodyCodec, BufferSpan, FieldNode, RecordBatchHeader } from '../core/ipc-message.ts';
import type { ArrowSchema } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import { FlatBuffer, type FlatTable } from './flatbuffer.ts';
import { malformed } from './ipc-error.ts';
import { MAX_FIELDS, readSchema } from './schema-metadata.ts';

/** Most bytes that the metadata of one message may have. */
export const MAX_METADATA_BYTES = 16 * 1024 * 1024;
const MAX_BUFFERS = 262_144;

const HEADER_SCHEMA = 1;
const HEADER_DICTIONARY_BATCH = 2;
const HEADER_RECORD_BATCH = 3;
const VERSION_V4 = 3;
const VERSION_V5 = 4;

/** What the metadata of one message says. */
export type MessageMetadata = SchemaMetadata | RecordBatchMetadata | DictionaryBatchMetadata;

export interface SchemaMetadata {
  readonly kind: 'schema';
  readonly bodyLength: number;
  readonly schema: ArrowSchema;
}

export interface RecordBatchMetadata {
  readonly kind: 'record-batch';
  readonly bodyLength: number;
  readonly header: RecordBatchHeader;
}

export interface DictionaryBatchMetadata {
  readonly kind: 'dictionary-batch';
  readonly bodyLength: number;
  readonly header: RecordBatchHeader;
  readonly id: bigint;
  readonly isDelta: boolean;
}

/**
 * Reads a flatbuffer `Message`. Buffer spans are checked against the declared body length; together they are no
 * longer than the body. Throws IPC_MALFORMED, CODEC_UNSUPPORTED, and TYPE_UNSUPPORTED for big-endian schemas.
 * @see https://github.com/apache/arrow/blob/main/format/Message.fbs
 */
export function readMessageMetadata(metadata: Uint8Array): MessageMetadata {
  const message = new FlatBuffer(metadata).root();
  const version = message.int16(0, 0);
  checkVersion(version);
  if (version === VERSION_V4) refuseExperimentalCompression(message);
  const tag = message.uint8(1, 0);
  const header = message.table(2);
  const bodyLength = message.integer(3);
  if (bodyLength < 0) throw malformed('A message declares a negative body length.');
  if (header === undefined) throw malformed('A message has no header.');
  switch (tag) {
    case HEADER_SCHEMA:
      return { kind: 'schema', bodyLength, schema: readSchema(header) };
    case HEADER_RECORD_BATCH:
      return { kind: 'record-batch', bodyLength, header: readBatchHeader(header, bodyLength) };
    case HEADER_DICTIONARY_BATCH:
      return readDictionaryBatch(header, bodyLength);
    case 4:
    case 5:
      throw malformed(
        'The stream holds a tensor; only schemas, record batches and dictionaries belong here.',
      );
    default:
      throw malformed(`A message has an unknown header type (${tag}).`);
  }
}

/** Whether unions carry a validity bitmap, as they did up to metadata version V4. */
export function unionsHaveValidity(metadata: Uint8Array): boolean {
  return new FlatBuffer(metadata).root().int16(0, 0) < VERSION_V5;
}

/** Throws IPC_MALFORMED unless the metadata version is V4 or V5. */
export function checkVersion(version: number): void {
  if (version === VERSION_V4 || version === VERSION_V5) return;
  throw malformed(`Metadata version ${version + 1} is not supported; write the stream with version 4 or 5.`);
}

/** Arrow 0.17 compressed bodies in a way of its own and said so in the custom metadata alone. */
function refuseExperimentalCompression(message: FlatTable): void {
  const pairs = message.vector(4, 4);
  for (let index = 0; index < Math.min(pairs.length, 1000); index++) {
    if (message.element(pairs, index).string(0) !== 'ARROW:experimental_compression') continue;
    throw new ArrowportError(
      'CODEC_UNSUPPORTED',
      'The body is compressed in the experimental way of Arrow 0.17; write it with Arrow 1.0 or later.',
    );
  }
}

function readDictionaryBatch(table: FlatTable, bodyLength: number): DictionaryBatchMetadata {
  const data = table.table(1);
  if (data === undefined) throw malformed('A dictionary batch has no data.');
  return {
    kind: 'dictionary-batch',
    bodyLength,
    header: readBatchHeader(data, bodyLength),
    id: table.bigint(0),
    isDelta: table.bool(2),
  };
}

function readBatchHeader(table: FlatTable, bodyLength: number): RecordBatchHeader {
  const length = table.integer(0);
  if (length < 0 || length > 2 ** 31 - 1) throw malformed(`A batch declares ${length} rows.`);
  return {
    length,
    nodes: readNodes(table),
    buffers: readBuffers(table, bodyLength),
    codec: readCodec(table.table(3)),
    variadicCounts: readVariadicCounts(table),
  };
}

function readNodes(table: FlatTable): FieldNode[] {
  const vector = table.vector(1, 16);
  if (vector.length > MAX_FIELDS) throw malformed(`A batch has more than ${MAX_FIELDS} arrays.`);
  const nodes: FieldNode[] = [];
  for (let index = 0; index < vector.length; index++) {
    const position = vector.start + 16 * index;
    nodes.push({
      length: table.buffer.integerAt(position),
      nullCount: table.buffer.integerAt(position + 8),
    });
  }
  return nodes;
}

function readBuffers(table: FlatTable, bodyLength: number): BufferSpan[] {
  const vector = table.vector(2, 16);
  if (vector.length > MAX_BUFFERS) throw malformed(`A batch has more than ${MAX_BUFFERS} buffers.`);
  const spans: BufferSpan[] = [];
  let total = 0;
  for (let index = 0; index < vector.length; index++) {
    const position = vector.start + 16 * index;
    const offset = table.buffer.integerAt(position);
    const length = table.buffer.integerAt(position + 8);
    if (offset < 0 || length < 0 || (length > 0 && offset + length > bodyLength)) {
      throw malformed('A buffer of a batch stands outside the message body.');
    }
    total += length;
    spans.push(length > 0 || offset > bodyLength ? { offset, length } : { offset: 0, length });
  }
  // Buffers that overlap would let a small body stand for endless work.
  if (total > bodyLength) throw malformed('The buffers of a batch overlap.');
  return spans;
}

function readCodec(table: FlatTable | undefined): BodyCodec | null {
  if (table === undefined) return null;
  const codec = table.uint8(0, 0);
  if (table.uint8(1, 0) !== 0) {
    throw new ArrowportError('CODEC_UNSUPPORTED', 'The body is compressed by an unknown method.');
  }
  if (codec === 0) return 'lz4-frame';
  if (codec === 1) return 'zstd';
  throw new ArrowportError(
    'CODEC_UNSUPPORTED',
    `The body is compressed with unknown codec ${codec}; use ZSTD or LZ4_FRAME.`,
  );
}

function readVariadicCounts(table: FlatTable): number[] {
  const vector = table.vector(4, 8);
  if (vector.length > MAX_FIELDS) throw malformed(`A batch has more than ${MAX_FIELDS} view columns.`);
  const counts: number[] = [];
  for (let index = 0; index < vector.length; index++) {
    const count = table.buffer.integerAt(vector.start + 8 * index);
    if (count < 0 || count > MAX_BUFFERS) throw malformed(`A view column declares ${count} data buffers.`);
    counts.push(count);
  }
  return counts;
}
