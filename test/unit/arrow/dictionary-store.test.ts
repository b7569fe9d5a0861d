import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBatch } from '../../../src/arrow/decode-batch.ts';
import { createDictionaryStore } from '../../../src/arrow/dictionary-store.ts';
import { readMessageMetadata } from '../../../src/arrow/metadata.ts';
import {
  type EncodedMessage,
  encodeDictionaryBatchMessage,
  encodeRecordBatchMessage,
} from '../../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { DictionaryBatchMessage, RecordBatchMessage } from '../../../src/core/ipc-message.ts';
import type { ArrowField, ArrowType } from '../../../src/core/schema.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { isSlotValid, readLeaf, touchArray } from './array-values.ts';
import { arrayOf, encodedField, field, limits, textArray } from './stream-fixtures.ts';

const plain = { codec: null, level: 3 } as const;

function assemble<K extends 'record-batch' | 'dictionary-batch'>(encoded: EncodedMessage, kind: K) {
  const decoded = readMessageMetadata(encoded.metadata);
  assert.equal(decoded.kind, kind);
  let released = 0;
  const body = new Uint8Array(encoded.body);
  const message = {
    ...decoded,
    kind,
    metadata: encoded.metadata,
    body,
    bytes: body.byteLength,
    release: () => {
      released += 1;
      // What reads a released body sees rubbish.
      body.fill(0xee);
    },
  };
  return { message, releases: () => released };
}

async function dictionaryBatch(values: ArrayData, isDelta = false, id = 7n) {
  const { message, releases } = assemble(
    await encodeDictionaryBatchMessage(id, values, plain, isDelta),
    'dictionary-batch',
  );
  return { message: message as unknown as DictionaryBatchMessage, releases };
}

async function recordBatch(column: ArrayData): Promise<RecordBatchMessage> {
  const { message } = assemble(
    await encodeRecordBatchMessage([column], column.length, plain),
    'record-batch',
  );
  return message as unknown as RecordBatchMessage;
}

const valueField = (type: ArrowType): ArrowField => ({ ...encodedField, type, dictionary: null });
const storeOf = (fields: readonly ArrowField[] = [encodedField], bounds = limits) =>
  createDictionaryStore({ fields, metadata: new Map() }, bounds);
const textsOf = (values: ArrayData | undefined) =>
  values === undefined
    ? undefined
    : Array.from({ length: values.length }, (_, index) =>
        isSlotValid(values, index) ? readLeaf(values, index) : null,
      );
const texts = (...list: string[]) => textArray(valueField({ kind: 'utf8' }), list);
const codeIs = (code: ErrorCode) => (error: unknown) =>
  error instanceof ArrowportError && error.code === code;

test('the store releases a message at once and keeps its values', async () => {
  const store = storeOf();
  assert.equal(store.find(7n), undefined);
  const { message, releases } = await dictionaryBatch(texts('a', 'béta'));
  await store.apply(message);
  assert.equal(releases(), 1);
  assert.deepEqual(textsOf(store.find(7n)), ['a', 'béta']);
  store.close();
  assert.equal(store.find(7n), undefined);
});

test('a second dictionary replaces the first, which stays as it was for whoever holds it', async () => {
  const store = storeOf();
  await store.apply((await dictionaryBatch(texts('old'))).message);
  const old = store.find(7n);
  await store.apply((await dictionaryBatch(texts('new', 'er'))).message);
  assert.deepEqual(textsOf(old), ['old']);
  assert.deepEqual(textsOf(store.find(7n)), ['new', 'er']);
});

test('a delta adds values, which the arrays handed out before do not see', async () => {
  const store = storeOf();
  const seen: (ArrayData | undefined)[] = [];
  await store.apply((await dictionaryBatch(texts('a'), true)).message);
  seen.push(store.find(7n));
  for (let delta = 1; delta < 200; delta++) {
    await store.apply((await dictionaryBatch(texts(`value ${delta}`, ''), true)).message);
    seen.push(store.find(7n));
  }
  for (const [index, values] of seen.entries()) {
    assert.equal(values?.length, 1 + 2 * index);
    assert.deepEqual(textsOf(values)?.slice(-2), index === 0 ? ['a'] : [`value ${index}`, '']);
    assert.equal(textsOf(values)?.[0], 'a');
  }
});

const deltas: readonly (readonly [ArrowType, () => ArrayData[]])[] = [
  [
    { kind: 'int', bitWidth: 64, signed: true },
    () => {
      const type = valueField({ kind: 'int', bitWidth: 64, signed: true });
      return [
        arrayOf(type, 3, 1, [Uint8Array.of(0b101), BigInt64Array.of(1n, 2n, 3n)]),
        arrayOf(type, 2, 0, [null, BigInt64Array.of(4n, -5n)]),
      ];
    },
  ],
  [
    { kind: 'bool' },
    () => {
      const type = valueField({ kind: 'bool' });
      return [
        arrayOf(type, 3, 0, [null, Uint8Array.of(0b101)]),
        arrayOf(type, 7, 1, [Uint8Array.of(0x7e), Uint8Array.of(0b0110110)]),
      ];
    },
  ],
  [
    { kind: 'large-binary' },
    () => {
      const type = valueField({ kind: 'large-binary' });
      return [
        arrayOf(type, 1, 0, [null, BigInt64Array.of(0n, 2n), Buffer.from('xy')]),
        arrayOf(type, 2, 1, [Uint8Array.of(0b10), BigInt64Array.of(1n, 1n, 3n), Buffer.from('abc')]),
      ];
    },
  ],
  [
    { kind: 'utf8-view' },
    () => {
      const type = valueField({ kind: 'utf8-view' });
      const view = (text: string, prefix: string, buffer: number, offset: number) => {
        const bytes = Buffer.alloc(16);
        bytes.writeInt32LE(text.length);
        bytes.write(text.length > 12 ? prefix : text, 4);
        if (text.length <= 12) return bytes;
        bytes.writeInt32LE(buffer, 8);
        bytes.writeInt32LE(offset, 12);
        return bytes;
      };
      const [first, second] = ['the first long text', 'another text of some length'] as const;
      return [
        arrayOf(type, 2, 0, [
          null,
          Buffer.concat([view('in', '', 0, 0), view(first, 'the ', 0, 1)]),
          Buffer.from(`-${first}`),
        ]),
        arrayOf(type, 2, 0, [
          null,
          Buffer.concat([view(second, 'anot', 1, 0), view('line', '', 0, 0)]),
          Buffer.from('z'),
          Buffer.from(second),
        ]),
      ];
    },
  ],
];

for (const [type, make] of deltas) {
  test(`a delta to a dictionary of ${type.kind} adds its values`, async () => {
    const store = storeOf([{ ...encodedField, type }]);
    const parts = make();
    for (const part of parts) await store.apply((await dictionaryBatch(part, true)).message);
    const joined = store.find(7n);
    assert.ok(joined !== undefined);
    touchArray(joined);
    assert.deepEqual(
      textsOf(joined),
      parts.flatMap((part) => textsOf(part)),
    );
    assert.equal(
      joined.nullCount,
      parts.reduce((sum, part) => sum + part.nullCount, 0),
    );
  });
}

test('a delta to a dictionary of lists is TYPE_UNSUPPORTED and named', async () => {
  const item = field('item', { kind: 'int', bitWidth: 32, signed: true });
  const type = { ...valueField({ kind: 'list' }), children: [item] };
  const store = storeOf([{ ...encodedField, type: { kind: 'list' }, children: [item] }]);
  const values = arrayOf(
    type,
    1,
    0,
    [null, Int32Array.of(0, 1)],
    [arrayOf(item, 1, 0, [null, Int32Array.of(4)])],
  );
  await store.apply((await dictionaryBatch(values)).message);
  const { message, releases } = await dictionaryBatch(values, true);
  await assert.rejects(store.apply(message), codeIs('TYPE_UNSUPPORTED'));
  assert.equal(releases(), 1);
});

test('indices must lie within the dictionary, but only where they are valid', async () => {
  const store = storeOf();
  await store.apply((await dictionaryBatch(texts('a', 'b'))).message);
  const indices = (validity: Uint8Array | null, ...values: number[]) =>
    arrayOf(
      encodedField,
      values.length,
      validity === null ? 0 : 1,
      [validity, Int8Array.from(values)],
      [],
      texts('a', 'b'),
    );
  const decode = async (column: ArrayData) =>
    decodeBatch(await recordBatch(column), [encodedField], store, limits);
  const [good] = await decode(indices(null, 0, 1, 0));
  assert.deepEqual(textsOf(good?.dictionary ?? undefined), ['a', 'b']);
  await decode(indices(Uint8Array.of(0b101), 0, 99, 1));
  await assert.rejects(decode(indices(null, 0, 2)), codeIs('IPC_MALFORMED'));
  await assert.rejects(decode(indices(null, 0, -1)), codeIs('IPC_MALFORMED'));
});

test('a batch before its dictionary is refused, unless all its indices are null', async () => {
  const store = storeOf();
  const some = arrayOf(encodedField, 2, 1, [Uint8Array.of(0b01), Int8Array.of(0, 0)], [], texts('a'));
  await assert.rejects(
    async () => decodeBatch(await recordBatch(some), [encodedField], store, limits),
    /dictionary \(id 7\) has not come/,
  );
  const nulls = arrayOf(encodedField, 2, 2, [Uint8Array.of(0), Int8Array.of(5, 5)], [], texts('a'));
  const [array] = await decodeBatch(await recordBatch(nulls), [encodedField], store, limits);
  assert.equal(array?.dictionary?.length, 0);
});

test('a dictionary that no column has, and one shared by two types, are IPC_MALFORMED', async () => {
  await assert.rejects(
    storeOf().apply((await dictionaryBatch(texts('a'), false, 8n)).message),
    codeIs('IPC_MALFORMED'),
  );
  const other: ArrowField = { ...encodedField, name: 'other', type: { kind: 'binary' } };
  assert.throws(() => storeOf([encodedField, other]), codeIs('IPC_MALFORMED'));
  assert.doesNotThrow(() => storeOf([encodedField, { ...encodedField, name: 'other' }]));
});

test('all dictionaries of a stream together are bounded', async () => {
  const store = storeOf([encodedField], { ...limits, maxMessageBytes: 10_000 });
  const { message } = await dictionaryBatch(texts('x'.repeat(4000)));
  await store.apply(message);
  await store.apply((await dictionaryBatch(texts('y'.repeat(4000)))).message);
  await store.apply((await dictionaryBatch(texts('z'.repeat(4000)), true)).message);
  const another = (await dictionaryBatch(texts('z'.repeat(4000)), true)).message;
  await assert.rejects(store.apply(another), codeIs('DECOMPRESSED_TOO_LARGE'));
});
