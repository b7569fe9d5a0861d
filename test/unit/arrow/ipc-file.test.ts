import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from 'flatbuffers';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import { endOfStream, frameMetadata } from '../../../src/arrow/stream-writer.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { patienceMs } from '../../support/patience.ts';
import { CountingResources, chunksOf, decodeStream, encodeParts, sampleColumns } from './stream-fixtures.ts';

interface FileOptions {
  readonly batches?: number;
  readonly dictionaries?: number;
  readonly marker?: boolean;
  readonly padding?: number;
  readonly magicBytes?: number;
  /** Leaves out the frame of the schema message. */
  readonly bareSchema?: boolean;
  readonly dictionariesLast?: boolean;
}

/** A footer that names so many batches of each kind; where they stand does not matter to a reader from the front. */
function encodeFooter(recordBatches: number, dictionaries: number): Buffer {
  const builder = new Builder(256);
  const blocks = (count: number) => {
    builder.startVector(24, count, 8);
    for (let index = 0; index < count; index++) {
      builder.prep(8, 24);
      for (let word = 0; word < 3; word++) builder.writeInt64(8n);
    }
    return builder.endVector();
  };
  const dictionaryBlocks = blocks(dictionaries);
  const batchBlocks = blocks(recordBatches);
  builder.startObject(5);
  builder.addFieldInt16(0, 4, 0);
  builder.addFieldOffset(2, dictionaryBlocks, 0);
  builder.addFieldOffset(3, batchBlocks, 0);
  builder.finish(builder.endObject());
  return Buffer.from(builder.asUint8Array());
}

async function encodeFile(options: FileOptions = {}): Promise<Buffer> {
  const { batches = 2, dictionaries = 1, marker = true, padding = 0, magicBytes = 8 } = options;
  const parts = await encodeParts(sampleColumns());
  const footer = encodeFooter(batches, dictionaries);
  const magic = Buffer.alloc(magicBytes);
  magic.write('ARROW1');
  const length = Buffer.alloc(4);
  length.writeInt32LE(footer.length);
  return Buffer.concat([
    magic,
    options.bareSchema === true ? parts.schema : frameMetadata(parts.schema),
    ...(options.dictionariesLast === true
      ? [...parts.batches, ...parts.dictionaries]
      : [...parts.dictionaries, ...parts.batches]),
    marker ? endOfStream : Buffer.alloc(0),
    Buffer.alloc(padding),
    footer,
    length,
    Buffer.from('ARROW1'),
  ]);
}

async function read(
  bytes: Uint8Array,
  chunkBytes = 100,
  resources = new CountingResources(),
): Promise<number | string> {
  try {
    return await decodeStream(await openIpcBody(chunksOf(bytes, chunkBytes), 'sniff', resources));
  } catch (error) {
    assert.ok(error instanceof ArrowportError, String(error));
    return error.code;
  } finally {
    assert.equal(resources.leases, 0);
  }
}

test('a file reads front to back, with and without an end marker before its footer', async () => {
  assert.equal(await read(await encodeFile()), 8);
  assert.equal(await read(await encodeFile(), 1), 8);
  assert.equal(await read(await encodeFile({ marker: false })), 8);
});

test('a file may pad its magic and its footer', async () => {
  assert.equal(await read(await encodeFile({ magicBytes: 64 })), 8);
  assert.equal(await read(await encodeFile({ padding: 24 })), 8);
});

test('a file cut anywhere is IPC_TRUNCATED', async () => {
  const file = await encodeFile();
  for (let length = 3; length < file.length; length += 7) {
    assert.equal(await read(file.subarray(0, length)), 'IPC_TRUNCATED', `cut at ${length}`);
  }
});

test('a footer that names other batches than there are is IPC_MALFORMED', async () => {
  assert.equal(await read(await encodeFile({ batches: 3 })), 'IPC_MALFORMED');
  assert.equal(await read(await encodeFile({ batches: 1 })), 'IPC_MALFORMED');
  assert.equal(await read(await encodeFile({ dictionaries: 0 })), 'IPC_MALFORMED');
});

test('a footer length that cannot be is IPC_MALFORMED', async () => {
  const file = await encodeFile();
  file.writeInt32LE(-1, file.length - 10);
  assert.equal(await read(file), 'IPC_MALFORMED');
  file.writeInt32LE(1_000_000, file.length - 10);
  assert.equal(await read(file), 'IPC_MALFORMED');
});

test('a schema message without a frame, as Polars writes it, is read up to the next message', async () => {
  const file = await encodeFile({ bareSchema: true });
  for (const chunkBytes of [1, 100, 100_000]) assert.equal(await read(file, chunkBytes), 8);
  assert.equal(await read(file.subarray(0, 40)), 'IPC_TRUNCATED');
  file.fill(0x11, 20, 40);
  assert.notEqual(await read(file), 8);
});

test('a file that is full of markers is refused at once', async () => {
  const file = Buffer.alloc(8 * 1024 * 1024, 0xff);
  file.write('ARROW1\0\0\x10\0\0\0', 'latin1');
  const started = performance.now();
  assert.equal(await read(file, 65536), 'IPC_MALFORMED');
  assert.ok(performance.now() - started < patienceMs);
});

test('dictionaries behind the batches, as Polars writes them, are handed out before them', async () => {
  const file = await encodeFile({ dictionariesLast: true });
  assert.equal(await read(file), 8);
  assert.equal(await read(file.subarray(0, -12)), 'IPC_TRUNCATED');
  const tight = new CountingResources({ maxMessageBytes: 2000 });
  assert.equal(await read(file, 100, tight), 'BODY_TOO_LARGE');
});
