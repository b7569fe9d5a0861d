import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeFrameHead, FrameDecoder, FrameFormatError } from '../../../src/processes/frame-codec.ts';

const frames = fc.array(fc.record({ name: fc.string(), payload: fc.uint8Array({ maxLength: 300 }) }), {
  maxLength: 8,
});

function encode(list: readonly { name: string; payload: Uint8Array }[]): Buffer {
  return Buffer.concat(
    list.flatMap(({ name, payload }) => [encodeFrameHead({ name }, payload.length), payload]),
  );
}

describe('a frame decoder', () => {
  it('gives back what was encoded, however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (list, cuts) => {
        const bytes = encode(list);
        const decoder = new FrameDecoder();
        const decoded = [];
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          decoded.push(...decoder.push(bytes.subarray(at, at + size)));
          at += size;
        }
        decoder.end();
        assert.deepEqual(
          decoded.map(({ header, payload }) => ({ name: header['name'], payload: new Uint8Array(payload) })),
          list.map(({ name, payload }) => ({ name, payload: new Uint8Array(payload) })),
        );
      }),
    );
  });

  it('refuses what is no frame', () => {
    assert.throws(() => new FrameDecoder().push(Buffer.from('GET / HTTP/1.1\r\n\r\n')), FrameFormatError);
  });

  it('refuses a header that is no JSON object', () => {
    const head = Buffer.from(encodeFrameHead({}, 0));
    head.write('[]', head.length - 2);
    assert.throws(() => new FrameDecoder().push(head), FrameFormatError);
  });

  it('refuses sizes that no frame has', () => {
    const head = Buffer.from(encodeFrameHead({}, 0));
    head.writeBigUInt64LE(2n ** 40n, 8);
    assert.throws(() => new FrameDecoder().push(head), FrameFormatError);
  });

  it('says when the stream ends inside a frame', () => {
    const decoder = new FrameDecoder();
    decoder.push(Buffer.from(encodeFrameHead({ a: 1 }, 5)));
    assert.throws(() => decoder.end(), FrameFormatError);
  });
});
