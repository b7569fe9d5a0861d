import assert from 'node:assert/strict';
import { openIpcBody } from '../../src/arrow/ipc-reader.ts';
import { ArrowportError } from '../../src/errors.ts';
import { touchArray } from '../unit/arrow/array-values.ts';
import { CountingResources, chunksOf, decodeStream } from '../unit/arrow/stream-fixtures.ts';
import { type Mutant, mutate } from './mutate.ts';
import { createRandom } from './random.ts';
import type { Seed } from './seeds.ts';

const allowed =
  /^(IPC_MALFORMED|IPC_TRUNCATED|CODEC_UNSUPPORTED|TYPE_UNSUPPORTED|BODY_TOO_LARGE|DECOMPRESSED_TOO_LARGE|MEDIA_TYPE_UNSUPPORTED)$/;
const LARGEST_MESSAGE = 16 * 1024 * 1024;
/** An input of some kilobytes that takes longer than this hangs. */
const SLOW_MS = 60_000;
/** Arrays longer than this are bounded by what their checks cost; walking them slot by slot would take all the time. */
const LONGEST_WALKED = 20_000;

/** What became of many mutants. */
export interface DecoderOutcome {
  readonly decoded: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly rssMbBefore: number;
  readonly rssMbAfter: number;
}

/**
 * Sends so many mutants of the seeds through the decoder. What decodes is walked as a reader in C would walk it.
 * Throws with seed, number and bytes of the first one that does anything else than decode or be refused by a code.
 */
export async function fuzzDecoder(
  seeds: readonly Seed[],
  { count, seed, onProgress }: { count: number; seed: number; onProgress?(done: number): void },
): Promise<DecoderOutcome> {
  const refused: Record<string, number> = {};
  let decoded = 0;
  let slowestMs = 0;
  const warmUp = Math.min(2000, Math.floor(count / 4));
  let rssMbBefore = 0;
  for (let number = 0; number < count; number += 1) {
    if (number === warmUp) rssMbBefore = residentMb();
    const mutant = mutate(seeds, createRandom(seed + number));
    const startedAt = performance.now();
    try {
      const code = await decode(mutant.bytes);
      if (code === null) decoded += 1;
      else refused[code] = (refused[code] ?? 0) + 1;
      const ms = performance.now() - startedAt;
      slowestMs = Math.max(slowestMs, ms);
      assert.ok(ms < SLOW_MS, `it took ${ms} ms`);
    } catch (error) {
      throw new Error(describeMutant(mutant, seed + number), { cause: error });
    }
    if (number % 10_000 === 9999) onProgress?.(number + 1);
  }
  return { decoded, refused, slowestMs, rssMbBefore, rssMbAfter: residentMb() };
}

/** What anyone needs to see a failure again. */
export function describeMutant({ seed, how, bytes }: Mutant, number: number): string {
  return `mutant ${number} (of ${seed}: ${how.join(', ')}) failed; its bytes: ${Buffer.from(bytes).toString('base64')}`;
}

/** Resolves with the code of the refusal; null when it decodes. */
async function decode(bytes: Uint8Array): Promise<string | null> {
  const resources = new CountingResources({ maxMessageBytes: LARGEST_MESSAGE });
  try {
    await decodeStream(await openIpcBody(chunksOf(bytes), 'sniff', resources), (columns) => {
      for (const column of columns) if (column.length < LONGEST_WALKED) touchArray(column);
    });
    return null;
  } catch (error) {
    if (!(error instanceof ArrowportError)) throw error;
    assert.match(error.code, allowed, error.message);
    return error.code;
  } finally {
    assert.equal(resources.leases, 0, 'memory was not given back');
  }
}

function residentMb(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}
