import { problems, type RouteSchema } from './route-schemas.ts';

const end = (description: string) => ({ type: 'string', pattern: '^(duckdb|delta):.+$', description });
const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };

const report = {
  type: 'object',
  required: ['source', 'target', 'rows', 'rows_resumed', 'already_done', 'parts', 'version', 'duration_ms'],
  properties: {
    source: text,
    target: text,
    rows: { ...count, description: 'Rows of the source, all of them in the target.' },
    rows_resumed: { ...count, description: 'Of these, rows that an earlier run had copied.' },
    already_done: { type: 'boolean', description: 'Whether there was nothing to do.' },
    parts: count,
    version: { type: ['integer', 'null'], description: 'The Delta version that was read, or made.' },
    duration_ms: { type: 'number', minimum: 0 },
  },
};

const progress = {
  type: 'object',
  properties: {
    phase: { type: 'string', enum: ['copying', 'finishing'] },
    rows: count,
    total: { type: ['integer', 'null'] },
  },
};

const lines = {
  type: 'object',
  description: 'One of them a line; the last line has the report or the problem.',
  properties: { progress, report, problem: { $ref: 'Problem#' } },
};

/** The description of `POST /admin/migrate`. */
export const migrateSchema: RouteSchema = {
  operationId: 'migrate',
  tags: ['Operations'],
  summary: 'Copy a whole table from DuckDB to Delta, or back',
  description:
    'Every value is kept exactly, or the call is refused before anything is written. Hanging up stops the migration; the same call goes on where it ended, and finds one that is done. What goes wrong before the first line has a status of its own.',
  body: {
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['source', 'target'],
          properties: {
            source: end('duckdb:TABLE, duckdb:SCHEMA.TABLE or delta:TABLE.'),
            target: end('The same, of the other kind.'),
            existing: {
              type: 'string',
              enum: ['refuse', 'append', 'overwrite'],
              description: 'What becomes of rows that the target has; refuse by default.',
            },
            partition_by: {
              type: 'array',
              items: text,
              minItems: 1,
              description: 'Columns that a new Delta table is partitioned by.',
            },
            version: { ...count, description: 'The version of a Delta source; default: the latest.' },
            part_rows: { ...count, minimum: 1, description: 'Rows that are committed together, about.' },
          },
        },
      },
    },
  },
  response: {
    200: {
      description: 'How far it is, line by line.',
      content: { 'application/x-ndjson': { schema: lines } },
    },
    ...problems([
      'TABLE_NOT_FOUND',
      'TABLE_EXISTS',
      'VERSION_NOT_FOUND',
      'TYPE_UNSUPPORTED',
      'SCHEMA_MISMATCH',
      'OPTION_INVALID',
      'COMMIT_CONFLICT',
      'BACKEND_UNAVAILABLE',
    ]),
  },
};
