import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { followBrotli } from '../../../src/arrow/brotli-length.ts';
import { createRandom } from '../../fuzz/random.ts';
import { repositoryRoot } from '../../support/repository.ts';

const ALL = 2 ** 40;

function compress(bytes: Uint8Array, quality: number, windowBits: number): Buffer {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } = constants;
  return brotliCompressSync(bytes, {
    params: { [BROTLI_PARAM_QUALITY]: quality, [BROTLI_PARAM_LGWIN]: windowBits },
  });
}

function noise(random: ReturnType<typeof createRandom>, length: number, values: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(values)));
}

/** Bytes of many kinds: texts, for which the static dictionary was made, noise, runs, and all of them in turn. */
function* samples(): Generator<Buffer> {
  const random = createRandom(11);
  const folder = join(repositoryRoot, 'src', 'core');
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  yield* texts;
  const parts = [
    noise(random, 5000, 256),
    noise(random, 9000, 2),
    noise(random, 3000, 17),
    Buffer.alloc(400_000),
    ...texts.slice(0, 3),
  ];
  yield* [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(3_000_000, 7), ...parts];
  for (let count = 0; count < 12; count += 1) {
    yield Buffer.concat(Array.from({ length: 2 + random.below(12) }, () => random.pick(parts)));
  }
}

const settings = [
  [0, 16],
  [1, 10],
  [2, 22],
  [5, 10],
  [5, 22],
  [9, 16],
  [11, 22],
] as const;

test('what is followed of a brotli stream is as long as what it decodes to', () => {
  let whole = 0;
  let number = 0;
  for (const sample of samples()) {
    number += 1;
    for (const [quality, windowBits] of settings) {
      // The best quality takes long, and codes what is short no otherwise.
      if (quality === 11 && (sample.length > 50_000 || number % 3 !== 0)) continue;
      const { bytes, isWhole } = followBrotli(compress(sample, quality, windowBits), ALL, ALL);
      const text = `sample ${number}, quality ${quality}, window ${windowBits}`;
      if (isWhole) assert.equal(bytes, sample.length, text);
      else assert.ok(bytes <= sample.length, text);
      whole += isWhole ? 1 : 0;
    }
  }
  assert.ok(whole > 150, `${whole} were followed to their ends`);
});

test('the start of a brotli stream is followed as far as it goes, and no further', () => {
  const random = createRandom(12);
  for (const sample of samples()) {
    const packed = compress(sample, 5, 22);
    const cut = packed.subarray(0, random.below(packed.length + 1));
    const { bytes } = followBrotli(cut, ALL, ALL);
    assert.ok(bytes <= sample.length);
    const stopped = followBrotli(packed, 1000, ALL);
    assert.ok(stopped.bytes <= sample.length);
    assert.equal(followBrotli(packed, ALL, 10).isWhole, packed.length <= 10 && stopped.isWhole);
  }
});

test('no bytes lead the follower astray: what decodes is as long as it says', () => {
  const random = createRandom(13);
  const packed = [...samples()]
    .filter((sample) => sample.length > 0 && sample.length < 20_000)
    .map((sample) => compress(sample, random.pick([1, 5, 9]), 18));
  let decoded = 0;
  for (let count = 0; count < 1000; count += 1) {
    const mutant = Buffer.from(random.pick(packed));
    for (let change = random.below(3); change >= 0; change -= 1) {
      mutant[random.below(Math.min(mutant.length, 200))] = random.below(256);
    }
    const { bytes, isWhole } = followBrotli(mutant, 100_000_000, ALL);
    let length: number;
    try {
      length = brotliDecompressSync(mutant).length;
    } catch {
      continue;
    }
    decoded += 1;
    if (isWhole) assert.equal(bytes, length);
    else assert.ok(bytes <= length);
  }
  assert.ok(decoded > 5, `${decoded} of the mutants decoded`);
});

test('runs that unfold to hundreds of megabytes are a few commands', () => {
  for (const [quality, windowBits] of [
    [2, 22],
    [5, 22],
    [9, 24],
  ] as const) {
    const packed = compress(Buffer.alloc(100_000_000), quality, windowBits);
    assert.equal(followBrotli(packed, ALL).bytes, 100_000_000);
    const { bytes } = followBrotli(packed, 64_000_000);
    assert.ok(bytes > 64_000_000 && bytes < 100_000_000);
  }
});
