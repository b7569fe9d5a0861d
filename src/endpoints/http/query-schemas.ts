import type { ErrorCode } from '../../errors.ts';
import { rowMediaTypes } from './accept.ts';
import { problems, type RouteSchema } from './route-schemas.ts';

const errors: readonly ErrorCode[] = [
  'QUERY_INVALID',
  'QUERY_FORBIDDEN',
  'QUERY_TIMEOUT',
  'RESULT_TOO_LARGE',
  'TABLE_NOT_FOUND',
  'TABLE_EXISTS',
  'NOT_ACCEPTABLE',
  'TYPE_UNSUPPORTED',
  'OPTION_INVALID',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'OVERLOADED',
  'BACKEND_UNAVAILABLE',
  'COMMIT_CONFLICT',
  'COMMIT_UNKNOWN',
  'CANCELLED',
];

const jsonAnswer = {
  type: 'object',
  properties: {
    columns: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, type: { type: 'string' } },
        required: ['name', 'type'],
      },
      description: 'Names of the columns, and their types in DuckDB’s spelling.',
    },
    rows: { type: 'array', items: { type: 'array', items: {} } },
    row_count: { type: 'integer' },
    truncated: { type: 'boolean', description: 'true where max_rows left rows out; absent otherwise.' },
  },
  required: ['columns', 'rows', 'row_count'],
};

const content = Object.fromEntries(
  rowMediaTypes.map((type) => [
    type,
    { schema: type === 'application/json' ? jsonAnswer : { type: 'string' } },
  ]),
);

const bounds = {
  timeout_ms: { type: 'integer', minimum: 1, description: 'Milliseconds that the query may take.' },
  max_rows: {
    type: 'integer',
    minimum: 0,
    description:
      'Rows to answer at most. Where there were more, the header arrowport-truncated is true; on answers over 16 MiB it comes as a trailer.',
  },
};

const shared: Pick<RouteSchema, 'tags' | 'description' | 'response'> = {
  tags: ['Queries'],
  description:
    'One SQL statement in DuckDB’s dialect, over committed data. Rows stream in the form that Accept asks for, Arrow IPC by default; its parameter codecs="zstd" or "lz4" asks for compressed buffers, Accept-Encoding zstd or gzip for a compressed body (Parquet is sent as it is). An answer that breaks off without its end has failed. Statements that write take the scope admin and POST.',
  response: { 200: { description: 'The rows.', content }, ...problems(errors) },
};

/** The description of `POST /query`. */
export const postQuerySchema: RouteSchema = {
  ...shared,
  operationId: 'query',
  summary: 'Run a SQL statement',
  querystring: { type: 'object', properties: bounds },
  body: {
    content: {
      'text/plain': { schema: { type: 'string' } },
      'application/sql': { schema: { type: 'string' } },
      'application/json': {
        schema: {
          type: 'object',
          properties: {
            sql: { type: 'string' },
            parameters: {
              description: 'Values of ? and $1 in an array, or of $name in an object.',
              oneOf: [{ type: 'array', items: {} }, { type: 'object' }],
            },
          },
          required: ['sql'],
        },
      },
    },
  },
  response: { ...shared.response, ...problems([...errors, 'MEDIA_TYPE_UNSUPPORTED', 'BODY_TOO_LARGE']) },
};

/** The description of `GET /query`. */
export const getQuerySchema: RouteSchema = {
  ...shared,
  operationId: 'queryByUrl',
  summary: 'Run a SQL statement that reads',
  querystring: {
    type: 'object',
    properties: { sql: { type: 'string', description: 'The statement.' }, ...bounds },
    required: ['sql'],
  },
};
