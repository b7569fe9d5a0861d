import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import koffi from 'koffi';
import type { ArrowField, ArrowSchema } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { addressOf } from './address.ts';
import { arrayStructBytes } from './arrow-c-array.ts';
import { readCField } from './arrow-c-schema.ts';
import { loadLibduckdb } from './libduckdb.ts';
import { readAddresses, readBytes, readText } from './native-memory.ts';

const library = loadLibduckdb();
const releasePrototype = koffi.proto('void ArrowRelease(void *)');
const functions = {
  resultOptions: library.func('duckdb_result_get_arrow_options', 'void *', ['void *']),
  destroyOptions: library.func('duckdb_destroy_arrow_options', 'void', ['void *']),
  toSchema: library.func('duckdb_to_arrow_schema', 'void *', [
    'void *',
    'void **',
    'str *',
    'uint64',
    'void *',
  ]),
  chunkToArray: library.func('duckdb_data_chunk_to_arrow', 'void *', ['void *', 'void *', 'void *']),
  resultError: library.func('duckdb_result_error', 'str', ['void *']),
  errorMessage: library.func('duckdb_error_data_message', 'str', ['void *']),
  destroyError: library.func('duckdb_destroy_error_data', 'void', ['void *']),
};

const schemaStructBytes = 72;
const schemaReleaseOffset = 56;
const arrayReleaseOffset = 64;

/** Turns the chunks of one query result into Arrow arrays. */
export interface ArrowExport {
  readonly schema: ArrowSchema;
  /** The address of a chunk of this result as an `ArrowArray`, which is there until `release`. */
  open(chunk: DuckDBDataChunk): number;
  /** Frees the array that was opened. */
  release(): void;
  /** The result as a worker thread needs it; valid until `close`. */
  address(): { readonly result: bigint; readonly options: bigint };
  /** DuckDB's message when the result broke off; its chunks end then as if there were no more. */
  failure(): string | null;
  /** Frees what DuckDB holds for the export; `open` must not be called afterwards. */
  close(): void;
}

/**
 * Opens the Arrow side of a result. Memory goes the other way round than for loads: DuckDB makes the arrays, whoever opens
 * one copies from it and releases it at once.
 * Throws TYPE_UNSUPPORTED for columns that DuckDB has no Arrow form for.
 */
export function openArrowExport(result: DuckDBResult): ArrowExport {
  const options: unknown = functions.resultOptions(externalOf(result, 'result'));
  const schema = readResultSchema(result, options);
  const chunks = createChunkExport(options);
  let closed = false;
  return {
    schema,
    open: (chunk) => chunks.open(externalOf(chunk, 'chunk')),
    release: chunks.release,
    address: () => ({
      result: koffi.address(externalOf(result, 'result')),
      options: koffi.address(options),
    }),
    failure() {
      const message: unknown = functions.resultError(externalOf(result, 'result'));
      return typeof message === 'string' ? message : null;
    },
    close() {
      if (closed) return;
      closed = true;
      functions.destroyOptions(pointerTo(options));
    },
  };
}

/** Turns one `duckdb_data_chunk` after the other into an `ArrowArray`. */
export interface ChunkExport {
  /** The address of the chunk as an `ArrowArray`, which is there until `release`. Throws TYPE_UNSUPPORTED. */
  open(chunk: unknown): number;
  /** Frees the array that was opened. */
  release(): void;
}

/** Exports the chunks of one result; `options` are its Arrow options. */
export function createChunkExport(options: unknown): ChunkExport {
  const struct = Buffer.alloc(arrayStructBytes);
  const address = Number(addressOf(struct));
  return {
    open(chunk) {
      refuseError(functions.chunkToArray(options, chunk, struct));
      return address;
    },
    release: () => release(struct, arrayReleaseOffset),
  };
}

function readResultSchema(result: DuckDBResult, options: unknown): ArrowSchema {
  const count = result.columnCount;
  const columns = Array.from({ length: count }, (_, column) => column);
  const types = columns.map((column) => externalOf(result.columnLogicalType(column), 'logical_type'));
  const names = columns.map((column) => result.columnName(column));
  return toArrowSchema(options, types, names);
}

/** The Arrow schema of columns with these logical types; `options` are DuckDB's Arrow options. Throws TYPE_UNSUPPORTED. */
export function toArrowSchema(
  options: unknown,
  types: readonly unknown[],
  names: readonly string[],
): ArrowSchema {
  const struct = Buffer.alloc(schemaStructBytes);
  refuseError(functions.toSchema(options, types, names, names.length, struct));
  try {
    return { fields: createFieldReader()(struct).children, metadata: new Map() };
  } finally {
    release(struct, schemaReleaseOffset);
  }
}

/** Makes a reader of `ArrowSchema` structs that numbers the dictionaries it meets. */
function createFieldReader(): (struct: Buffer) => ArrowField {
  let dictionaries = 0n;
  const readField = (struct: Buffer): ArrowField => {
    const children = readAddresses(struct.readBigUInt64LE(40), Number(struct.readBigInt64LE(32)));
    const dictionary = struct.readBigUInt64LE(48);
    if (dictionary !== 0n) dictionaries += 1n;
    const id = dictionaries;
    return readCField(
      {
        format: readText(struct.readBigUInt64LE(0)),
        name: readText(struct.readBigUInt64LE(8)),
        metadata: readMetadata(struct.readBigUInt64LE(16)),
        flags: Number(struct.readBigInt64LE(24)),
        children: children.map((address) => readField(readBytes(address, schemaStructBytes))),
        dictionary: dictionary === 0n ? null : readField(readBytes(dictionary, schemaStructBytes)),
      },
      id,
    );
  };
  return readField;
}

/** Reads a count of pairs, then each key and value after its length, all lengths 32-bit. */
function readMetadata(address: bigint): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  if (address === 0n) return metadata;
  let next = address;
  const readInt32 = () => {
    next += 4n;
    return readBytes(next - 4n, 4).readInt32LE(0);
  };
  const readPart = () => {
    const length = readInt32();
    next += BigInt(length);
    return readBytes(next - BigInt(length), length).toString('utf8');
  };
  for (let pairs = readInt32(); pairs > 0; pairs -= 1) metadata.set(readPart(), readPart());
  return metadata;
}

function release(struct: Buffer, offset: number): void {
  const callback: unknown = koffi.decode(struct, offset, 'void *');
  if (callback !== null) koffi.call(callback, releasePrototype, struct);
}

function refuseError(error: unknown): void {
  if (error === null) return;
  const message: unknown = functions.errorMessage(error);
  functions.destroyError(pointerTo(error));
  // Whoever interrupted it knows why; the data is not at fault.
  if (/Interrupted!/.test(String(message))) throw new Error(String(message));
  const text = readMessage(String(message));
  throw new ArrowportError('TYPE_UNSUPPORTED', `DuckDB cannot hand the result out as Arrow${text}`, {
    cause: new Error(String(message)),
  });
}

/** DuckDB's text of an error without the engine's insides; for its own failures there is none. */
function readMessage(json: string): string {
  const { exception_type: kind, exception_message: message } = parseObject(json);
  return kind === 'INTERNAL' || typeof message !== 'string' ? '.' : `: ${message}`;
}

function parseObject(json: string): Partial<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Partial<Record<string, unknown>>;
  } catch {
    return {};
  }
}

/** A place that holds a pointer, for functions that free what it points at and then clear it. */
export function pointerTo(pointer: unknown): Buffer {
  const place = Buffer.alloc(8);
  place.writeBigUInt64LE(koffi.address(pointer));
  return place;
}

/** The native handle inside an object of @duckdb/node-api, which keeps it private. */
function externalOf(owner: object, key: string): unknown {
  const external: unknown = Reflect.get(owner, key);
  if (external === undefined) {
    throw new ArrowportError('INTERNAL', 'This version of @duckdb/node-api is laid out in another way.');
  }
  return external;
}
