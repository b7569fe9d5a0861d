import type { DeltaVerb } from '../../core/delta-verbs.ts';
import type { ErrorCode } from '../../errors.ts';
import { rowMediaTypes } from './accept.ts';
import { ingestMediaTypes } from './ingest-headers.ts';
import { answer, ingestErrors, ingestSchema, problems, type RouteSchema } from './route-schemas.ts';

const ERRORS: readonly ErrorCode[] = [
  'STREAM_NAME_INVALID',
  'TABLE_NOT_FOUND',
  'OPTION_INVALID',
  'BACKEND_UNAVAILABLE',
];

const CHANGE_ERRORS: readonly ErrorCode[] = [
  ...ERRORS,
  'MEDIA_TYPE_UNSUPPORTED',
  'VERSION_NOT_FOUND',
  'COMMIT_CONFLICT',
  'COMMIT_UNKNOWN',
];

const name = {
  type: 'string',
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$',
  description: 'The name of the Delta table.',
};

const tableParameter = { type: 'object', required: ['table'], properties: { table: name } };

const text = (description: string) => ({ type: 'string', description });
const count = (description: string) => ({ type: 'integer', minimum: 0, description });
const choice = (values: readonly string[], description: string) => ({
  type: 'string',
  enum: values,
  description,
});

function query(properties: Record<string, object>, required: readonly string[] = []): object {
  return { type: 'object', required, properties };
}

const ingest = ingestSchema('/ingest');

const bytes = { type: 'string', format: 'binary' };
const ingestBody = {
  content: Object.fromEntries(
    ingestMediaTypes.map((type) => [
      type,
      { schema: type === 'application/json' ? { $ref: 'JsonBareBatch#' } : bytes },
    ]),
  ),
};

/** The description of `POST /delta/{table}`. */
export const deltaIngestSchema: RouteSchema = {
  ...ingest,
  operationId: 'ingestDelta',
  tags: ['Delta'],
  summary: 'Write one Arrow stream into a Delta table, in one commit',
  description:
    "The rows go to the Delta table of the path, whatever the routes say; the table's route decides its options where it has one. The bare batch object of the Python Arrowport's clients is taken as application/json.",
  params: tableParameter,
  querystring: query({
    mode: choice(
      ['append', 'overwrite'],
      "What happens to the rows that are there; default: the route's write_mode.",
    ),
    partition_by: text('Columns that a new table is partitioned by, separated by commas.'),
    schema_mode: choice(
      ['strict', 'merge', 'overwrite'],
      'Whether new columns are added, or the schema replaced.',
    ),
    predicate: text('With mode=overwrite: only the rows that this SQL predicate names are replaced.'),
  }),
  body: ingestBody,
  response: { ...ingest.response, ...problems([...ingestErrors, 'TABLE_NOT_FOUND']) },
};

/** The description of `POST /delta/{table}/merge`. */
export const deltaMergeSchema: RouteSchema = {
  ...deltaIngestSchema,
  operationId: 'mergeDelta',
  summary: 'Merge one Arrow stream into a Delta table by key columns, in one commit',
  description: 'Rows whose keys match are updated, others are inserted, unless the clauses say otherwise.',
  querystring: query(
    {
      on: text('The key columns, separated by commas.'),
      when_matched: choice(
        ['update', 'delete', 'ignore'],
        'What happens to rows whose keys match; default update.',
      ),
      when_not_matched: choice(['insert', 'ignore'], 'What happens to rows without a match; default insert.'),
      schema_mode: choice(['strict', 'merge'], 'Whether new columns are added to the table.'),
    },
    ['on'],
  ),
};

const selection = {
  columns: text('Columns, separated by commas; default: all.'),
  filter: text('A SQL predicate over the columns; files and partitions that cannot match are not read.'),
  limit: count('Most rows to answer.'),
};

const rowContent = Object.fromEntries(
  rowMediaTypes.map((type) => [
    type,
    {
      schema: type === 'application/json' ? { type: 'array', items: { type: 'object' } } : { type: 'string' },
    },
  ]),
);

const rows: Omit<RouteSchema, 'operationId' | 'summary'> = {
  tags: ['Delta'],
  description:
    'Streams by. The form is chosen by Accept, Arrow IPC by default; the parameter codecs="zstd" or "lz4" of it asks for compressed buffers. The header arrowport-table-version names the version that was read.',
  params: tableParameter,
  response: {
    200: { description: 'The rows.', content: rowContent },
    ...problems([...ERRORS, 'VERSION_NOT_FOUND', 'NOT_ACCEPTABLE']),
  },
};

/** The description of `GET /delta/{table}/rows`. */
export const rowsSchema: RouteSchema = {
  ...rows,
  operationId: 'readDelta',
  summary: 'The rows of a Delta table, now or as of a time',
  querystring: query({ timestamp: text('RFC 3339: the rows as they were then.'), ...selection }),
};

/** The description of `GET /delta/{table}/version/{version}`. */
export const versionSchema: RouteSchema = {
  ...rows,
  operationId: 'readDeltaVersion',
  summary: 'The rows of a Delta table as of a version',
  params: {
    type: 'object',
    required: ['table', 'version'],
    properties: { table: name, version: count('The version.') },
  },
  querystring: query(selection),
};

/** The description of `GET /delta/{table}/changes`. */
export const changesSchema: RouteSchema = {
  ...rows,
  operationId: 'readDeltaChanges',
  summary: 'The change data feed of a Delta table',
  querystring: query({
    from: count('The first version; default 0.'),
    to: count('The last version; default: the latest.'),
    ...selection,
  }),
};

const ANSWERS: Readonly<Record<string, string>> = {
  list: 'DeltaTableList',
  info: 'DeltaTableInfo',
  history: 'DeltaHistory',
  vacuum: 'DeltaVacuum',
  optimize: 'DeltaChange',
  'z-order': 'DeltaChange',
  restore: 'DeltaRestore',
  checkpoint: 'DeltaVersion',
  'clean-log': 'DeltaVersion',
  properties: 'DeltaProperties',
  delete: 'DeltaChange',
  update: 'DeltaChange',
};

/** The description of a verb's route; reading verbs take their options in the query, others as a JSON body. */
export function verbSchema(verb: DeltaVerb, suffix = ''): RouteSchema {
  const posted = !['list', 'info', 'history'].includes(verb.name);
  const [summary = '', ...rest] = verb.description.split(/(?<=\.)\s|:\s(?=\{)/);
  const camel = verb.name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return {
    operationId: `${camel}Delta${suffix}`,
    tags: ['Delta'],
    summary: summary.replace(/\.$/, ''),
    ...(rest.length === 0 ? {} : { description: `Answers ${rest.join(' ')}` }),
    ...(verb.ofTable ? { params: tableParameter } : {}),
    ...(posted || Object.keys(verb.options).length === 0 ? {} : { querystring: query({ ...verb.options }) }),
    ...(posted ? { body: optionsBody(verb) } : {}),
    response: {
      200: answer('Done.', ANSWERS[verb.name] ?? 'DeltaVersion'),
      ...problems(posted ? CHANGE_ERRORS : ERRORS),
    },
  };
}

function optionsBody({ options, required }: DeltaVerb): object {
  return {
    content: {
      'application/json': {
        schema: { type: 'object', additionalProperties: false, required, properties: options },
      },
    },
  };
}
