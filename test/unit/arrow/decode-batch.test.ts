import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBatch } from '../../../src/arrow/decode-batch.ts';
import { createDictionaryStore } from '../../../src/arrow/dictionary-store.ts';
import { encodeSchemaMessage } from '../../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { FieldNode, RecordBatchMessage } from '../../../src/core/ipc-message.ts';
import type { ArrowField, ArrowType } from '../../../src/core/schema.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { touchArray } from './array-values.ts';
import { bytesOf, field, limits } from './stream-fixtures.ts';

const v5Metadata = encodeSchemaMessage({ fields: [], metadata: new Map() });
const none = new Uint8Array(0);

interface Batch {
  readonly fields: readonly ArrowField[];
  readonly rows: number;
  /** `[length, null count]` of each array. */
  readonly nodes: readonly (readonly [number, number])[];
  readonly buffers: readonly ArrayBufferView[];
  readonly variadicCounts?: readonly number[];
  /** Bytes that each buffer stands behind an aligned address. */
  readonly shift?: number;
}

/** A message with the buffers one after another, whatever they hold. */
function messageOf(batch: Batch): RecordBatchMessage {
  const spans: { offset: number; length: number }[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const buffer of batch.buffers) {
    const bytes = bytesOf(buffer);
    const lead = Buffer.alloc(((8 - (offset % 8)) % 8) + (batch.shift ?? 0));
    parts.push(lead, bytes);
    spans.push({ offset: offset + lead.length, length: bytes.length });
    offset += lead.length + bytes.length;
  }
  const body = new Uint8Array(Buffer.concat(parts));
  const nodes: FieldNode[] = batch.nodes.map(([length, nullCount]) => ({ length, nullCount }));
  return {
    kind: 'record-batch',
    metadata: v5Metadata,
    body,
    bytes: v5Metadata.length + body.length,
    header: {
      length: batch.rows,
      nodes,
      buffers: spans,
      codec: null,
      variadicCounts: batch.variadicCounts ?? [],
    },
    release: () => undefined,
  };
}

async function decode(batch: Batch): Promise<ArrayData[]> {
  const dictionaries = createDictionaryStore({ fields: batch.fields, metadata: new Map() }, limits);
  const arrays = await decodeBatch(messageOf(batch), batch.fields, dictionaries, limits);
  arrays.forEach(touchArray);
  return arrays;
}

async function refuses(
  batch: Batch,
  text: RegExp,
  code: ErrorCode = 'IPC_MALFORMED',
  column = 'c',
): Promise<void> {
  await assert.rejects(decode(batch), (error) => {
    assert.ok(error instanceof ArrowportError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
    if (code === 'IPC_MALFORMED') assert.equal(error.details.column, column);
    return true;
  });
}

const int32: ArrowType = { kind: 'int', bitWidth: 32, signed: true };
const item = field('item', int32);
const column = (type: ArrowType, children: readonly ArrowField[] = []) => [field('c', type, children)];
const i32 = (...values: number[]) => Int32Array.from(values);
const text = (value: string) => Buffer.from(value);

test('what the batch says must match its schema exactly', async () => {
  const fields = column(int32);
  const good: Batch = { fields, rows: 2, nodes: [[2, 0]], buffers: [none, i32(1, 2)] };
  assert.equal((await decode(good))[0]?.length, 2);
  await refuses({ ...good, nodes: [] }, /fewer arrays/);
  await refuses({ ...good, buffers: [none] }, /fewer buffers/);
  await refuses({ ...good, nodes: [[3, 0]] }, /12/);
  await refuses({ ...good, rows: 1 }, /2 rows in a batch of 1/);
  await refuses({ ...good, nodes: [[2, 3]] }, /3 nulls in 2 rows/);
  await refuses({ ...good, nodes: [[-1, 0]] }, /-1 rows/);
  await refuses({ ...good, nodes: [[2, -1]] }, /-1 nulls/);
  for (const extra of [
    { ...good, nodes: [...good.nodes, [0, 0]] as const },
    { ...good, buffers: [...good.buffers, none] },
    { ...good, variadicCounts: [0] },
  ]) {
    await assert.rejects(decode(extra), /more/);
  }
});

test('values and bitmaps must be as long as the array', async () => {
  await refuses(
    { fields: column(int32), rows: 2, nodes: [[2, 0]], buffers: [none, i32(1)] },
    /4 bytes instead of 8/,
  );
  await refuses(
    { fields: column({ kind: 'bool' }), rows: 9, nodes: [[9, 0]], buffers: [none, Uint8Array.of(1)] },
    /1 bytes/,
  );
  await refuses(
    { fields: column(int32), rows: 9, nodes: [[9, 1]], buffers: [Uint8Array.of(1), new Int32Array(9)] },
    /bitmap/,
  );
  await refuses({ fields: column(int32), rows: 2, nodes: [[2, 1]], buffers: [none, i32(1, 2)] }, /bitmap/);
});

test('null counts are counted, not believed; a null count of 0 makes the bitmap void', async () => {
  const batch: Batch = {
    fields: column(int32),
    rows: 3,
    nodes: [[3, 1]],
    buffers: [Uint8Array.of(0b001), i32(1, 2, 3)],
  };
  assert.equal((await decode(batch))[0]?.nullCount, 2);
  const allValid = (await decode({ ...batch, buffers: [Uint8Array.of(0b111), i32(1, 2, 3)] }))[0];
  assert.deepEqual([allValid?.nullCount, allValid?.buffers[0]], [0, null]);
  const unsaid = (await decode({ ...batch, nodes: [[3, 0]] }))[0];
  assert.deepEqual([unsaid?.nullCount, unsaid?.buffers[0]], [0, null]);
});

test('misaligned buffers are copied to aligned addresses', async () => {
  const [array] = await decode({
    fields: column(int32),
    rows: 2,
    nodes: [[2, 0]],
    buffers: [none, i32(1, 2)],
    shift: 3,
  });
  assert.deepEqual(array?.buffers[1], bytesOf(i32(1, 2)));
});

test('offsets must start at 0 or above, never fall and end within the values', async () => {
  const utf8: Batch = {
    fields: column({ kind: 'utf8' }),
    rows: 2,
    nodes: [[2, 0]],
    buffers: [none, i32(0, 1, 3), text('abc')],
  };
  await decode(utf8);
  const withOffsets = (...offsets: number[]): Batch => ({
    ...utf8,
    buffers: [none, i32(...offsets), text('abc')],
  });
  await decode(withOffsets(1, 1, 2));
  await refuses(withOffsets(0, 1, 4), /offsets/);
  await refuses(withOffsets(0, 2, 1), /offsets/);
  await refuses(withOffsets(-1, 0, 1), /offsets/);
  await refuses(withOffsets(0, 1), /offsets have 8 bytes/);
  const large = (...offsets: bigint[]): Batch => ({
    ...utf8,
    fields: column({ kind: 'large-binary' }),
    buffers: [none, BigInt64Array.from(offsets), text('abc')],
  });
  await decode(large(0n, 1n, 3n));
  for (const offsets of [
    [0n, 1n, 4n],
    [0n, 2n, 1n],
    [-1n, 0n, 1n],
    [0n, 0n, 2n ** 32n],
    [0n, 2n ** 63n - 1n, 3n],
  ]) {
    await refuses(large(...offsets), /offsets/);
  }
  const list = (...offsets: number[]): Batch => ({
    fields: column({ kind: 'list' }, [item]),
    rows: 2,
    nodes: [
      [2, 0],
      [3, 0],
    ],
    buffers: [none, i32(...offsets), none, i32(1, 2, 3)],
  });
  await decode(list(0, 0, 3));
  await refuses(list(0, 0, 4), /offsets/);
});

test('arrays of no rows may leave out their offsets', async () => {
  for (const offsets of [none, i32(0)]) {
    for (const type of [{ kind: 'utf8' }, { kind: 'large-utf8' }] as const) {
      const [array] = await decode({
        fields: column(type),
        rows: 0,
        nodes: [[0, 0]],
        buffers: [none, offsets, none],
      });
      assert.ok((array?.buffers[1]?.byteLength ?? 0) >= 4);
    }
    await decode({
      fields: column({ kind: 'list' }, [item]),
      rows: 0,
      nodes: [
        [0, 0],
        [0, 0],
      ],
      buffers: [none, offsets, none, none],
    });
  }
});

test('text must be UTF-8 in every valid slot, and only there', async () => {
  const two = (data: Uint8Array, split: number, nulls: number, bits: number): Batch => ({
    fields: column({ kind: 'utf8' }),
    rows: 2,
    nodes: [[2, nulls]],
    buffers: [nulls === 0 ? none : Uint8Array.of(bits), i32(0, split, data.length), data],
  });
  await decode(two(text('éé'), 2, 0, 3));
  await refuses(two(text('éé'), 1, 0, 3), /UTF-8/);
  await refuses(two(Uint8Array.of(0x61, 0xff), 1, 0, 3), /UTF-8/);
  await decode(two(Uint8Array.of(0x61, 0xff), 1, 1, 0b01));
  await decode({ ...two(Uint8Array.of(0x61, 0xff), 1, 0, 3), fields: column({ kind: 'binary' }) });
  await refuses(two(Uint8Array.of(0xed, 0xa0, 0x80), 0, 0, 3), /UTF-8/);
  await refuses(two(text('é').subarray(0, 1), 1, 0, 3), /UTF-8/);
});

/** Views of 16 bytes each: `[length, prefix, buffer, offset]` or an inline text. */
function viewsOf(...views: readonly (string | readonly [number, string, number, number])[]): Uint8Array {
  const bytes = Buffer.alloc(views.length * 16);
  for (const [index, view] of views.entries()) {
    if (typeof view === 'string') {
      bytes.writeInt32LE(Buffer.byteLength(view, 'latin1'), index * 16);
      bytes.write(view, index * 16 + 4, 'latin1');
      continue;
    }
    bytes.writeInt32LE(view[0], index * 16);
    bytes.write(view[1], index * 16 + 4, 'latin1');
    bytes.writeInt32LE(view[2], index * 16 + 8);
    bytes.writeInt32LE(view[3], index * 16 + 12);
  }
  return bytes;
}

test('views must point into their data, with the right prefix and valid text', async () => {
  const data = text('a long enough text with é');
  const one = (
    view: string | readonly [number, string, number, number],
    kind: 'utf8-view' | 'binary-view' = 'utf8-view',
  ): Batch => ({
    fields: column({ kind }),
    rows: 1,
    nodes: [[1, 0]],
    buffers: [none, viewsOf(view), data],
    variadicCounts: [1],
  });
  await decode(one([20, 'a lo', 0, 0]));
  await decode(one([data.length, 'a lo', 0, 0]));
  await decode(one('inline'));
  await refuses(one([20, 'a lo', 1, 0]), /outside/);
  await refuses(one([20, 'a lo', -1, 0]), /outside/);
  await refuses(one([20, 'a lo', 0, 7]), /outside/);
  await refuses(one([20, 'a lo', 0, -1]), /outside/);
  await refuses(one([2 ** 31 - 1, 'a lo', 0, 2 ** 31 - 1]), /outside/);
  await refuses(one([-1, 'a lo', 0, 0]), /negative/);
  await refuses(one([20, 'a xx', 0, 0]), /prefix/);
  await refuses(one([data.length - 1, 'a lo', 0, 0]), /UTF-8/);
  await decode(one([data.length - 1, 'a lo', 0, 0], 'binary-view'));
  await refuses(one('\xff'), /UTF-8/);
  await decode(one('\xff', 'binary-view'));
  await refuses({ ...one('x'), variadicCounts: [] }, /data buffers/);
  await refuses({ ...one('x'), buffers: [none, none, data] }, /views have 0 bytes/);
  await refuses({ ...one('x'), variadicCounts: [2] }, /fewer buffers/);
  await decode({
    ...one([-1, 'a lo', 9, 9]),
    nodes: [[1, 1]],
    buffers: [Uint8Array.of(0), viewsOf([-1, 'a lo', 9, 9]), data],
  });
});

test('list views must stay within their values', async () => {
  const views = (
    offsets: ArrayBufferView,
    sizes: ArrayBufferView,
    kind: 'list-view' | 'large-list-view' = 'list-view',
  ): Batch => ({
    fields: column({ kind }, [item]),
    rows: 2,
    nodes: [
      [2, 0],
      [3, 0],
    ],
    buffers: [none, offsets, sizes, none, i32(1, 2, 3)],
  });
  await decode(views(i32(2, 0), i32(1, 3)));
  await refuses(views(i32(2, 0), i32(2, 3)), /outside/);
  await refuses(views(i32(-1, 0), i32(1, 3)), /outside/);
  await refuses(views(i32(0, 0), i32(1, -1)), /outside/);
  await refuses(views(i32(0), i32(1, 1)), /offsets have 4/);
  await refuses(views(i32(0, 0), i32(1)), /sizes have 4/);
  await decode(views(BigInt64Array.of(2n, 0n), BigInt64Array.of(1n, 3n), 'large-list-view'));
  await refuses(
    views(BigInt64Array.of(2n ** 40n, 0n), BigInt64Array.of(1n, 3n), 'large-list-view'),
    /outside/,
  );
});

test('children must be as long as their parents need them', async () => {
  const struct: Batch = {
    fields: column({ kind: 'struct' }, [item]),
    rows: 2,
    nodes: [
      [2, 0],
      [2, 0],
    ],
    buffers: [none, none, i32(1, 2)],
  };
  await decode(struct);
  await refuses(
    {
      ...struct,
      nodes: [
        [2, 0],
        [1, 0],
      ],
    },
    /1 of 2 rows/,
  );
  await refuses({ ...struct, buffers: [none, none, i32(1)] }, /4 bytes/, 'IPC_MALFORMED', 'c.item');
  const pairs: Batch = {
    fields: column({ kind: 'fixed-size-list', listSize: 2 }, [item]),
    rows: 2,
    nodes: [
      [2, 0],
      [4, 0],
    ],
    buffers: [none, none, i32(1, 2, 3, 4)],
  };
  await decode(pairs);
  await refuses(
    {
      ...pairs,
      nodes: [
        [2, 0],
        [3, 0],
      ],
    },
    /3 values instead of 4/,
  );
});

test('run ends must rise and cover the rows', async () => {
  const fields = column({ kind: 'run-end-encoded' }, [
    field('run_ends', int32),
    field('values', { kind: 'utf8' }),
  ]);
  const runs = (rows: number, ends: readonly number[], values = ends.length): Batch => ({
    fields,
    rows,
    nodes: [
      [rows, 0],
      [ends.length, 0],
      [values, 0],
    ],
    buffers: [none, i32(...ends), none, new Int32Array(values + 1), none],
  });
  await decode(runs(5, [2, 5]));
  await decode(runs(4, [2, 5]));
  await decode(runs(0, []));
  await refuses(runs(5, [2, 4]), /run ends/);
  await refuses(runs(5, [5, 5]), /run ends/);
  await refuses(runs(5, [0, 5]), /run ends/);
  await refuses(runs(5, [-1, 5]), /run ends/);
  await refuses(runs(5, []), /run ends/);
  await refuses(runs(5, [2, 5], 1), /fewer values/);
  await refuses(
    {
      ...runs(5, [2, 5]),
      nodes: [
        [5, 0],
        [2, 1],
        [2, 0],
      ],
      buffers: [Uint8Array.of(1), i32(2, 5), none, new Int32Array(3), none],
    },
    /null/,
  );
});

test('unions must name members that there are and rows that they have', async () => {
  const dense = (ids: Int8Array, offsets: Int32Array): Batch => ({
    fields: column({ kind: 'union', mode: 'dense', typeIds: [3, 9] }, [item, field('b', { kind: 'bool' })]),
    rows: 2,
    nodes: [
      [2, 0],
      [2, 0],
      [1, 0],
    ],
    buffers: [ids, offsets, none, i32(1, 2), none, Uint8Array.of(1)],
  });
  await decode(dense(Int8Array.of(3, 9), i32(1, 0)));
  await refuses(dense(Int8Array.of(3, 9), i32(1, 1)), /offsets/);
  await refuses(dense(Int8Array.of(3, 9), i32(-1, 0)), /offsets/);
  await refuses(dense(Int8Array.of(3, 4), i32(0, 0)), /4 is no type id/);
  await refuses(dense(Int8Array.of(3, -1), i32(0, 0)), /-1 is no type id/);
  await refuses(dense(Int8Array.of(3), i32(0, 0)), /type ids/);
  const sparse: Batch = {
    fields: column({ kind: 'union', mode: 'sparse', typeIds: [0] }, [item]),
    rows: 2,
    nodes: [
      [2, 0],
      [2, 0],
    ],
    buffers: [Int8Array.of(0, 0), none, i32(1, 2)],
  };
  await decode(sparse);
  await refuses(
    {
      ...sparse,
      nodes: [
        [2, 0],
        [1, 0],
      ],
    },
    /1 of 2 rows/,
  );
});

test('a map needs keys', async () => {
  const entries = field('entries', { kind: 'struct' }, [field('key', int32), field('value', int32)]);
  const map: Batch = {
    fields: column({ kind: 'map', keysSorted: false }, [entries]),
    rows: 1,
    nodes: [
      [1, 0],
      [2, 0],
      [2, 0],
      [2, 0],
    ],
    buffers: [none, i32(0, 2), none, none, i32(1, 2), none, i32(1, 2)],
  };
  await decode(map);
  await refuses(
    {
      ...map,
      nodes: [
        [1, 0],
        [2, 0],
        [2, 1],
        [2, 0],
      ],
      buffers: [none, i32(0, 2), none, Uint8Array.of(1), i32(1, 2), none, i32(1, 2)],
    },
    /key/,
  );
});

test('arrays without bytes cannot declare rows beyond the limit of a message', async () => {
  const rows = 2 ** 31 - 1;
  await refuses(
    { fields: column({ kind: 'null' }), rows, nodes: [[rows, 0]], buffers: [] },
    /over limits/,
    'DECOMPRESSED_TOO_LARGE',
  );
  const runs: Batch = {
    fields: column({ kind: 'run-end-encoded' }, [field('run_ends', int32), item]),
    rows,
    nodes: [
      [rows, 0],
      [1, 0],
      [1, 0],
    ],
    buffers: [none, i32(rows), none, i32(1)],
  };
  await refuses(runs, /over limits/, 'DECOMPRESSED_TOO_LARGE');
});

test('values that are named again and again cannot stand for more than a message may hold', async () => {
  const rows = 2000;
  const value = Buffer.alloc(1_000_000, 'a');
  const views = viewsOf(...Array.from({ length: rows }, () => [value.length, 'aaaa', 0, 0] as const));
  const tooMuch: Batch = {
    fields: column({ kind: 'utf8-view' }),
    rows,
    nodes: [[rows, 0]],
    buffers: [none, views, value],
    variadicCounts: [1],
  };
  await refuses({ ...tooMuch, buffers: [none, views, value] }, /over limits/, 'DECOMPRESSED_TOO_LARGE');
  const lists: Batch = {
    fields: column({ kind: 'list-view' }, [field('item', { kind: 'utf8' })]),
    rows,
    nodes: [
      [rows, 0],
      [1, 0],
    ],
    buffers: [none, new Int32Array(rows), new Int32Array(rows).fill(1), none, i32(0, value.length), value],
  };
  await refuses(lists, /over limits/, 'DECOMPRESSED_TOO_LARGE');
  const runs: Batch = {
    fields: column({ kind: 'run-end-encoded' }, [
      field('run_ends', int32),
      field('values', { kind: 'utf8' }),
    ]),
    rows,
    nodes: [
      [rows, 0],
      [1, 0],
      [1, 0],
    ],
    buffers: [none, i32(rows), none, i32(0, value.length), value],
  };
  await refuses(runs, /over limits/, 'DECOMPRESSED_TOO_LARGE');
  const short = viewsOf(...Array.from({ length: rows }, () => [50_000, 'aaaa', 0, 0] as const));
  await decode({ ...tooMuch, buffers: [none, short, value] });
});
