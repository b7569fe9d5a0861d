import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { ArrowField, ArrowSchema, ArrowType } from '../../../src/core/schema.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';

function field(name: string, type: ArrowType, children: readonly ArrowField[] = []): ArrowField {
  return { name, type, nullable: true, children, dictionary: null, metadata: new Map() };
}

function bytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

async function writeStream(
  columns: readonly ArrayData[],
  rows: number,
  codec: 'zstd' | 'lz4-frame' | null,
): Promise<Buffer> {
  const schema: ArrowSchema = {
    fields: columns.map((column) => column.field),
    metadata: new Map([['made by', 'a test']]),
  };
  const batch = await encodeRecordBatchMessage(columns, rows, { codec, level: 3 });
  return Buffer.concat([
    frameMetadata(encodeSchemaMessage(schema)),
    frameMetadata(batch.metadata),
    batch.body,
    endOfStream,
  ]);
}

const readBack = `
import json, sys, pyarrow as pa
table = pa.ipc.open_stream(sys.stdin.buffer.read()).read_all()
table.validate(full=True)
print(json.dumps({'schema': [str(f.type) for f in table.schema], 'metadata': {k.decode(): v.decode() for k, v in table.schema.metadata.items()}, 'rows': table.to_pylist()}))
`;

const rows = 4;
const numbers = field('numbers', { kind: 'int', bitWidth: 64, signed: true });
const item = field('item', { kind: 'int', bitWidth: 32, signed: true });
const columns: readonly ArrayData[] = [
  {
    field: numbers,
    length: rows,
    nullCount: 1,
    buffers: [Uint8Array.of(0b1101), bytes(BigInt64Array.of(1n, 0n, -3n, 4n))],
    children: [],
    dictionary: null,
  },
  {
    field: field('texts', { kind: 'utf8' }),
    length: rows,
    nullCount: 0,
    buffers: [null, bytes(Int32Array.of(0, 1, 1, 3, 6)), Buffer.from('abbccc')],
    children: [],
    dictionary: null,
  },
  {
    field: field('lists', { kind: 'list' }, [item]),
    length: rows,
    nullCount: 0,
    buffers: [null, bytes(Int32Array.of(0, 2, 2, 3, 3))],
    children: [
      {
        field: item,
        length: 3,
        nullCount: 0,
        buffers: [null, bytes(Int32Array.of(7, 8, 9))],
        children: [],
        dictionary: null,
      },
    ],
    dictionary: null,
  },
  {
    field: field('nothing', { kind: 'null' }),
    length: rows,
    nullCount: rows,
    buffers: [],
    children: [],
    dictionary: null,
  },
];

for (const codec of [null, 'zstd', 'lz4-frame'] as const) {
  test(`PyArrow reads what was written with codec ${codec ?? 'none'}`, {
    skip: skipWithoutPython,
  }, async () => {
    const stream = await writeStream(columns, rows, codec);
    const answer = await runPythonJson<unknown>(readBack, [], { input: stream });
    assert.deepEqual(answer, {
      schema: ['int64', 'string', 'list<item: int32>', 'null'],
      metadata: { 'made by': 'a test' },
      rows: [
        { numbers: 1, texts: 'a', lists: [7, 8], nothing: null },
        { numbers: null, texts: '', lists: [], nothing: null },
        { numbers: -3, texts: 'bb', lists: [9], nothing: null },
        { numbers: 4, texts: 'ccc', lists: [], nothing: null },
      ],
    });
  });
}

test('bodies put every buffer at a multiple of 64 bytes', async () => {
  const { body, metadata } = await encodeRecordBatchMessage(columns, rows, { codec: null });
  assert.equal(body.length % 64, 0);
  assert.equal(metadata.length % 8, 0);
});
