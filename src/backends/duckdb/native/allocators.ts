import { availableParallelism } from 'node:os';
import { collectGarbage } from './garbage.ts';
import { loadLibduckdb } from './libduckdb.ts';

/** How the allocators of this process treat memory that is asked for and given back. */
interface Manners {
  /** The C library maps memory of this size and more by itself: it costs what was written to it, and goes back at once. */
  readonly mappedBytes: number;
  /** How much the C library's heap keeps at its end. */
  readonly keptBytes: number;
  /** How long DuckDB's allocator keeps pages that were freed; and how long after that as the system's to take. */
  readonly dirtyMs: number;
  readonly muzzyMs: number;
}

/** What the C library comes to by itself, and what DuckDB sets. */
const generous: Manners = {
  mappedBytes: 32 * 2 ** 20,
  keptBytes: 64 * 2 ** 20,
  dirtyMs: 1000,
  muzzyMs: 1000,
};
/**
 * Costs a twentieth of the speed of loads that have the server to themselves. Columns and bodies of small batches are mapped too:
 * in the heap, a crowd of them leaves holes that add up to more than they hold.
 */
const frugal: Manners = { mappedBytes: 32 * 2 ** 10, keptBytes: 8 * 2 ** 20, dirtyMs: 50, muzzyMs: 0 };
/** More loads than these at once share the machine anyhow; what each leaves behind adds up. */
const crowdLoads = 8;
/** How long memory has to be enough before speed counts again. */
const frugalMs = 5000;
/** How often free memory is looked for until then: DuckDB's each time, the heap's and JavaScript's less often, for that takes longer. */
const sweepMs = 100;
const sweepsEach = 5;

/** What `mallopt` calls its options; see malloc.h of the GNU C library. */
const trimThreshold = -1;
const mmapThreshold = -3;
const arenaMax = -8;
const fewestArenas = 4;

/** What jemalloc calls all of its arenas together. */
const allArenas = 4096;

type SetHeapOption = (option: number, value: number) => number;
/** Gives back what is free inside of the heaps too. */
type TrimHeap = { async(keptBytes: number, done: (error: unknown) => void): void };
/** @see https://jemalloc.net/jemalloc.3.html */
type ControlEngine = (
  name: string,
  old: Buffer | null,
  oldLength: Buffer | null,
  value: Buffer | null,
  length: number,
) => number;

const library = loadLibduckdb();
/** Null where the C library is another one, which gives large memory back by rules of its own. */
const setHeapOption: SetHeapOption | null = orNull(() => library.func('mallopt', 'int', ['int', 'int']));
const trimHeap: TrimHeap | null = orNull(() => library.func('malloc_trim', 'int', ['size_t']));
/** Null where DuckDB comes without jemalloc, as on macOS and Windows. */
const controlEngine: ControlEngine | null = orNull(() =>
  library.func('duckdb_je_mallctl', 'int', ['str', 'void *', 'void *', 'void *', 'size_t']),
);
let isFrugal = false;
let isCrowded = false;
let isTrimming = false;
let sweeps = 0;
let shortAt = 0;

/** Bounds how many heaps the C library keeps: what is free in one is of no use to the others. Once, before threads begin. */
export function boundHeaps(): void {
  setHeapOption?.(arenaMax, Math.max(fewestArenas, availableParallelism()));
}

/**
 * Says that loads wait for memory. For the next seconds the allocators of this process give back what they do not
 * need; what a crowd has left behind in them would else count as resident on top of the limits. Costs next to nothing
 * when it was said before.
 */
export function notePressure(): void {
  shortAt = performance.now();
  becomeFrugal();
}

/** Says how many loads write: while they are many, memory is treated as if it was short. */
export function noteLoads(running: number): void {
  isCrowded = running > crowdLoads;
  if (!isCrowded) return;
  shortAt = performance.now();
  becomeFrugal();
}

function becomeFrugal(): void {
  if (isFrugal) return;
  isFrugal = true;
  apply(frugal);
  lookAgain();
}

function lookAgain(): void {
  const timer = setTimeout(() => {
    sweep();
    if (isCrowded || performance.now() - shortAt < frugalMs) return lookAgain();
    isFrugal = false;
    apply(generous);
  }, sweepMs);
  timer.unref();
}

/** Gives back what is free by now: both allocators only look for it when they are asked for more. */
function sweep(): void {
  controlEngine?.(`arena.${allArenas}.decay`, null, null, null, 0);
  sweeps += 1;
  if (sweeps % sweepsEach !== 0) return;
  collectGarbage();
  if (trimHeap === null || isTrimming) return;
  isTrimming = true;
  trimHeap.async(0, () => {
    isTrimming = false;
  });
}

function apply({ mappedBytes, keptBytes, dirtyMs, muzzyMs }: Manners): void {
  setHeapOption?.(mmapThreshold, mappedBytes);
  setHeapOption?.(trimThreshold, keptBytes);
  if (controlEngine === null) return;
  const control = controlEngine;
  const count = Buffer.alloc(4);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(count.byteLength));
  control('arenas.narenas', count, length, null, 0);
  const set = (name: string, ms: number) => {
    const value = Buffer.alloc(8);
    value.writeBigInt64LE(BigInt(ms));
    control(name, null, null, value, value.byteLength);
  };
  const each = Array.from({ length: count.readUInt32LE() }, (_, index) => `arena.${index}`);
  // Those to come first.
  for (const arena of ['arenas', ...each]) {
    set(`${arena}.dirty_decay_ms`, dirtyMs);
    set(`${arena}.muzzy_decay_ms`, muzzyMs);
  }
}

/** What a library does not have cannot be found in it. */
function orNull<F>(find: () => F): F | null {
  try {
    return find();
  } catch {
    return null;
  }
}
