import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeContentEncoding } from '../../../src/arrow/content-encoding.ts';
import { ZstdFrameCutter } from '../../../src/arrow/zstd-frames.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { limits } from './stream-fixtures.ts';

const original = Buffer.from(
  Array.from({ length: 300_000 }, (_, index) => (index * 7919 + (index >> 7)) % 251),
);
const encoded: Readonly<Record<string, Buffer>> = {
  zstd: zstdCompressSync(original),
  gzip: gzipSync(original),
  br: brotliCompressSync(original),
  identity: original,
};

function chunked(bytes: Uint8Array, size = 1000): Readable {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.byteLength; start += size)
    chunks.push(bytes.subarray(start, start + size));
  return Readable.from(chunks, { objectMode: false });
}

async function readAll(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const decode = (bytes: Uint8Array, encoding: string | undefined, size?: number) =>
  readAll(decodeContentEncoding(chunked(bytes, size), encoding, limits));
const codeIs = (code: ErrorCode) => (error: unknown) =>
  error instanceof ArrowportError && error.code === code;

for (const [encoding, bytes] of Object.entries(encoded)) {
  test(`${encoding} bodies decode`, async () => {
    assert.ok((await decode(bytes, encoding)).equals(original));
    assert.ok((await decode(bytes, ` ${encoding.toUpperCase()} `)).equals(original));
  });
  if (encoding === 'identity') continue;
  test(`${encoding} bodies that end early are IPC_TRUNCATED`, async () => {
    for (const length of [0, 3, bytes.length >> 1, bytes.length - 1]) {
      await assert.rejects(decode(bytes.subarray(0, length), encoding), codeIs('IPC_TRUNCATED'));
    }
  });
  test(`what is not ${encoding} is IPC_MALFORMED and says so`, async () => {
    await assert.rejects(decode(Buffer.from('no compressed data at all'), encoding), codeIs('IPC_MALFORMED'));
    await assert.rejects(decode(Buffer.from('no compressed data at all'), encoding), /Content-Encoding/);
  });
  test(`bytes behind the end of ${encoding} are not lost in silence`, async () => {
    for (const size of [1000, 1_000_000]) {
      await assert.rejects(
        decode(Buffer.concat([bytes, Buffer.from('more')]), encoding, size),
        codeIs('IPC_MALFORMED'),
      );
    }
  });
  test(`${encoding} bodies that unfold beyond the ratio are refused`, async () => {
    const zeros = Buffer.alloc(80 * 1024 * 1024);
    const bomb =
      encoding === 'zstd'
        ? zstdCompressSync(zeros)
        : encoding === 'br'
          ? brotliCompressSync(zeros)
          : gzipSync(zeros);
    await assert.rejects(decode(bomb, encoding), (error) => {
      assert.ok(codeIs('DECOMPRESSED_TOO_LARGE')(error));
      return error instanceof ArrowportError && error.details.limit === 'limits.max_decompressed_ratio';
    });
  });
}

test('constant columns in br are decoded up to what is free, and refused beyond, however they are coded', async () => {
  for (const quality of [1, 5, 9]) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
    const mebibytes = (count: number) => brotliCompressSync(Buffer.alloc(count * 2 ** 20), { params });
    let bytes = 0;
    for await (const chunk of decodeContentEncoding(chunked(mebibytes(63)), 'br', limits)) {
      bytes += (chunk as Buffer).byteLength;
    }
    assert.equal(bytes, 63 * 2 ** 20);
    await assert.rejects(decode(mebibytes(66), 'br'), codeIs('DECOMPRESSED_TOO_LARGE'));
  }
});

test('no encoding gives back the body itself', () => {
  const body = chunked(original);
  assert.equal(decodeContentEncoding(body, undefined, limits), body);
  assert.equal(decodeContentEncoding(body, 'identity', limits), body);
});

test('two encodings are undone from last to first', async () => {
  assert.ok((await decode(gzipSync(encoded['zstd'] ?? original), 'zstd, gzip')).equals(original));
});

test('unknown encodings and longer lists are CODEC_UNSUPPORTED', () => {
  for (const encoding of ['deflate', 'compress', 'gzip, gzip, gzip', 'toString', 'zstd;q=1']) {
    assert.throws(
      () => decodeContentEncoding(chunked(original), encoding, limits),
      codeIs('CODEC_UNSUPPORTED'),
    );
  }
});

test('bodies of several members or frames decode whole, wherever they are cut', async () => {
  const halves = [original.subarray(0, 1000), original.subarray(1000)];
  const skippable = Buffer.from('502a4d1803000000010203', 'hex');
  const frames = halves.map((half) => zstdCompressSync(half));
  const zstd = Buffer.concat([frames[0] ?? skippable, skippable, frames[1] ?? skippable]);
  const gzip = Buffer.concat(halves.map((half) => gzipSync(half)));
  for (const size of [1, 7, 100, 1_000_000]) {
    assert.ok((await decode(zstd, 'zstd', size)).equals(original), `zstd in chunks of ${size}`);
    assert.ok((await decode(gzip, 'gzip', size)).equals(original), `gzip in chunks of ${size}`);
  }
  await assert.rejects(decode(zstd.subarray(0, -1), 'zstd'), codeIs('IPC_TRUNCATED'));
});

test('zstd frames are cut at their ends, and nothing is lost', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      (contents, size) => {
        const frames = contents.map((content) => zstdCompressSync(content));
        const all = Buffer.concat(frames);
        const cutter = new ZstdFrameCutter();
        const pieces: Uint8Array[] = [];
        for (let start = 0; start < all.length; start += size)
          pieces.push(...cutter.cut(all.subarray(start, start + size)));
        assert.ok(Buffer.concat(pieces).equals(all));
        const held = contents.reduce((sum, content) => sum + content.length, 0);
        assert.equal(cutter.declaredBytes, held, 'what the frames declare is what they hold');
        const ends = new Set<number>();
        let position = 0;
        for (const piece of pieces) {
          position += piece.length;
          ends.add(position);
        }
        let end = 0;
        for (const frame of frames) {
          end += frame.length;
          assert.ok(ends.has(end));
        }
      },
    ),
    { seed: 7 },
  );
});

test('zstd frames that declare too much are refused before any of them is decoded', async () => {
  const small = zstdCompressSync(Buffer.alloc(60 * 2 ** 20));
  assert.equal((await decode(small, 'zstd')).length, 60 * 2 ** 20, 'what is free is decoded');
  let decoded = 0;
  const body = decodeContentEncoding(chunked(Buffer.concat([small, small]), 100_000), 'zstd', limits);
  body.on('data', (chunk: Buffer) => {
    decoded += chunk.length;
  });
  await assert.rejects(once(body, 'end'), codeIs('DECOMPRESSED_TOO_LARGE'));
  assert.equal(decoded, 0);
});

test('bytes that are no zstd pass the cutter as they are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
      const cutter = new ZstdFrameCutter();
      assert.ok(Buffer.concat(chunks.flatMap((chunk) => cutter.cut(chunk))).equals(Buffer.concat(chunks)));
    }),
    { seed: 8 },
  );
});

test('an error of the body passes through unchanged', async () => {
  const broken = Object.assign(new Error('the socket broke'), { code: 'ECONNRESET' });
  const body = Readable.from(
    (async function* () {
      yield encoded['gzip']?.subarray(0, 100);
      throw broken;
    })(),
  );
  await assert.rejects(readAll(decodeContentEncoding(body, 'gzip', limits)), (error) => error === broken);
});

test('a body that is cut off fails instead of ending', async () => {
  const body = new Readable({ read: () => undefined });
  body.push(encoded['gzip']?.subarray(0, 100));
  setTimeout(() => body.destroy(), 10);
  await assert.rejects(readAll(decodeContentEncoding(body, 'gzip', limits)), codeIs('IPC_TRUNCATED'));
});

test('a body that does not decode is left alone, so that its socket can carry the answer', async () => {
  const body = new Readable({ read: () => undefined });
  body.push('no compressed data at all');
  await assert.rejects(readAll(decodeContentEncoding(body, 'gzip', limits)), codeIs('IPC_MALFORMED'));
  assert.equal(body.destroyed, false);
});

test('a reader that stops early stops the body from flowing', async () => {
  const body = new Readable({ read: () => undefined });
  body.push(encoded['gzip']);
  const decoded = decodeContentEncoding(body, 'gzip', limits);
  decoded.destroy();
  await once(decoded, 'close');
  assert.equal(body.destroyed, false);
  assert.equal(body.listenerCount('data'), 0);
});
