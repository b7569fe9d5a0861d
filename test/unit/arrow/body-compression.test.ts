import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { unfoldBuffers } from '../../../src/arrow/body-compression.ts';
import { UnfoldingBudget } from '../../../src/arrow/unfolding-budget.ts';
import type { BodyCodec, IpcLimits, RecordBatchMessage } from '../../../src/core/ipc-message.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { patienceMs } from '../../support/patience.ts';
import { limits } from './stream-fixtures.ts';

const codecs = ['zstd', 'lz4-frame'] as const;

function compress(codec: BodyCodec, bytes: Buffer): Buffer {
  return codec === 'zstd' ? zstdCompressSync(bytes) : compressFrameSync(bytes);
}

/** A compressed buffer with its length prefix; `declared` is the true length unless said otherwise. */
function piece(frame: Uint8Array, declared: number | bigint): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeBigInt64LE(BigInt(declared));
  return Buffer.concat([prefix, frame]);
}

function messageOf(codec: BodyCodec, pieces: readonly Uint8Array[]): RecordBatchMessage {
  let offset = 0;
  const buffers = pieces.map((bytes) => {
    const span = { offset, length: bytes.byteLength };
    offset += Math.ceil(bytes.byteLength / 8) * 8;
    return span;
  });
  const body = new Uint8Array(offset);
  for (const [index, bytes] of pieces.entries()) body.set(bytes, buffers[index]?.offset ?? 0);
  return {
    kind: 'record-batch',
    metadata: new Uint8Array(0),
    body,
    bytes: body.length,
    header: { length: 0, nodes: [], buffers, codec, variadicCounts: [] },
    release: () => undefined,
  };
}

function unfold(
  codec: BodyCodec,
  pieces: readonly Uint8Array[],
  bounds: IpcLimits = limits,
  budget = new UnfoldingBudget(),
): Promise<Uint8Array[]> {
  return unfoldBuffers(messageOf(codec, pieces), budget, bounds, 'share');
}

const refusedAs = (code: ErrorCode, limit?: string) => (error: unknown) => {
  assert.ok(error instanceof ArrowportError, String(error));
  assert.equal(error.code, code, error.message);
  if (limit !== undefined) assert.equal(error.details.limit, limit);
  return true;
};

/** Bytes that compress a little, `seed` apart. */
function sampleBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = (state >>> 16) & 31;
  }
  return bytes;
}

for (const codec of codecs) {
  test(`buffers of every size unfold to what they were (${codec})`, async () => {
    const originals = [0, 1, 7, 64, 5000, 300_000, 2_000_000].map((length, index) =>
      sampleBytes(length, index),
    );
    const pieces = originals.map((bytes) =>
      bytes.length === 0 ? bytes : piece(compress(codec, bytes), bytes.length),
    );
    const raw = sampleBytes(999, 9);
    const results = await unfold(codec, [...pieces, piece(raw, -1), piece(Buffer.alloc(0), 0)]);
    for (const [index, bytes] of [...originals, raw, Buffer.alloc(0)].entries()) {
      assert.ok(Buffer.from(results[index] ?? []).equals(bytes), `buffer ${index}`);
      assert.equal((results[index]?.byteOffset ?? 1) % 8, 0);
    }
  });

  test(`a copy holds nothing of the body (${codec})`, async () => {
    const message = messageOf(codec, [piece(sampleBytes(999, 9), -1)]);
    const [copy] = await unfoldBuffers(message, new UnfoldingBudget(), limits, 'copy');
    message.body.fill(0);
    assert.ok(Buffer.from(copy ?? []).equals(sampleBytes(999, 9)));
  });

  test(`a buffer that is damaged or not of its declared length is IPC_MALFORMED (${codec})`, async () => {
    for (const length of [1000, 1_000_000]) {
      const bytes = sampleBytes(length, 1);
      const frame = compress(codec, bytes);
      const broken = Buffer.from(frame);
      broken[0] = 0;
      for (const bad of [
        piece(frame, length - 1),
        piece(frame, length + 1),
        piece(frame, -2),
        piece(frame.subarray(0, frame.length >> 1), length),
        piece(broken, length),
        piece(Buffer.alloc(0), length),
        piece(frame, length).subarray(0, 7),
      ]) {
        await assert.rejects(unfold(codec, [bad]), refusedAs('IPC_MALFORMED'));
      }
    }
  });

  test(`a buffer that declares 10 GB is refused before anything is unfolded (${codec})`, async () => {
    const frame = compress(codec, sampleBytes(1_000_000, 1));
    const started = performance.now();
    await assert.rejects(
      unfold(codec, [piece(frame, 10_000_000_000)]),
      refusedAs('DECOMPRESSED_TOO_LARGE', 'limits.max_message_bytes'),
    );
    await assert.rejects(unfold(codec, [piece(frame, 2n ** 62n)]), refusedAs('DECOMPRESSED_TOO_LARGE'));
    assert.ok(performance.now() - started < patienceMs);
  });

  test(`a buffer that unfolds to much more than it declares takes no memory for it (${codec})`, async () => {
    const bomb = compress(codec, Buffer.alloc(200_000_000));
    const before = process.memoryUsage().rss;
    await assert.rejects(unfold(codec, [piece(bomb, 1000)]), refusedAs('IPC_MALFORMED'));
    await assert.rejects(unfold(codec, [piece(bomb, 1_000_000)]), refusedAs('IPC_MALFORMED'));
    assert.ok(process.memoryUsage().rss - before < 100_000_000);
  });

  test(`buffers that are within bounds one by one are refused together (${codec})`, async () => {
    const small = piece(compress(codec, Buffer.alloc(100_000)), 100_000);
    const bounds = { ...limits, maxMessageBytes: 250_000 };
    await unfold(codec, [small, small], bounds);
    await assert.rejects(unfold(codec, [small, small, small], bounds), refusedAs('DECOMPRESSED_TOO_LARGE'));
  });
}

test('the ratio counts over a whole stream, and only past 64 MiB', async () => {
  const budget = new UnfoldingBudget();
  const length = 16 * 1024 * 1024;
  const zeros = piece(zstdCompressSync(Buffer.alloc(length)), length);
  for (let message = 0; message < 4; message++) await unfold('zstd', [zeros], limits, budget);
  await assert.rejects(
    unfold('zstd', [zeros], limits, budget),
    refusedAs('DECOMPRESSED_TOO_LARGE', 'limits.max_decompressed_ratio'),
  );
});

/** An LZ4 frame of `count` blocks, each of which unfolds to `zeros` zero bytes. */
function lz4Blocks(count: number, zeros: number): Buffer {
  const run = zeros - 1 - 4 - 5;
  const lengths: number[] = [];
  let rest = run - 15;
  for (; rest >= 255; rest -= 255) lengths.push(255);
  const block = Buffer.from([0x1f, 0, 1, 0, ...lengths, rest, 0x50, 0, 0, 0, 0, 0]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(block.length);
  const header = Buffer.from('04224d18604082', 'hex');
  return Buffer.concat([
    header,
    ...Array.from({ length: count }, () => Buffer.concat([size, block])),
    Buffer.alloc(4),
  ]);
}

test('LZ4 frames of many small blocks are measured exactly', async () => {
  const count = 300;
  const zeros = 1000;
  const frame = lz4Blocks(count, zeros);
  const [bytes] = await unfold('lz4-frame', [piece(frame, count * zeros)]);
  assert.ok(Buffer.from(bytes ?? []).equals(Buffer.alloc(count * zeros)));
  await assert.rejects(
    unfold('lz4-frame', [piece(lz4Blocks(3000, 60_000), 1000)]),
    refusedAs('IPC_MALFORMED'),
  );
});
