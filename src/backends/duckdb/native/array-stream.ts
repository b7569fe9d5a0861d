import type { DuckDBConnection } from '@duckdb/node-api';
import koffi from 'koffi';
import type { ArrowField } from '../../../core/schema.ts';
import type { CArray } from './c-array-writer.ts';
import { type CSchema, writeCSchema } from './c-schema-writer.ts';
import { loadLibduckdb } from './libduckdb.ts';

const library = loadLibduckdb();
const arrowScan: (connection: unknown, view: string, stream: Buffer) => number = library.func(
  'duckdb_arrow_scan',
  'int',
  ['void *', 'str', 'void *'],
);
const writeMemory: (target: unknown, source: Uint8Array, length: number) => void = library.func(
  'memcpy',
  'void',
  ['void *', 'void *', 'size_t'],
);

const fillMemory: (target: bigint, byte: number, length: number) => void = library.func('memset', 'void', [
  'uintptr_t',
  'int',
  'size_t',
]);

const streamBytes = 40;
const privateDataOffset = 32;
const arrayReleaseOffset = 64;
const arrayPrivateDataOffset = 72;
const errnoInvalid = 22;

const twoPointers = koffi.proto('int ArrowStreamCall(void *stream, void *out)');
const lastErrorPrototype = koffi.proto('void *ArrowStreamLastError(void *stream)');
const releasePrototype = koffi.proto('void ArrowStreamRelease(void *struct)');
const releaseArrayPrototype = koffi.proto('void ArrowArrayRelease(void *array)');

/** Batches for a statement, handed out when it asks for them. */
export interface ArraySource {
  /** The next one, or null at the end, after which the statement asks no more. It must stay until DuckDB has released it. */
  next(): CArray | null;
}

interface StreamState {
  readonly schema: CSchema;
  /** The `ArrowArrayStream` that the view points at. */
  readonly struct: Buffer;
  source: ArraySource | null;
  failure: string | null;
}

/** The streams that DuckDB may ask for batches, by the number in their `private_data`. */
const streams = new Map<bigint, StreamState>();
let lastStream = 0n;

/** What to call when DuckDB releases an array, by the number in its `private_data`. */
const tracked = new Map<number, () => void>();
let lastTracked = 0;

/** Zeros: an array whose `release` is null is the end of a stream. */
const endOfStream = Buffer.alloc(80);
let lastErrorText: Buffer = Buffer.from('\0');

/** Answers a call of DuckDB's. What it throws must not leave: koffi would swallow it and answer 0, which is success. */
function guarded(run: (state: StreamState, out: unknown) => void): (stream: unknown, out: unknown) => number {
  return (stream, out) => {
    let state: StreamState | undefined;
    try {
      state = streams.get(BigInt(koffi.decode(stream, privateDataOffset, 'uint64_t')));
      if (state === undefined) return errnoInvalid;
      run(state, out);
      return 0;
    } catch (thrown) {
      if (state !== undefined) state.failure = String(thrown);
      lastErrorText = Buffer.from(`${String(thrown)}\0`, 'utf8');
      return errnoInvalid;
    }
  };
}

const callbacks = {
  getSchema: koffi.register(
    guarded((state, out) => writeMemory(out, state.schema.struct, state.schema.struct.length)),
    koffi.pointer(twoPointers),
  ),
  getNext: koffi.register(
    guarded((state, out) => {
      const struct = state.source?.next()?.struct ?? endOfStream;
      writeMemory(out, struct, struct.length);
    }),
    koffi.pointer(twoPointers),
  ),
  getLastError: koffi.register(() => lastErrorText, koffi.pointer(lastErrorPrototype)),
  release: koffi.register(() => undefined, koffi.pointer(releasePrototype)),
  releaseArray: koffi.register((array: unknown) => {
    // Nothing here may throw: nobody would hear of it.
    const key = Number(koffi.decode(array, arrayPrivateDataOffset, 'uint64_t'));
    fillMemory(koffi.address(array) + BigInt(arrayReleaseOffset), 0, 8);
    const released = tracked.get(key);
    tracked.delete(key);
    released?.();
  }, koffi.pointer(releaseArrayPrototype)),
};

/**
 * The address of a `release` callback that does nothing, for structs whose memory this process owns (null would mean
 * that the struct is released already). It is a C function without effects: a call into JavaScript for every array
 * would cost more than the array.
 */
export const releaseNothing: bigint = koffi.address(library.symbol('duckdb_vector_size', 'void *'));

/**
 * Has `released` called once, on the main thread, when DuckDB reads the array no more; it must not throw. Only for
 * arrays without dictionaries, which DuckDB goes on reading until the statement has ended.
 */
export function trackRelease(array: CArray, released: () => void): void {
  lastTracked += 1;
  tracked.set(lastTracked, released);
  array.struct.writeBigUInt64LE(koffi.address(callbacks.releaseArray), arrayReleaseOffset);
  array.struct.writeBigUInt64LE(BigInt(lastTracked), arrayPrivateDataOffset);
}

/** A view in DuckDB over batches that this process hands out. */
export interface ArrowView {
  /** Sets what the next statement over the view reads, in order; null for nothing. */
  offer(source: ArraySource | null): void;
  /** Frees the stream, after the view was dropped by SQL. */
  close(): void;
}

/**
 * Makes a view named `name` in the connection's current catalog, which must be an in-memory one: left in a file, the
 * view would hold dead addresses there. Throws when DuckDB refuses the schema; its text says why.
 */
export function createArrowView(
  connection: DuckDBConnection,
  name: string,
  fields: readonly ArrowField[],
): ArrowView {
  lastStream += 1n;
  const id = lastStream;
  const stream = Buffer.alloc(streamBytes);
  const state: StreamState = {
    schema: writeCSchema(fields, releaseNothing),
    struct: stream,
    source: null,
    failure: null,
  };
  streams.set(id, state);
  stream.writeBigUInt64LE(koffi.address(callbacks.getSchema), 0);
  stream.writeBigUInt64LE(koffi.address(callbacks.getNext), 8);
  stream.writeBigUInt64LE(koffi.address(callbacks.getLastError), 16);
  stream.writeBigUInt64LE(koffi.address(callbacks.release), 24);
  stream.writeBigUInt64LE(id, privateDataOffset);
  if (arrowScan(connectionPointer(connection), name, stream) !== 0) {
    streams.delete(id);
    throw new Error(state.failure ?? 'DuckDB refused the Arrow schema.');
  }
  return {
    offer(source) {
      state.source = source;
    },
    close() {
      streams.delete(id);
    },
  };
}

/**
 * The `duckdb_connection` of a node-api connection: the first field of the struct that its External points at.
 * Throws when the object is not what this version of @duckdb/node-api makes.
 */
export function connectionPointer(connection: DuckDBConnection): unknown {
  const external: unknown = Reflect.get(connection, 'connection');
  if (external === null || typeof external !== 'object') {
    throw new Error('This version of @duckdb/node-api keeps its connection elsewhere: install 1.5.5-r.5.');
  }
  const pointer: unknown = koffi.decode(external, 'void *');
  if (pointer === null) throw new Error('The DuckDB connection is closed.');
  return pointer;
}
