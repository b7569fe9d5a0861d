import type { MergeClauses } from '../../core/backend.ts';
import { readMergeClauses } from '../../core/delta-options.ts';
import type { BackendKind } from '../../core/receipt.ts';
import type { SchemaMode, WriteMode } from '../../core/route.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import { codecs, descriptorType, type FlightDescriptor } from './messages.ts';
import { UnimplementedError } from './status.ts';

/** What a DoPut's descriptor asks for. */
export interface PutTarget {
  readonly stream: string;
  readonly backend: BackendKind | null;
  readonly mode: WriteMode | null;
  readonly schemaMode: SchemaMode | null;
  readonly partitionBy: readonly string[] | null;
  readonly idempotencyKey: string | null;
  /** The Delta table of PATH `["delta", table]`. */
  readonly deltaTable?: string;
  readonly replacePredicate?: string;
  readonly merge?: MergeClauses;
}

const SQL_COMMAND_PREFIX = 'type.googleapis.com/arrow.flight.protocol.sql.';
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Reads the descriptor of a DoPut's first message: PATH `[stream]` or `["delta", table]`, or CMD with JSON.
 * Throws OPTION_INVALID, STREAM_NAME_INVALID, UnimplementedError for Flight SQL commands.
 */
export function readPutTarget(encoded: Uint8Array | null): PutTarget {
  if (encoded === null) {
    throw invalid(
      'The first message of a DoPut must carry a descriptor: PATH ["stream"] or CMD {"stream_name": "…"}.',
    );
  }
  const descriptor = decodeDescriptor(encoded);
  if (descriptor.type === descriptorType.PATH) return readPath(descriptor.path);
  if (descriptor.type === descriptorType.CMD) return readCommand(descriptor.cmd);
  throw invalid(`The descriptor has the type ${descriptor.type}; use PATH (1) or CMD (2).`);
}

/** Returns a key as it is, from wherever it was given. Throws OPTION_INVALID unless it is 1 to 255 visible ASCII characters. */
export function readIdempotencyKey(key: string): string {
  if (IDEMPOTENCY_KEY.test(key)) return key;
  throw invalid('The idempotency key must be 1 to 255 visible ASCII characters.');
}

/** Decodes the descriptor of a first message. Throws OPTION_INVALID. */
export function decodeDescriptor(encoded: Uint8Array): FlightDescriptor {
  try {
    return codecs.flightDescriptor.decode(encoded);
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', 'The descriptor is not a valid FlightDescriptor message.', {
      cause,
    });
  }
}

function readPath(path: readonly string[]): PutTarget {
  const [first, second] = path;
  if (first === undefined)
    throw invalid('The descriptor PATH is empty; use ["stream"] or ["delta", "table"].');
  if (second === undefined) return createTarget(first, null);
  if (path.length === 2 && first === 'delta') return { ...createTarget(second, 'delta'), deltaTable: second };
  throw invalid(
    `The descriptor PATH has ${path.length} parts; use ["stream"], or ["delta", "table"] to write to Delta Lake.`,
  );
}

function createTarget(stream: string, backend: BackendKind | null): PutTarget {
  return {
    stream: readStreamName(stream),
    backend,
    mode: null,
    schemaMode: null,
    partitionBy: null,
    idempotencyKey: null,
  };
}

const commandKeys = [
  'stream_name',
  'storage_backend',
  'mode',
  'partition_by',
  'schema_mode',
  'idempotency_key',
  'predicate',
  'on',
  'when_matched',
  'when_not_matched',
];
const mergeKeys = ['on', 'when_matched', 'when_not_matched'];

function readCommand(command: Uint8Array): PutTarget {
  const bytes = Buffer.from(command.buffer, command.byteOffset, command.length);
  const fields = parseCommand(bytes);
  for (const key of Object.keys(fields)) {
    if (!commandKeys.includes(key)) {
      throw invalid(
        `The descriptor CMD has the unknown key ${quote(key)}; known are ${commandKeys.join(', ')}.`,
      );
    }
  }
  const stream = fields['stream_name'];
  if (typeof stream !== 'string') throw invalid('The descriptor CMD must have "stream_name" with a text.');
  const mode = readChoice(fields, 'mode', ['append', 'overwrite', 'merge']);
  return {
    stream: readStreamName(stream),
    backend: readChoice(fields, 'storage_backend', ['duckdb', 'delta']),
    mode,
    schemaMode: readChoice(fields, 'schema_mode', ['strict', 'merge', 'overwrite']),
    partitionBy: readColumns(fields['partition_by']),
    idempotencyKey: readKey(fields['idempotency_key']),
    ...readPredicate(fields['predicate']),
    ...readMerge(fields, mode),
  };
}

function parseCommand(bytes: Buffer): Readonly<Record<string, unknown>> {
  // A protobuf Any begins with field 1, its type URL; no JSON text begins with the tag 0x0a and a length.
  if (bytes[0] === 0x0a && bytes.subarray(0, 128).includes(SQL_COMMAND_PREFIX)) {
    throw new UnimplementedError(
      'Flight SQL commands are not offered for DoPut; use PATH ["stream"] or CMD {"stream_name": "…"}.',
    );
  }
  const parsed = parseJson(bytes);
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
    return parsed as Record<string, unknown>;
  }
  throw invalid('The descriptor CMD must be a JSON object such as {"stream_name": "sensors"}.');
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ArrowportError(
      'OPTION_INVALID',
      'The descriptor CMD is not UTF-8 JSON such as {"stream_name": "sensors"}.',
      { cause },
    );
  }
}

function readChoice<T extends string>(
  fields: Readonly<Record<string, unknown>>,
  key: string,
  choices: readonly T[],
): T | null {
  const value = fields[key];
  if (value === undefined || value === null) return null;
  const choice = choices.find((known) => known === value);
  if (choice === undefined)
    throw invalid(`"${key}" in the descriptor CMD must be one of ${choices.join(', ')}.`);
  return choice;
}

function readColumns(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value) && value.every((column) => typeof column === 'string' && column !== ''))
    return value;
  throw invalid('"partition_by" in the descriptor CMD must be a list of column names.');
}

function readPredicate(value: unknown): Pick<PutTarget, 'replacePredicate'> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'string' && value !== '') return { replacePredicate: value };
  throw invalid('"predicate" in the descriptor CMD must be a text that is not empty.');
}

function readMerge(
  fields: Readonly<Record<string, unknown>>,
  mode: WriteMode | null,
): Pick<PutTarget, 'merge'> {
  if (mode === 'merge') return { merge: readMergeClauses(fields) };
  const stray = mergeKeys.find((key) => (fields[key] ?? null) !== null);
  if (stray === undefined) return {};
  throw invalid(`"${stray}" in the descriptor CMD goes with "mode": "merge" only.`);
}

function readKey(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalid('"idempotency_key" in the descriptor CMD must be a text.');
  return readIdempotencyKey(value);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}
