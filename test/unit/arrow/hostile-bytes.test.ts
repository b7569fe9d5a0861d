import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { corpusFolder, skipWithoutCorpus } from '../../support/corpus.ts';
import { touchArray } from './array-values.ts';
import { CountingResources, chunksOf, decodeStream, encodeStream, sampleColumns } from './stream-fixtures.ts';

const allowed =
  /^(IPC_|CODEC_UNSUPPORTED|TYPE_UNSUPPORTED|BODY_TOO_LARGE|DECOMPRESSED_TOO_LARGE|MEDIA_TYPE_UNSUPPORTED)/;

/** Reads hostile bytes to the end; whatever decodes is walked as a reader in C would, which throws when it leaves a buffer. */
async function survive(bytes: Uint8Array, format: 'stream' | 'sniff'): Promise<boolean> {
  const resources = new CountingResources({ maxMessageBytes: 16 * 1024 * 1024 });
  try {
    await decodeStream(await openIpcBody(chunksOf(bytes), format, resources), (columns) => {
      for (const column of columns) if (column.length < 100_000) touchArray(column);
    });
    return true;
  } catch (error) {
    assert.ok(error instanceof ArrowportError, error instanceof Error ? error.stack : String(error));
    assert.match(error.code, allowed);
    return false;
  } finally {
    assert.equal(resources.leases, 0);
  }
}

const interesting = [0, 1, 2, 4, 7, 8, 16, 127, 128, 254, 255];

/** Positions and values of a few changed bytes. */
const changes = fc.array(
  fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.oneof(fc.constantFrom(...interesting), fc.nat(255)),
  ),
  { minLength: 1, maxLength: 4 },
);

function change(bytes: Uint8Array, list: readonly (readonly [number, number])[]): Uint8Array {
  const changed = Uint8Array.from(bytes);
  for (const [place, value] of list)
    changed[Math.min(bytes.length - 1, Math.floor(place * bytes.length))] = value;
  return changed;
}

async function survivesChanges(bytes: Uint8Array, numRuns: number): Promise<void> {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      if (!(await survive(change(bytes, list), 'sniff'))) refused += 1;
    }),
    { numRuns, seed: 20, endOnFailure: true },
  );
  assert.ok(refused > 0, 'some changes are noticed');
}

for (const codec of [null, 'zstd', 'lz4-frame'] as const) {
  test(`a stream (${codec ?? 'plain'}) with changed bytes decodes safely or is refused with a code`, async () => {
    await survivesChanges(await encodeStream(sampleColumns(), codec), 1500);
  });
}

const corpusCases = [
  'cpp-21.0.0/generated_binary_view',
  'cpp-21.0.0/generated_dictionary',
  'cpp-21.0.0/generated_list_view',
  'cpp-21.0.0/generated_map',
  'cpp-21.0.0/generated_nested_dictionary',
  'cpp-21.0.0/generated_nested_large_offsets',
  'cpp-21.0.0/generated_recursive_nested',
  'cpp-21.0.0/generated_run_end_encoded',
  'cpp-21.0.0/generated_union',
  '2.0.0-compression/generated_lz4',
  '2.0.0-compression/generated_zstd',
];

for (const name of corpusCases) {
  test(`${name} with changed bytes decodes safely or is refused`, { skip: skipWithoutCorpus }, async () => {
    await survivesChanges(readFileSync(join(corpusFolder, `${name}.stream`)), 250);
    await survivesChanges(readFileSync(join(corpusFolder, `${name}.arrow_file`)), 50);
  });
}

test('random bytes are refused with a code', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.boolean(), async (bytes, marked) => {
      const length = Buffer.alloc(4);
      length.writeInt32LE(bytes.length);
      const framed = marked ? Buffer.concat([Buffer.from('ffffffff', 'hex'), length, bytes]) : bytes;
      assert.equal(await survive(framed, 'stream'), false);
    }),
    { numRuns: 1000, seed: 3 },
  );
});
