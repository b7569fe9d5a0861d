import { decodeBatch } from '../../../src/arrow/decode-batch.ts';
import { createDictionaryStore } from '../../../src/arrow/dictionary-store.ts';
import {
  encodeDictionaryBatchMessage,
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { StreamResources } from '../../../src/core/ingest.ts';
import type { IpcLimits, IpcStream } from '../../../src/core/ipc-message.ts';
import type { ArrowField, ArrowType } from '../../../src/core/schema.ts';

/** The limits that the shipped configuration has. */
export const limits: IpcLimits = { maxMessageBytes: 256 * 1024 * 1024, maxDecompressedRatio: 200 };

/** Resources whose leases are counted: `leases` is how many are out, `largest` the most bytes asked for at once. */
export class CountingResources implements StreamResources {
  readonly limits: IpcLimits;
  readonly allocator = { allocate: (length: number) => this.#allocate(length) };
  leases = 0;
  largest = 0;

  constructor(changed: Partial<IpcLimits> = {}) {
    this.limits = { ...limits, ...changed };
  }

  #allocate(length: number) {
    this.leases += 1;
    this.largest = Math.max(this.largest, length);
    let held = true;
    return {
      bytes: new Uint8Array(length),
      release: () => {
        if (!held) throw new Error('a lease was released twice');
        held = false;
        this.leases -= 1;
      },
    };
  }
}

/** A field without children, dictionary or metadata. */
export function field(name: string, type: ArrowType, children: readonly ArrowField[] = []): ArrowField {
  return { name, type, nullable: true, children, dictionary: null, metadata: new Map() };
}

/** The bytes behind a typed array, in memory of their own. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}

/** An array; buffers are typed arrays, null for an absent bitmap. */
export function arrayOf(
  arrayField: ArrowField,
  length: number,
  nullCount: number,
  buffers: readonly (ArrayBufferView | null)[],
  children: readonly ArrayData[] = [],
  dictionary: ArrayData | null = null,
): ArrayData {
  return {
    field: arrayField,
    length,
    nullCount,
    buffers: buffers.map((buffer) => (buffer === null ? null : bytesOf(buffer))),
    children,
    dictionary,
  };
}

/** A string array. */
export function textArray(arrayField: ArrowField, texts: readonly string[]): ArrayData {
  const offsets = new Int32Array(texts.length + 1);
  for (const [index, text] of texts.entries())
    offsets[index + 1] = (offsets[index] ?? 0) + Buffer.byteLength(text);
  return arrayOf(arrayField, texts.length, 0, [null, offsets, Buffer.from(texts.join(''))]);
}

const int64: ArrowType = { kind: 'int', bitWidth: 64, signed: true };
const int32: ArrowType = { kind: 'int', bitWidth: 32, signed: true };

/** The field of {@link dictionaryBatches}. */
export const encodedField: ArrowField = {
  ...field('kind', { kind: 'utf8' }),
  dictionary: { id: 7n, indexBitWidth: 8, indexSigned: true, ordered: false },
};

/** Columns of four rows that between them have most of the layouts. */
export function sampleColumns(): ArrayData[] {
  const item = field('item', int32);
  const dictionary = textArray(field('kind', { kind: 'utf8' }), ['début', 'end', '']);
  const views = Buffer.alloc(64);
  for (const [index, text] of ['a', 'twelve bytes', 'x', 'y'].entries()) {
    views.writeInt32LE(text.length, index * 16);
    views.write(text, index * 16 + 4);
  }
  const long = 'a text that is longer than twelve';
  views.writeInt32LE(long.length, 48);
  views.write(long.slice(0, 4), 52);
  views.writeInt32LE(0, 56);
  views.writeInt32LE(2, 60);
  return [
    arrayOf(field('id', int64), 4, 1, [Uint8Array.of(0b1101), BigInt64Array.of(1n, 0n, -3n, 2n ** 60n)]),
    textArray(field('name', { kind: 'utf8' }), ['', 'é', 'plain', '日本']),
    arrayOf(field('flag', { kind: 'bool' }), 4, 0, [null, Uint8Array.of(0b0110)]),
    arrayOf(
      field('list', { kind: 'list' }, [item]),
      4,
      1,
      [Uint8Array.of(0b1011), Int32Array.of(0, 2, 2, 2, 3)],
      [arrayOf(item, 3, 0, [null, Int32Array.of(5, 6, 7)])],
    ),
    arrayOf(field('view', { kind: 'utf8-view' }), 4, 0, [null, views, Buffer.from(`..${long}`)]),
    arrayOf(
      field('pair', { kind: 'struct' }, [item]),
      4,
      0,
      [null],
      [arrayOf(item, 4, 0, [null, Int32Array.of(1, 2, 3, 4)])],
    ),
    arrayOf(encodedField, 4, 1, [Uint8Array.of(0b0111), Int8Array.of(2, 0, 1, 99)], [], dictionary),
  ];
}

/** A stream in parts: its schema message without a frame, and the framed messages of each kind. */
export interface StreamParts {
  readonly schema: Uint8Array;
  readonly dictionaries: readonly Uint8Array[];
  readonly batches: readonly Uint8Array[];
}

/** Encodes a dictionary batch for each encoded column, and `batches` times the columns. */
export async function encodeParts(
  columns: readonly ArrayData[],
  codec: 'zstd' | 'lz4-frame' | null = null,
  batches = 2,
): Promise<StreamParts> {
  const compression = { codec, level: 3 };
  const dictionaries: Uint8Array[] = [];
  for (const column of columns) {
    if (column.dictionary === null || column.field.dictionary === null) continue;
    const { id } = column.field.dictionary;
    const message = await encodeDictionaryBatchMessage(id, column.dictionary, compression);
    dictionaries.push(Buffer.concat([frameMetadata(message.metadata), message.body]));
  }
  const message = await encodeRecordBatchMessage(columns, columns[0]?.length ?? 0, compression);
  const batch = Buffer.concat([frameMetadata(message.metadata), message.body]);
  return {
    schema: encodeSchemaMessage({ fields: columns.map((column) => column.field), metadata: new Map() }),
    dictionaries,
    batches: Array.from({ length: batches }, () => batch),
  };
}

/** The bytes of a whole stream of {@link encodeParts}. */
export async function encodeStream(
  columns: readonly ArrayData[],
  codec: 'zstd' | 'lz4-frame' | null = null,
  batches = 2,
): Promise<Buffer> {
  const parts = await encodeParts(columns, codec, batches);
  return Buffer.concat([frameMetadata(parts.schema), ...parts.dictionaries, ...parts.batches, endOfStream]);
}

/** Chunks of `size` bytes. */
export async function* chunksOf(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += size) yield bytes.subarray(start, start + size);
}

/** Decodes a whole stream; every message is released. `visit` sees each batch before that. */
export async function decodeStream(
  stream: IpcStream,
  visit: (columns: ArrayData[], rows: number) => void = () => undefined,
): Promise<number> {
  const dictionaries = createDictionaryStore(stream.schema, limits);
  let rows = 0;
  for await (const message of stream.messages) {
    try {
      if (message.kind === 'dictionary-batch') await dictionaries.apply(message);
      else {
        visit(await decodeBatch(message, stream.schema.fields, dictionaries, limits), message.header.length);
        rows += message.header.length;
      }
    } finally {
      message.release();
    }
  }
  dictionaries.close();
  return rows;
}
