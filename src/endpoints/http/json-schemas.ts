import { errorTable } from '../../errors.ts';

/** A JSON Schema as Fastify and the OpenAPI document take it. */
export type JsonSchema = Readonly<Record<string, unknown>> & { readonly $id: string };

const backend = { type: 'string', enum: ['duckdb', 'delta'] };
const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };

/** A schema of an object whose properties are all there, save for the optional ones. */
export function describeObject(
  $id: string,
  description: string,
  properties: Record<string, object>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { $id, type: 'object', description, required, properties };
}

const receipt = describeObject(
  'Receipt',
  'What is durable of one committed load. Over Flight the same JSON is in PutResult.app_metadata.',
  {
    status: { type: 'string', const: 'success' },
    stream: { ...text, description: 'The name that was written to.' },
    table: { ...text, description: 'The table that holds the rows.' },
    storage_backend: backend,
    rows_processed: count,
    batches: { ...count, description: 'Record batches received.' },
    bytes: { ...count, description: 'Arrow bytes after Content-Encoding, before buffer decompression.' },
    commit_id: { ...text, description: 'A ULID, unique to the commit.' },
    version: { type: ['integer', 'null'], description: 'The Delta table version; null elsewhere.' },
    replayed: {
      type: 'boolean',
      description: 'Whether this is the receipt of an earlier load with the same Idempotency-Key.',
    },
    duration_ms: { type: 'number', minimum: 0 },
    message: text,
    rows_total: { ...count, description: 'Rows durable of a split stream so far.' },
    batches_total: { ...count, description: 'Record batches durable of a split stream so far.' },
  },
  ['rows_total', 'batches_total'],
);

const problem = describeObject(
  'Problem',
  'RFC 9457 problem document. Problems of HTTP itself (no such route, wrong method) have the type about:blank and the nearest code.',
  {
    type: { ...text, format: 'uri-reference' },
    title: text,
    status: { type: 'integer' },
    detail: text,
    request_id: { ...text, description: 'Also in the x-request-id header, and in the log.' },
    code: { ...text, enum: Object.keys(errorTable) },
    outcome: {
      ...text,
      enum: ['rejected', 'retryable', 'unknown'],
      description:
        'rejected: do not send it again as it is. retryable: nothing was written, send it again. unknown: the commit may have happened, send it again with the same Idempotency-Key.',
    },
    column: { ...text, description: 'The column at fault, a dotted path for nested fields.' },
    limit: { ...text, description: 'The configuration key of the limit that was exceeded.' },
    retry_after_ms: count,
    line: { type: 'integer', minimum: 1, description: 'Line in the configuration file.' },
    position: { type: 'integer', minimum: 1, description: 'Column in the configuration file.' },
  },
  ['code', 'outcome', 'column', 'limit', 'retry_after_ms', 'line', 'position'],
);

const column = describeObject('Column', 'One column of a table, its type in the spelling of the backend.', {
  name: text,
  type: text,
  nullable: { type: 'boolean' },
});

const lastLoad = describeObject('LastLoad', 'The last committed load of a stream since the server started.', {
  commit_id: text,
  rows: count,
  bytes: count,
  committed_at: { ...text, format: 'date-time' },
});

const streamSummary = describeObject(
  'Stream',
  'A stream and the table behind it.',
  {
    stream: { ...text, description: "The stream's name, or the pattern of a pattern route." },
    pattern: { type: 'boolean' },
    table: text,
    storage_backend: backend,
    row_count: { type: ['integer', 'null'], minimum: 0, description: 'Null while there is no table.' },
    schema: {
      oneOf: [{ type: 'array', items: { $ref: 'Column#' } }, { type: 'null' }],
      description: 'Null while there is no table.',
    },
    last_load: { oneOf: [{ $ref: 'LastLoad#' }, { type: 'null' }] },
    last_loads: {
      type: 'array',
      items: { $ref: 'LastLoad#' },
      description:
        'The latest ten loads since the start of the server, newest first; where one stream is asked for.',
    },
  },
  ['last_loads'],
);

const streamList = describeObject(
  'StreamList',
  'All configured streams, and the tables that unrouted ones made.',
  {
    streams: { type: 'array', items: { $ref: 'Stream#' } },
  },
);

const reload = describeObject('ReloadAnswer', 'What a reload did; keys are paths in the configuration.', {
  status: { type: 'string', enum: ['applied', 'unchanged'] },
  changed: { type: 'array', items: text },
  needs_restart: {
    type: 'array',
    items: text,
    description: 'Changed keys that are only read at the start and so are not in force yet.',
  },
});

const liveness = describeObject('Liveness', 'The process answers.', {
  status: { type: 'string', const: 'live' },
});

const readiness = describeObject('Readiness', 'Loads are taken.', {
  status: { type: 'string', const: 'ready' },
});

const unavailability = describeObject('Unavailability', 'Why loads are not taken now.', {
  status: { type: 'string', const: 'unavailable' },
  reasons: { type: 'array', items: text },
});

const jsonBatch = describeObject(
  'JsonBatch',
  "The JSON body of the Python Arrowport's clients. New clients send Arrow: it is smaller and much faster.",
  {
    config: {
      type: 'object',
      properties: {
        target_table: {
          ...text,
          description: 'The routed table of the stream, or any table name where the stream has no route.',
        },
        storage_backend: { oneOf: [backend, { type: 'null' }] },
        chunk_size: { type: 'integer', description: 'Taken and ignored: the server configures it.' },
        compression: { type: ['object', 'null'], description: 'Taken and ignored.' },
        delta_options: { type: ['object', 'null'], description: 'partition_by and schema_mode, for delta.' },
      },
    },
    batch: {
      type: 'object',
      required: ['arrow_schema', 'data'],
      properties: {
        arrow_schema: { ...text, description: 'Base64 of the schema message.' },
        data: { ...text, description: 'Base64 of an IPC stream, its schema message included.' },
      },
    },
  },
  ['config'],
);

/** Every schema that routes refer to by its `$id`. */
export const sharedSchemas: readonly JsonSchema[] = [
  receipt,
  problem,
  column,
  lastLoad,
  streamSummary,
  streamList,
  reload,
  liveness,
  readiness,
  unavailability,
  jsonBatch,
];
