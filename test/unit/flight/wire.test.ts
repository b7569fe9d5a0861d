import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFlightData, readFlightData } from '../../../src/endpoints/flight/wire.ts';
import { ArrowportError } from '../../../src/errors.ts';

const field = fc.uint8Array({ maxLength: 400 });
const isMalformed = (error: unknown) => error instanceof ArrowportError && error.code === 'IPC_MALFORMED';

test('every FlightData message reads back as it was written', () => {
  const messages = fc.record({
    descriptor: fc.option(field),
    header: field,
    appMetadata: fc.option(field),
    body: field,
  });
  fc.assert(
    fc.property(messages, (message) => {
      const read = readFlightData(encodeFlightData(message));
      assert.deepEqual(read.descriptor && Uint8Array.from(read.descriptor), message.descriptor);
      assert.deepEqual(Uint8Array.from(read.header), message.header);
      assert.deepEqual(read.appMetadata && Uint8Array.from(read.appMetadata), message.appMetadata);
      assert.deepEqual(Uint8Array.from(read.body), message.body);
    }),
  );
});

test('the fields are views on the message, not copies', () => {
  const message = encodeFlightData({ header: Buffer.from('header'), body: Buffer.alloc(100, 7) });
  const { header, body } = readFlightData(message);
  assert.equal(header.buffer, message.buffer);
  assert.equal(body.buffer, message.buffer);
  assert.equal(body.length, 100);
});

test('a message cut anywhere inside a field is malformed, and never read past its end', () => {
  const message = encodeFlightData({ header: Buffer.alloc(20, 1), body: Buffer.alloc(300, 2) });
  const boundaries = new Set([0, 22]);
  for (let length = 1; length < message.length; length++) {
    if (boundaries.has(length)) continue;
    assert.throws(() => readFlightData(message.subarray(0, length)), isMalformed, `cut at ${length}`);
  }
});

test('unknown fields of every wire type are skipped', () => {
  const unknown = Buffer.from([
    ...[0x20, 0xff, 0xff, 0x01], // field 4, varint
    ...[0x29, 1, 2, 3, 4, 5, 6, 7, 8], // field 5, fixed64
    ...[0x32, 0x02, 9, 9], // field 6, bytes
    ...[0x3d, 1, 2, 3, 4], // field 7, fixed32
  ]);
  const known = encodeFlightData({ header: Buffer.from('h'), body: Buffer.from('b') });
  const read = readFlightData(Buffer.concat([unknown, known, unknown]));
  assert.equal(Buffer.from(read.header).toString(), 'h');
  assert.equal(Buffer.from(read.body).toString(), 'b');
});

test('groups, field number 0, endless and oversized numbers are malformed', () => {
  const bad = [
    [0x0b], // field 1, start of a group
    [0x02, 0x01, 0x00], // field 0
    Array.from({ length: 11 }, () => 0xff), // an endless varint
    [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // a length of 2^64 - 1
    [0x12, 0x05, 1, 2], // a length past the end
    [0x29, 1, 2], // a cut fixed64
    [0x80], // a cut tag
  ];
  for (const bytes of bad)
    assert.throws(() => readFlightData(Uint8Array.from(bytes)), isMalformed, bytes.join(' '));
});

test('random bytes are read or refused as malformed, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        readFlightData(bytes);
      } catch (error) {
        assert.ok(isMalformed(error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a repeated field counts with its last value', () => {
  const twice = Buffer.concat([
    encodeFlightData({ header: Buffer.from('a') }),
    encodeFlightData({ header: Buffer.from('b') }),
  ]);
  assert.equal(Buffer.from(readFlightData(twice).header).toString(), 'b');
});
