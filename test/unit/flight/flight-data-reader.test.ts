import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ReceivedFlightData } from '../../../src/endpoints/flight/flight-data-reader.ts';
import { encodeFlightData } from '../../../src/endpoints/flight/wire.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { bodyOf, createCountingAllocator, cut, type ReadOptions, readNext } from './put-bodies.ts';
import { frame } from './raw-client.ts';

const field = fc.uint8Array({ maxLength: 400 });
const message = fc
  .record({ descriptor: fc.option(field), header: field, appMetadata: fc.option(field), body: field })
  .map((data) => (data.header.length === 0 ? { ...data, body: data.header } : data));
const steps = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });

/** A gRPC message with these protobuf bytes, compressed where an encoding is given. */
function frameAs(bytes: Uint8Array, encoding: string): Buffer {
  if (encoding === 'identity') return frame(bytes);
  const framed = frame(encoding === 'gzip' ? gzipSync(bytes) : deflateSync(bytes));
  framed[0] = 1;
  return framed;
}

async function readOne(bytes: Uint8Array, options: Partial<ReadOptions> = {}): Promise<ReceivedFlightData> {
  const framed = frameAs(bytes, options.encoding ?? 'identity');
  const received = await readNext(bodyOf([framed]), { allocator: createCountingAllocator(), ...options });
  assert.ok(received);
  return received;
}

const withCode = (code: ErrorCode) => (error: unknown) =>
  error instanceof ArrowportError && error.code === code;

async function assertMalformed(bytes: Uint8Array, what: string): Promise<void> {
  for (const encoding of ['identity', 'gzip']) {
    const allocator = createCountingAllocator();
    await assert.rejects(readOne(bytes, { allocator, encoding }), withCode('IPC_MALFORMED'), what);
    assert.equal(allocator.held, 0, what);
  }
}

test('messages read back as they were written, however they are cut, compressed and waited for', async () => {
  const encodings = fc.constantFrom('identity', 'gzip', 'deflate');
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 4 }),
      steps,
      encodings,
      fc.boolean(),
      async (messages, lengths, encoding, waits) => {
        const bytes = Buffer.concat(messages.map((data) => frameAs(encodeFlightData(data), encoding)));
        const body = bodyOf(cut(bytes, lengths));
        const allocator = createCountingAllocator(waits);
        for (const { descriptor, header, body: expected } of messages) {
          const read = await readNext(body, { allocator, encoding });
          assert.deepEqual(read?.descriptor && Uint8Array.from(read.descriptor), descriptor);
          assert.deepEqual(Uint8Array.from(read?.header ?? []), header);
          assert.deepEqual(Uint8Array.from(read?.body ?? []), expected);
          assert.equal(allocator.held, expected.length > 0 ? 1 : 0);
          read?.lease?.release();
        }
        assert.equal(await readNext(body, { allocator, encoding }), undefined);
        assert.equal(allocator.held, 0);
      },
    ),
  );
});

test('a body that ends inside a message is truncated, and leaves no memory behind', async () => {
  const bytes = frame(encodeFlightData({ header: Buffer.alloc(20, 1), body: Buffer.alloc(300, 2) }));
  for (let length = 1; length < bytes.length; length++) {
    const allocator = createCountingAllocator();
    const body = bodyOf(cut(bytes.subarray(0, length), [7]));
    await assert.rejects(readNext(body, { allocator }), withCode('IPC_TRUNCATED'), `cut at ${length}`);
    assert.equal(allocator.held, 0);
  }
});

test('a message cut anywhere inside a field is malformed', async () => {
  const bytes = encodeFlightData({ header: Buffer.alloc(20, 1), body: Buffer.alloc(30, 2) });
  const boundaries = new Set([0, 22]);
  for (let length = 1; length < bytes.length; length++) {
    if (!boundaries.has(length)) await assertMalformed(bytes.subarray(0, length), `cut at ${length}`);
  }
});

test('the memory of a body is asked for once, by its own length, and never for one that is not there', async () => {
  const allocator = createCountingAllocator();
  const bytes = encodeFlightData({ header: Buffer.from('h'), body: Buffer.alloc(1000) });
  (await readOne(bytes, { allocator })).lease?.release();
  assert.deepEqual(allocator.requests, [1000]);
  await assert.rejects(readOne(bytes.subarray(0, 500), { allocator }), withCode('IPC_MALFORMED'));
  assert.deepEqual(allocator.requests, [1000]);
  const { body, header } = await readOne(bytes, { allocator: null });
  assert.deepEqual([body.length, Buffer.from(header).toString()], [0, 'h']);
});

test('what is over the limit is refused before memory is taken for it', async () => {
  const allocator = createCountingAllocator();
  const options = { allocator, maxMessageBytes: 1000 };
  const tooLarge = { header: Buffer.from('h'), body: Buffer.alloc(1000) };
  await assert.rejects(readOne(encodeFlightData(tooLarge), options), withCode('BODY_TOO_LARGE'));
  const prefix = Buffer.from([0, 0x7f, 0, 0, 0]);
  await assert.rejects(readNext(bodyOf([prefix]), options), withCode('BODY_TOO_LARGE'));
  const metadata = encodeFlightData({ header: Buffer.alloc(16 * 1024 * 1024 + 1) });
  const large = { allocator, maxMessageBytes: 64 * 1024 * 1024 };
  await assert.rejects(readOne(metadata, large), withCode('IPC_MALFORMED'));
  const descriptor = encodeFlightData({ descriptor: Buffer.alloc(1024 * 1024 + 1) });
  await assert.rejects(readOne(descriptor, large), withCode('OPTION_INVALID'));
  assert.deepEqual(allocator.requests, []);
});

test('a compressed message that unfolds past the limit is refused', async () => {
  const appMetadata = Buffer.alloc(20_000_000);
  const options = { encoding: 'gzip', maxMessageBytes: 10_000_000 };
  await assert.rejects(readOne(encodeFlightData({ appMetadata }), options), withCode('BODY_TOO_LARGE'));
});

test('unknown fields of every wire type are skipped, fields may come in any order', async () => {
  const unknown = Buffer.from([
    ...[0x20, 0xff, 0xff, 0x01], // field 4, varint
    ...[0x29, 1, 2, 3, 4, 5, 6, 7, 8], // field 5, fixed64
    ...[0x32, 0x02, 9, 9], // field 6, bytes
    ...[0x3d, 1, 2, 3, 4], // field 7, fixed32
  ]);
  const header = encodeFlightData({ header: Buffer.from('h') });
  const body = encodeFlightData({ body: Buffer.from('b') });
  const read = await readOne(Buffer.concat([unknown, body, unknown, header, unknown]));
  assert.equal(Buffer.from(read.header).toString(), 'h');
  assert.equal(Buffer.from(read.body).toString(), 'b');
});

test('groups, field number 0, endless and oversized numbers, a body without a header are malformed', async () => {
  const bad = [
    [0x0b], // field 1, start of a group
    [0x02, 0x01, 0x00], // field 0
    Array.from({ length: 11 }, () => 0xff), // an endless varint
    [0x12, 0x05, 1, 2], // a length past the end
    [0x29, 1, 2], // a cut fixed64
    [0x80], // a cut tag
    [...encodeFlightData({ body: Buffer.from('b') })],
  ];
  for (const bytes of bad) await assertMalformed(Uint8Array.from(bytes), bytes.join(' '));
  const endless = Uint8Array.from([0x12, ...Array.from({ length: 9 }, () => 0xff), 0x01]);
  await assert.rejects(readOne(endless), withCode('IPC_MALFORMED'));
  await assert.rejects(readOne(endless, { encoding: 'gzip' }), withCode('BODY_TOO_LARGE'));
});

test('random bytes are read or refused, nothing else, and leave no memory behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      const allocator = createCountingAllocator();
      try {
        (await readOne(bytes, { allocator })).lease?.release();
      } catch (error) {
        assert.ok(withCode('IPC_MALFORMED')(error), String(error));
      }
      assert.equal(allocator.held, 0);
    }),
    { numRuns: 1000 },
  );
});

test('a repeated field counts with its last value', async () => {
  const allocator = createCountingAllocator();
  const twice = Buffer.concat([
    encodeFlightData({ header: Buffer.from('a'), body: Buffer.from('first') }),
    encodeFlightData({ header: Buffer.from('b'), body: Buffer.from('last') }),
  ]);
  const read = await readOne(twice, { allocator });
  assert.equal(Buffer.from(read.header).toString(), 'b');
  assert.equal(Buffer.from(read.body).toString(), 'last');
  assert.equal(allocator.held, 1);
});
