import type { BackendKind } from '../../core/receipt.ts';
import type { SchemaMode } from '../../core/route.ts';
import { isStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import { quote } from './ingest-headers.ts';

/**
 * The JSON body of the Python Arrowport's clients:
 * `{"config": {"target_table", "storage_backend"?, "delta_options"?, …}, "batch": {"arrow_schema", "data"}}`.
 */
export interface JsonBatch {
  /** The table that the client expects its rows in; null when the body names none. */
  readonly targetTable: string | null;
  readonly backend: BackendKind | null;
  readonly partitionBy: readonly string[] | null;
  readonly schemaMode: SchemaMode | null;
  /** An encapsulated schema message. */
  readonly schema: Uint8Array;
  /** A complete IPC stream. */
  readonly data: Uint8Array;
}

/** Reads a JSON body. Throws IPC_MALFORMED for what is no JSON or base64, OPTION_INVALID for a wrong option. */
export function readJsonBatch(text: string): JsonBatch {
  const document = parseObject(text);
  const config = optionalObject(document, 'config');
  const batch = optionalObject(document, 'batch');
  if (batch === null) throw malformed('it has no "batch" object');
  return {
    ...(config === null ? noConfig : readConfig(config)),
    schema: readBase64(batch, 'arrow_schema'),
    data: readBase64(batch, 'data'),
  };
}

/** Reads the bare batch object `{"arrow_schema", "data"}` that the Python Arrowport's clients send to Delta tables. */
export function readBareJsonBatch(text: string): JsonBatch {
  const batch = parseObject(text);
  return { ...noConfig, schema: readBase64(batch, 'arrow_schema'), data: readBase64(batch, 'data') };
}

type JsonObject = Readonly<Record<string, unknown>>;

const noConfig = { targetTable: null, backend: null, partitionBy: null, schemaMode: null } as const;

function readConfig(config: JsonObject): Omit<JsonBatch, 'schema' | 'data'> {
  const targetTable = optionalString(config, 'target_table', 'config.target_table');
  // Which route and so which table takes the rows is the server's to say; an impossible name is refused here.
  if (targetTable !== null && !isStreamName(targetTable)) {
    throw option(`config.target_table ${quote(targetTable)} is no name of a table`);
  }
  const backend = optionalString(config, 'storage_backend', 'config.storage_backend');
  if (backend !== null && backend !== 'duckdb' && backend !== 'delta') {
    throw option(`config.storage_backend is ${quote(backend)}; it must be "duckdb" or "delta"`);
  }
  // The clients send Delta's options with their defaults to any backend; elsewhere they mean nothing.
  const delta = backend === 'delta' ? optionalObject(config, 'delta_options') : null;
  return {
    targetTable,
    backend,
    partitionBy: delta === null ? null : readPartitionBy(delta['partition_by']),
    schemaMode: delta === null ? null : readSchemaMode(delta['schema_mode']),
  };
}

function readPartitionBy(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
    throw option('config.delta_options.partition_by must be a list of column names');
  }
  return value.length === 0 ? null : value;
}

function readSchemaMode(value: unknown): SchemaMode | null {
  if (value === undefined || value === null) return null;
  if (value === 'strict' || value === 'merge' || value === 'overwrite') return value;
  throw option('config.delta_options.schema_mode must be "strict", "merge" or "overwrite"');
}

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('it is no JSON');
  }
  if (isObject(value)) return value;
  throw malformed('it is no JSON object');
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function optionalObject(parent: JsonObject, key: string): JsonObject | null {
  const value = parent[key];
  if (value === undefined || value === null) return null;
  if (isObject(value)) return value;
  throw option(`${key} must be an object`);
}

function optionalString(parent: JsonObject, key: string, path: string): string | null {
  const value = parent[key];
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  throw option(`${path} must be a string`);
}

function readBase64(batch: JsonObject, key: string): Uint8Array {
  const value = batch[key];
  if (typeof value !== 'string') throw malformed(`batch.${key} is missing`);
  const bytes = decodeBase64(value) ?? decodeBase64(value.replace(/\s+/g, ''));
  if (bytes === null || bytes.byteLength === 0) throw malformed(`batch.${key} is no base64`);
  return bytes;
}

/** Node skips what is not base64, so a text with such characters decodes to fewer bytes than its length says. */
function decodeBase64(text: string): Uint8Array | null {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = Buffer.from(text, 'base64');
  return bytes.byteLength === Math.floor(((text.length - padding) * 3) / 4) ? bytes : null;
}

function malformed(what: string): ArrowportError {
  return new ArrowportError(
    'IPC_MALFORMED',
    `The JSON body cannot be read: ${what}. It must be {"config": {…}, "batch": {"arrow_schema": base64, "data": base64}}; an Arrow body with its own media type is simpler and faster.`,
  );
}

function option(what: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', `The JSON body has a wrong option: ${what}.`);
}
