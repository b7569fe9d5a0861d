import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder, type Offset } from 'flatbuffers';
import { readMessageMetadata } from '../../../src/arrow/metadata.ts';
import { encodeSchemaMessage } from '../../../src/arrow/stream-writer.ts';
import type { ArrowField, ArrowSchema, ArrowType } from '../../../src/core/schema.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { patienceMs } from '../../support/patience.ts';
import { field } from './stream-fixtures.ts';

const refusedAs =
  (code: ErrorCode, text = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof ArrowportError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };

interface Message {
  readonly version?: number;
  readonly headerType?: number;
  readonly bodyLength?: bigint;
}

function encodeMessage(build: (builder: Builder) => Offset, options: Message = {}): Uint8Array {
  const builder = new Builder(256);
  const header = build(builder);
  builder.startObject(5);
  builder.addFieldInt16(0, options.version ?? 4, 0);
  builder.addFieldInt8(1, options.headerType ?? 1, 0);
  builder.addFieldOffset(2, header, 0);
  builder.addFieldInt64(3, options.bodyLength ?? 0n, 0n);
  builder.finish(builder.endObject());
  return builder.asUint8Array();
}

/** A schema with one field whose parts `build` writes. */
function encodeSchema(
  fields: (builder: Builder) => readonly Offset[],
  endianness = 0,
): (builder: Builder) => Offset {
  return (builder) => {
    const offsets = fields(builder);
    builder.startVector(4, offsets.length, 4);
    for (const offset of offsets.toReversed()) builder.addOffset(offset);
    const vector = builder.endVector();
    builder.startObject(4);
    builder.addFieldInt16(0, endianness, 0);
    builder.addFieldOffset(1, vector, 0);
    return builder.endObject();
  };
}

/** A field of type `tag`, whose type table has the given 32-bit values in its slots. */
function encodeField(builder: Builder, tag: number, values: readonly number[] = [], name = 'c'): Offset {
  const nameOffset = builder.createString(name);
  builder.startObject(values.length);
  for (const [slot, value] of values.entries()) builder.addFieldInt32(slot, value, 0x7eadbeef);
  const type = builder.endObject();
  builder.startObject(7);
  builder.addFieldOffset(0, nameOffset, 0);
  builder.addFieldInt8(2, tag, 0);
  builder.addFieldOffset(3, type, 0);
  return builder.endObject();
}

const item = field('item', { kind: 'int', bitWidth: 32, signed: true });
const everyType: readonly (readonly [ArrowType, readonly ArrowField[]])[] = [
  [{ kind: 'null' }, []],
  [{ kind: 'bool' }, []],
  ...([8, 16, 32, 64] as const).flatMap((bitWidth): [ArrowType, ArrowField[]][] => [
    [{ kind: 'int', bitWidth, signed: true }, []],
    [{ kind: 'int', bitWidth, signed: false }, []],
  ]),
  ...([16, 32, 64] as const).map((bitWidth): [ArrowType, ArrowField[]] => [{ kind: 'float', bitWidth }, []]),
  ...([32, 64, 128, 256] as const).map((bitWidth): [ArrowType, ArrowField[]] => [
    { kind: 'decimal', precision: 9, scale: -2, bitWidth },
    [],
  ]),
  ...(['utf8', 'large-utf8', 'utf8-view', 'binary', 'large-binary', 'binary-view'] as const).map(
    (kind): [ArrowType, ArrowField[]] => [{ kind } as ArrowType, []],
  ),
  [{ kind: 'fixed-size-binary', byteWidth: 16 }, []],
  [{ kind: 'date', unit: 'day' }, []],
  [{ kind: 'date', unit: 'millisecond' }, []],
  [{ kind: 'time', unit: 'second', bitWidth: 32 }, []],
  [{ kind: 'time', unit: 'nanosecond', bitWidth: 64 }, []],
  [{ kind: 'timestamp', unit: 'microsecond', timezone: 'Europe/Berlin' }, []],
  [{ kind: 'timestamp', unit: 'second', timezone: null }, []],
  [{ kind: 'duration', unit: 'nanosecond' }, []],
  [{ kind: 'interval', unit: 'year-month' }, []],
  [{ kind: 'interval', unit: 'day-time' }, []],
  [{ kind: 'interval', unit: 'month-day-nano' }, []],
  ...(['list', 'large-list', 'list-view', 'large-list-view'] as const).map(
    (kind): [ArrowType, ArrowField[]] => [{ kind }, [item]],
  ),
  [{ kind: 'fixed-size-list', listSize: 3 }, [item]],
  [{ kind: 'struct' }, [item, field('b', { kind: 'bool' })]],
  [{ kind: 'map', keysSorted: true }, [field('entries', { kind: 'struct' }, [item, item])]],
  [{ kind: 'union', mode: 'sparse', typeIds: [5] }, [item]],
  [{ kind: 'union', mode: 'dense', typeIds: [5, 0] }, [item, item]],
  [{ kind: 'run-end-encoded' }, [item, item]],
];

test('every type of the format reads back as it was written', () => {
  const schema: ArrowSchema = {
    fields: everyType.map(([type, children], index) => ({
      ...field(`c${index} é`, type, children),
      nullable: index % 2 === 0,
      metadata: new Map(index % 3 === 0 ? [['key', 'värde']] : []),
    })),
    metadata: new Map([['made by', 'a test']]),
  };
  const read = readMessageMetadata(encodeSchemaMessage(schema));
  assert.deepEqual(read, { kind: 'schema', bodyLength: 0, schema });
});

test('dictionary encodings read back as they were written', () => {
  const dictionary = { id: -(2n ** 62n), indexBitWidth: 16, indexSigned: false, ordered: true } as const;
  const schema: ArrowSchema = {
    fields: [{ ...field('c', { kind: 'utf8' }), dictionary }],
    metadata: new Map(),
  };
  assert.deepEqual(readMessageMetadata(encodeSchemaMessage(schema)), {
    kind: 'schema',
    bodyLength: 0,
    schema,
  });
});

test('big-endian data is TYPE_UNSUPPORTED and names the first column and its type', () => {
  const message = encodeMessage(encodeSchema((builder) => [encodeField(builder, 2, [64, 1], 'price')], 1));
  assert.throws(
    () => readMessageMetadata(message),
    refusedAs('TYPE_UNSUPPORTED', /"price": u?int64 in big-endian/),
  );
});

test('metadata versions before 4 are refused', () => {
  for (const version of [0, 1, 2, 5, -1]) {
    assert.throws(
      () =>
        readMessageMetadata(
          encodeMessage(
            encodeSchema(() => []),
            { version },
          ),
        ),
      refusedAs('IPC_MALFORMED'),
    );
  }
  assert.equal(
    readMessageMetadata(
      encodeMessage(
        encodeSchema(() => []),
        { version: 3 },
      ),
    ).kind,
    'schema',
  );
});

test('tensors and unknown headers are IPC_MALFORMED', () => {
  for (const headerType of [0, 4, 5, 6, 200]) {
    assert.throws(
      () =>
        readMessageMetadata(
          encodeMessage(
            encodeSchema(() => []),
            { headerType },
          ),
        ),
      refusedAs('IPC_MALFORMED'),
    );
  }
});

const badTypes: readonly (readonly [string, number, readonly number[]])[] = [
  ['no type', 0, []],
  ['an unknown type', 27, []],
  ['an integer of 24 bits', 2, [24]],
  ['a float of unknown precision', 3, [9]],
  ['a decimal without precision', 7, [0, 0, 128]],
  ['a decimal of too much precision', 7, [39, 0, 128]],
  ['a decimal of 96 bits', 7, [9, 0, 96]],
  ['a date of unknown unit', 8, [7]],
  ['a time whose bits do not fit its unit', 9, [0, 64]],
  ['a timestamp of unknown unit', 10, [4]],
  ['an interval of unknown unit', 11, [3]],
  ['a list without a child', 12, []],
  ['a union of unknown mode', 14, [2]],
  ['a binary of negative width', 15, [-1]],
  ['a list of negative size', 16, [-1]],
  ['a map without entries', 17, []],
  ['run ends without children', 22, []],
];

for (const [what, tag, values] of badTypes) {
  test(`${what} is IPC_MALFORMED`, () => {
    const message = encodeMessage(encodeSchema((builder) => [encodeField(builder, tag, values)]));
    assert.throws(() => readMessageMetadata(message), refusedAs('IPC_MALFORMED'));
  });
}

test('a name that is not UTF-8 is IPC_MALFORMED', () => {
  const message = Buffer.from(
    encodeMessage(encodeSchema((builder) => [encodeField(builder, 1, [], 'naïve')])),
  );
  message[message.indexOf('ï') + 1] = 0x20;
  assert.throws(() => readMessageMetadata(message), refusedAs('IPC_MALFORMED', /UTF-8/));
});

test('a schema of too many fields is refused at once, also when they are one field again and again', () => {
  const message = encodeMessage(
    encodeSchema((builder) => {
      const only = encodeField(builder, 1);
      return Array.from({ length: 20_000 }, () => only);
    }),
  );
  const started = performance.now();
  assert.throws(() => readMessageMetadata(message), refusedAs('IPC_MALFORMED', /more than 10000 fields/));
  assert.ok(performance.now() - started < patienceMs);
});

test('nesting without end, and nesting that doubles at each level, are refused at once', () => {
  const nested = (levels: number, width: number) =>
    encodeSchema((builder) => {
      let child = encodeField(builder, 1);
      for (let level = 0; level < levels; level++) {
        builder.startVector(4, width, 4);
        for (let copy = 0; copy < width; copy++) builder.addOffset(child);
        const children = builder.endVector();
        builder.startObject(0);
        const type = builder.endObject();
        builder.startObject(7);
        builder.addFieldInt8(2, 13, 0);
        builder.addFieldOffset(3, type, 0);
        builder.addFieldOffset(5, children, 0);
        child = builder.endObject();
      }
      return [child];
    });
  const started = performance.now();
  assert.equal(readMessageMetadata(encodeMessage(nested(63, 1))).kind, 'schema');
  assert.throws(
    () => readMessageMetadata(encodeMessage(nested(64, 1))),
    refusedAs('IPC_MALFORMED', /nested/),
  );
  assert.throws(
    () => readMessageMetadata(encodeMessage(nested(40, 2))),
    refusedAs('IPC_MALFORMED', /fields/),
  );
  assert.ok(performance.now() - started < patienceMs);
});

test('a long text that is named again and again is refused', () => {
  const message = encodeMessage((builder) => {
    const text = builder.createString('x'.repeat(100_000));
    builder.startObject(2);
    builder.addFieldOffset(0, text, 0);
    builder.addFieldOffset(1, text, 0);
    const pair = builder.endObject();
    builder.startVector(4, 50_000, 4);
    for (let copy = 0; copy < 50_000; copy++) builder.addOffset(pair);
    const pairs = builder.endVector();
    builder.startObject(4);
    builder.addFieldOffset(2, pairs, 0);
    return builder.endObject();
  });
  assert.throws(() => readMessageMetadata(message), refusedAs('IPC_MALFORMED', /beyond measure/));
});

interface Batch {
  readonly length?: bigint;
  readonly spans?: readonly (readonly [bigint, bigint])[];
  readonly codec?: number;
  readonly method?: number;
}

function encodeBatch({ length = 1n, spans = [], codec, method = 0 }: Batch): (builder: Builder) => Offset {
  return (builder) => {
    builder.startVector(16, spans.length, 8);
    for (const [offset, size] of spans.toReversed()) {
      builder.prep(8, 16);
      builder.writeInt64(size);
      builder.writeInt64(offset);
    }
    const buffers = builder.endVector();
    let compression = 0;
    if (codec !== undefined) {
      builder.startObject(2);
      builder.addFieldInt8(0, codec, 0);
      builder.addFieldInt8(1, method, 0);
      compression = builder.endObject();
    }
    builder.startObject(5);
    builder.addFieldInt64(0, length, 0n);
    builder.addFieldOffset(2, buffers, 0);
    builder.addFieldOffset(3, compression, 0);
    return builder.endObject();
  };
}

test('the header of a batch is checked against its body', () => {
  const read = (batch: Batch, bodyLength = 64n) =>
    readMessageMetadata(encodeMessage(encodeBatch(batch), { headerType: 3, bodyLength }));
  assert.equal(
    read({
      spans: [
        [0n, 32n],
        [32n, 32n],
        [9999n, 0n],
      ],
    }).kind,
    'record-batch',
  );
  for (const bad of [
    { length: -1n },
    { length: 2n ** 31n },
    { length: 2n ** 63n - 1n },
    { spans: [[0n, 65n]] },
    { spans: [[64n, 1n]] },
    { spans: [[-1n, 1n]] },
    { spans: [[0n, -1n]] },
    { spans: [[2n ** 62n, 2n ** 62n]] },
    {
      spans: [
        [0n, 64n],
        [0n, 64n],
      ],
    },
  ] as const) {
    assert.throws(() => read(bad), refusedAs('IPC_MALFORMED'));
  }
  assert.throws(() => read({}, -1n), refusedAs('IPC_MALFORMED'));
  assert.throws(() => read({ codec: 2 }), refusedAs('CODEC_UNSUPPORTED'));
  assert.throws(() => read({ codec: 1, method: 1 }), refusedAs('CODEC_UNSUPPORTED'));
});
