import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FlightFrame, openFlightStream } from '../../../src/arrow/flight-reader.ts';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import { readMessageMetadata } from '../../../src/arrow/metadata.ts';
import { encodeSchemaMessage, frameMetadata } from '../../../src/arrow/stream-writer.ts';
import type { IpcMessage } from '../../../src/core/ipc-message.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { CountingResources, chunksOf, decodeStream, encodeStream, sampleColumns } from './stream-fixtures.ts';

const sample = await encodeStream(sampleColumns());

interface Seen {
  readonly kind: IpcMessage['kind'];
  readonly metadata: string;
  readonly body: string;
}

async function readMessages(
  chunks: AsyncIterable<Uint8Array>,
  resources: CountingResources,
): Promise<Seen[]> {
  const stream = await openIpcBody(chunks, 'stream', resources);
  const seen: Seen[] = [];
  for await (const message of stream.messages) {
    seen.push({
      kind: message.kind,
      metadata: Buffer.from(message.metadata).toString('base64'),
      body: Buffer.from(message.body).toString('base64'),
    });
    assert.equal(message.bytes, message.metadata.byteLength + message.body.byteLength);
    message.release();
    message.release();
  }
  return seen;
}

async function* cutAt(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(start, cut);
    start = cut;
  }
  yield bytes.subarray(start);
}

/** Opens and reads to the end; resolves with the error's code, or `null` when all went well. */
async function codeOf(
  bytes: Uint8Array,
  format: 'stream' | 'file' | 'sniff' = 'stream',
  resources = new CountingResources(),
) {
  try {
    await decodeStream(await openIpcBody(chunksOf(bytes), format, resources));
    return null;
  } catch (error) {
    assert.ok(error instanceof ArrowportError, String(error));
    return error.code;
  } finally {
    assert.equal(resources.leases, 0);
  }
}

/** The same messages in the framing before Arrow 0.15, which has no continuation markers. */
function withoutContinuations(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let position = 0; position < bytes.length; ) {
    assert.equal(bytes.readUInt32LE(position), 0xffffffff);
    const length = bytes.readUInt32LE(position + 4);
    if (length === 0) {
      parts.push(Buffer.alloc(4));
      break;
    }
    const end = position + 8 + length;
    const next = end + readMessageMetadata(bytes.subarray(position + 8, end)).bodyLength;
    parts.push(bytes.subarray(position + 4, end), bytes.subarray(end, next));
    position = next;
  }
  return Buffer.concat(parts);
}

test('a stream gives the same messages however it is cut into chunks', async () => {
  const whole = await readMessages(chunksOf(sample), new CountingResources());
  assert.deepEqual(
    whole.map(({ kind }) => kind),
    ['dictionary-batch', 'record-batch', 'record-batch'],
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(sample.length), { maxLength: 40 }), async (cuts) => {
      const resources = new CountingResources();
      assert.deepEqual(await readMessages(cutAt(sample, cuts), resources), whole);
      assert.equal(resources.leases, 0);
    }),
    { numRuns: 300, seed: 15 },
  );
  assert.deepEqual(await readMessages(chunksOf(sample, 1), new CountingResources()), whole);
});

test('a stream without an end marker is complete where a message ends', async () => {
  assert.equal(await codeOf(sample.subarray(0, -8)), null);
  assert.equal(await codeOf(sample.subarray(0, -4)), 'IPC_TRUNCATED');
});

test('a stream cut anywhere else is truncated, or lacks what its batches need', async () => {
  const boundaries: number[] = [];
  for (let length = 1; length < sample.length; length += 3) {
    const code = await codeOf(sample.subarray(0, length));
    if (code === null) boundaries.push(length);
    else assert.equal(code, 'IPC_TRUNCATED', `cut at ${length}`);
  }
  assert.ok(boundaries.length <= 5);
});

test('the framing before Arrow 0.15 reads the same', async () => {
  const resources = new CountingResources();
  const stream = await openIpcBody(chunksOf(withoutContinuations(sample)), 'sniff', resources);
  assert.equal(await decodeStream(stream), 8);
  assert.equal(resources.leases, 0);
});

test('a record batch is copied once, straight into a lease of the length of its body', async () => {
  const resources = new CountingResources();
  const stream = await openIpcBody(chunksOf(sample, 100), 'stream', resources);
  const held: IpcMessage[] = [];
  for await (const message of stream.messages) held.push(message);
  assert.equal(resources.leases, held.length);
  assert.equal(resources.largest, Math.max(...held.map(({ body }) => body.byteLength)));
  for (const message of held) message.release();
  assert.equal(resources.leases, 0);
});

test('a consumer that stops early ends the chunks and leaves no lease behind', async () => {
  let ended = false;
  const chunks = (async function* () {
    try {
      yield* chunksOf(sample, 64);
    } finally {
      ended = true;
    }
  })();
  const resources = new CountingResources();
  const stream = await openIpcBody(chunks, 'stream', resources);
  for await (const message of stream.messages) {
    message.release();
    break;
  }
  assert.ok(ended);
  assert.equal(resources.leases, 0);
});

test('a consumer that never starts can still close the chunks', async () => {
  let ended = false;
  const chunks = (async function* () {
    try {
      yield* chunksOf(sample, 64);
    } finally {
      ended = true;
    }
  })();
  const stream = await openIpcBody(chunks, 'stream', new CountingResources());
  await stream.messages[Symbol.asyncIterator]().return?.();
  assert.ok(ended);
});

test('an error of the chunks passes through unchanged, in the middle of a body too', async () => {
  const broken = new Error('the socket broke');
  for (const at of [0, 10, sample.length - 100]) {
    const resources = new CountingResources();
    const chunks = (async function* () {
      yield sample.subarray(0, at);
      throw broken;
    })();
    const reading = async () => decodeStream(await openIpcBody(chunks, 'stream', resources));
    await assert.rejects(reading, (error) => error === broken);
    assert.equal(resources.leases, 0);
  }
});

test('an error of the allocator passes through unchanged', async () => {
  const full = new ArrowportError('OVERLOADED', 'no room');
  const resources = new CountingResources();
  const refusing = { limits: resources.limits, allocator: { allocate: () => Promise.reject(full) } };
  const stream = await openIpcBody(chunksOf(sample), 'stream', refusing);
  await assert.rejects(decodeStream(stream), (error) => error === full);
});

const wrongBodies: readonly (readonly [string, Uint8Array, 'stream' | 'file' | 'sniff', ErrorCode])[] = [
  ['an empty body', Buffer.alloc(0), 'stream', 'IPC_TRUNCATED'],
  ['an empty body of unknown format', Buffer.alloc(0), 'sniff', 'IPC_TRUNCATED'],
  ['an end marker alone', sample.subarray(-8), 'stream', 'IPC_MALFORMED'],
  ['bytes behind the end marker', Buffer.concat([sample, Buffer.from('x')]), 'stream', 'IPC_MALFORMED'],
  ['two streams in one body', Buffer.concat([sample, sample]), 'stream', 'IPC_MALFORMED'],
  ['a Feather V1 file', Buffer.from('FEA1\0\0\0\0\0\0\0\0'), 'file', 'MEDIA_TYPE_UNSUPPORTED'],
  ['a Feather V1 file as a stream', Buffer.from('FEA1\0\0\0\0\0\0\0\0'), 'stream', 'MEDIA_TYPE_UNSUPPORTED'],
  ['a Parquet file of unknown format', Buffer.from('PAR1\x15\0\x15\0'), 'sniff', 'MEDIA_TYPE_UNSUPPORTED'],
  ['a Parquet file as a stream', Buffer.from('PAR1\x15\0\x15\0'), 'stream', 'IPC_MALFORMED'],
  ['JSON of unknown format', Buffer.from('{"rows": []}'), 'sniff', 'MEDIA_TYPE_UNSUPPORTED'],
  ['CSV of unknown format', Buffer.from('a,b,c\n1,2,3\n'), 'sniff', 'MEDIA_TYPE_UNSUPPORTED'],
  ['text as a stream', Buffer.from('hello, world'), 'stream', 'IPC_MALFORMED'],
  ['a file as a stream', Buffer.from('ARROW1\0\0\0\0\0\0'), 'stream', 'IPC_MALFORMED'],
  ['a stream as a file', sample, 'file', 'IPC_MALFORMED'],
  ['half of a file magic', Buffer.from('ARR'), 'file', 'IPC_TRUNCATED'],
  ['a file magic alone', Buffer.from('ARROW1\0\0'), 'file', 'IPC_TRUNCATED'],
  ['a negative metadata length', Buffer.from('fffffffff0ffffff', 'hex'), 'stream', 'IPC_MALFORMED'],
  ['2 GiB of metadata', Buffer.from('ffffffffffffff7f', 'hex'), 'stream', 'BODY_TOO_LARGE'],
  ['32 MiB of metadata', Buffer.from('ffffffff00000002', 'hex'), 'stream', 'IPC_MALFORMED'],
  [
    'a batch before the schema',
    sample.subarray(sample.indexOf('ffffffff', 8, 'hex')),
    'stream',
    'IPC_MALFORMED',
  ],
];

for (const [what, bytes, format, code] of wrongBodies) {
  test(`${what} is ${code}`, async () => {
    assert.equal(await codeOf(bytes, format), code);
  });
}

test('a refused body says what it looks like', async () => {
  const open = (start: Uint8Array, format: 'sniff' | 'stream' | 'file') =>
    openIpcBody(chunksOf(start), format, new CountingResources());
  const parquet = Buffer.from('PAR1\x15\0\x15\0');
  await assert.rejects(open(parquet, 'sniff'), /looks like a Parquet file: .*arrowport ingest/);
  await assert.rejects(open(parquet, 'stream'), /looks like a Parquet file: .*arrowport ingest/);
  await assert.rejects(
    open(Buffer.from('ARROW1\0\0'), 'stream'),
    /looks like an Arrow IPC file: send it as application\/vnd\.apache\.arrow\.file\.$/,
  );
  await assert.rejects(
    open(sample, 'file'),
    /looks like an Arrow IPC stream: send it as application\/vnd\.apache\.arrow\.stream\.$/,
  );
});

test('a message over the limit is refused by its declared length, before memory is taken', async () => {
  const resources = new CountingResources({ maxMessageBytes: 400 });
  assert.equal(await codeOf(sample, 'stream', resources), 'BODY_TOO_LARGE');
  assert.ok(resources.largest <= 400);
  await assert.rejects(
    async () =>
      decodeStream(
        await openIpcBody(chunksOf(sample), 'stream', new CountingResources({ maxMessageBytes: 400 })),
      ),
    (error) => error instanceof ArrowportError && error.details.limit === 'limits.max_message_bytes',
  );
});

test('a second schema in a stream is IPC_MALFORMED', async () => {
  const schema = frameMetadata(encodeSchemaMessage({ fields: [], metadata: new Map() }));
  assert.equal(await codeOf(Buffer.concat([schema, schema])), 'IPC_MALFORMED');
});

test('a schema without batches is a complete stream', async () => {
  const schema = frameMetadata(encodeSchemaMessage({ fields: [], metadata: new Map() }));
  assert.equal(await codeOf(schema), null);
});

/** The frames a Flight client would send, each body at `shift` bytes from an aligned address. */
async function* framesOf(bytes: Buffer, shift: number) {
  const stream = await openIpcBody(chunksOf(bytes), 'stream', new CountingResources());
  yield { header: stream.schemaMetadata, body: Buffer.alloc(0) };
  for await (const { metadata, body } of stream.messages) {
    const memory = Buffer.from(new ArrayBuffer(body.byteLength + shift));
    memory.set(body, shift);
    yield { header: Buffer.alloc(0), body: Buffer.alloc(0) };
    yield { header: metadata, body: memory.subarray(shift) };
  }
}

test('Flight frames give the same messages, their bodies in memory of the allocator', async () => {
  const whole = await readMessages(chunksOf(sample), new CountingResources());
  for (const shift of [0, 3, 8]) {
    const resources = new CountingResources();
    const stream = await openFlightStream(framesOf(sample, shift), resources);
    const bodies: string[] = [];
    for await (const message of stream.messages) {
      assert.equal(message.body.byteOffset % 8, 0);
      assert.equal(resources.leases, message.body.byteLength > 0 ? 1 : 0);
      bodies.push(Buffer.from(message.body).toString('base64'));
      message.release();
    }
    assert.deepEqual(
      bodies,
      whole.map(({ body }) => body),
    );
    assert.equal(resources.leases, 0);
  }
});

test('Flight frames that decode give the same rows', async () => {
  const stream = await openFlightStream(framesOf(sample, 5), new CountingResources());
  assert.equal(await decodeStream(stream), 8);
});

test('a Flight frame that lacks its body, its header or its schema is refused', async () => {
  const resources = new CountingResources();
  const frames: FlightFrame[] = [];
  for await (const frame of framesOf(sample, 0)) frames.push(frame);
  const of = async function* (list: readonly FlightFrame[]) {
    yield* list;
  };
  const read = async (list: readonly FlightFrame[]) =>
    decodeStream(await openFlightStream(of(list), resources));
  const [schema, , dictionary] = frames;
  assert.ok(schema !== undefined && dictionary !== undefined);
  const code = (expected: ErrorCode) => (error: unknown) =>
    error instanceof ArrowportError && error.code === expected;
  await assert.rejects(read([]), code('IPC_TRUNCATED'));
  await assert.rejects(read([dictionary]), code('IPC_MALFORMED'));
  const short = { header: dictionary.header, body: dictionary.body.subarray(1) };
  await assert.rejects(read([schema, short]), code('IPC_MALFORMED'));
  const headless = { header: Buffer.alloc(0), body: dictionary.body };
  await assert.rejects(read([schema, headless]), code('IPC_MALFORMED'));
  assert.equal(resources.leases, 0);
});
