import { type ErrorCode, errorTable } from '../../errors.ts';
import { ingestMediaTypes } from './ingest-headers.ts';
import { PROBLEM_MEDIA_TYPE } from './problem.ts';

/** What the OpenAPI document says of a route. Requests are checked by the routes themselves, not by schemas. */
export interface RouteSchema {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly params?: object;
  readonly querystring?: object;
  readonly headers?: object;
  readonly body?: object;
  readonly response: Readonly<Record<string, object>>;
}

/** Errors that any request may be answered with. */
const EVERYWHERE: readonly ErrorCode[] = ['SHUTTING_DOWN', 'INTERNAL'];

/** Errors that a load may be answered with. */
export const ingestErrors: readonly ErrorCode[] = [
  'STREAM_NAME_INVALID',
  'IPC_MALFORMED',
  'IPC_TRUNCATED',
  'MEDIA_TYPE_UNSUPPORTED',
  'CODEC_UNSUPPORTED',
  'BODY_TOO_LARGE',
  'DECOMPRESSED_TOO_LARGE',
  'SCHEMA_MISMATCH',
  'TYPE_UNSUPPORTED',
  'IDEMPOTENCY_CONFLICT',
  'OPTION_INVALID',
  'OVERLOADED',
  'BACKEND_UNAVAILABLE',
  'COMMIT_CONFLICT',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'COMMIT_UNKNOWN',
];

/** A response of one media type whose body is a shared schema, by its `$id`. */
export function answer(description: string, schemaId: string, mediaType = 'application/json'): object {
  return { description, content: { [mediaType]: { schema: { $ref: `${schemaId}#` } } } };
}

/** The problem responses for some codes and those that may come anywhere, gathered by HTTP status. */
export function problems(codes: readonly ErrorCode[]): Record<string, object> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...codes, ...EVERYWHERE])) {
    const { http } = errorTable[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const responses: Record<string, object> = {};
  for (const [status, found] of [...byStatus].sort(([a], [b]) => a - b)) {
    const listed = found.map((code) => `${code}: ${errorTable[code].title}.`).join(' ');
    responses[String(status)] = answer(listed, 'Problem', PROBLEM_MEDIA_TYPE);
  }
  return responses;
}

const bytes = { type: 'string', format: 'binary' };

const streamParameter = {
  type: 'object',
  required: ['stream'],
  properties: {
    stream: {
      type: 'string',
      pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$',
      description: 'The name of the stream.',
    },
  },
};

/** The description of an ingest route. */
export function ingestSchema(prefix: string): RouteSchema {
  return {
    operationId: prefix === '/ingest' ? 'ingest' : 'ingestStream',
    tags: ['Ingest'],
    summary: 'Write one Arrow stream, in one transaction',
    description:
      'The body may be chunked and of any length. The answer comes when the rows are durable. A body that is cut off is never committed.',
    params: streamParameter,
    headers: {
      type: 'object',
      properties: {
        'idempotency-key': {
          type: 'string',
          pattern: '^[\\x21-\\x7e]{1,255}$',
          description: 'Makes the load exactly-once: a repeated key answers the first receipt.',
        },
        'content-encoding': {
          type: 'string',
          enum: ['identity', 'zstd', 'gzip', 'br'],
          description: 'Compression of the body as a whole; IPC buffers may be ZSTD or LZ4_FRAME besides.',
        },
        'x-request-id': {
          type: 'string',
          description: '1 to 128 of A-Z a-z 0-9 . _ : / + = @ -; it comes back and is in the log.',
        },
      },
    },
    body: {
      content: Object.fromEntries(
        ingestMediaTypes.map((type) => [
          type,
          { schema: type === 'application/json' ? { $ref: 'JsonBatch#' } : bytes },
        ]),
      ),
    },
    response: { 200: answer('The rows are durable.', 'Receipt'), ...problems(ingestErrors) },
  };
}

/** The description of `GET /streams`. */
export const listStreamsSchema: RouteSchema = {
  operationId: 'listStreams',
  tags: ['Streams'],
  summary: 'Streams and the tables behind them',
  response: { 200: answer('Every stream.', 'StreamList'), ...problems(['BACKEND_UNAVAILABLE']) },
};

/** The description of `GET /streams/{stream}`. */
export const findStreamSchema: RouteSchema = {
  operationId: 'findStream',
  tags: ['Streams'],
  summary: 'One stream: its table, schema, row count and last load',
  params: streamParameter,
  response: {
    200: answer('The stream.', 'Stream'),
    ...problems(['STREAM_NAME_INVALID', 'TABLE_NOT_FOUND', 'BACKEND_UNAVAILABLE']),
  },
};

/** The description of `GET /health/live`. */
export const livenessSchema: RouteSchema = {
  operationId: 'live',
  tags: ['Operations'],
  summary: 'Whether the process answers',
  response: { 200: answer('It does.', 'Liveness') },
};

/** The description of `GET /health/ready`. */
export const readinessSchema: RouteSchema = {
  operationId: 'ready',
  tags: ['Operations'],
  summary: 'Whether loads are taken',
  response: {
    200: answer('They are.', 'Readiness'),
    503: answer('They are not, and why.', 'Unavailability'),
  },
};

/** The description of `GET /metrics`. */
export const metricsSchema: RouteSchema = {
  operationId: 'metrics',
  tags: ['Operations'],
  summary: 'Metrics in the Prometheus text format',
  response: {
    200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } },
  },
};

/** The description of `POST /admin/reload`. */
export const reloadSchema: RouteSchema = {
  operationId: 'reload',
  tags: ['Operations'],
  summary: 'Reload the configuration now',
  description: 'A configuration that does not check changes nothing.',
  response: { 200: answer('What changed.', 'ReloadAnswer'), ...problems(['CONFIG_INVALID']) },
};

/** The description of `GET /openapi.json`. */
export const openApiSchema: RouteSchema = {
  operationId: 'openapi',
  tags: ['Operations'],
  summary: 'This document',
  response: {
    200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
  },
};

/** The description of `GET /docs`. */
export const docsSchema: RouteSchema = {
  operationId: 'docs',
  tags: ['Operations'],
  summary: 'This document as a page to read',
  response: { 200: { description: 'The page.', content: { 'text/html': { schema: { type: 'string' } } } } },
};
