import { describeObject, type JsonSchema } from './json-schemas.ts';

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const countOrNull = { type: ['integer', 'null'], minimum: 0 };
const texts = { type: 'object', additionalProperties: { type: 'string' } };

const summary = describeObject('DeltaTable', 'A Delta table; its figures are null where it cannot be read.', {
  name: text,
  version: countOrNull,
  files: countOrNull,
  bytes: countOrNull,
  rows: countOrNull,
});

const change = {
  version: { ...count, description: 'The version after the change.' },
  changed: { type: 'boolean', description: 'Whether there was anything to change.' },
  metrics: { type: 'object', description: "The engine's figures." },
};

/** The schemas of the answers about Delta tables. */
export const deltaSharedSchemas: readonly JsonSchema[] = [
  summary,
  describeObject('JsonBareBatch', "The JSON body of the Python Arrowport's clients for Delta tables.", {
    arrow_schema: { ...text, description: 'Base64 of the schema message.' },
    data: { ...text, description: 'Base64 of an IPC stream, its schema message included.' },
  }),
  describeObject('DeltaTableList', 'Every Delta table under the root.', {
    tables: { type: 'array', items: { $ref: 'DeltaTable#' } },
  }),
  describeObject('DeltaTableInfo', 'A Delta table in its latest version.', {
    table: text,
    version: count,
    file_count: count,
    total_size_bytes: count,
    row_count: count,
    partitions: { type: 'array', items: text, description: 'The partition columns.' },
    schema: { type: 'object', description: "The schema, as the Delta protocol's JSON has it." },
    properties: texts,
  }),
  describeObject('DeltaHistory', 'The commits of a Delta table, newest first.', {
    table: text,
    history: {
      type: 'array',
      items: {
        type: 'object',
        description: 'version, timestamp, operation, operationParameters, operationMetrics and more.',
      },
    },
  }),
  describeObject('DeltaVacuum', 'What a vacuum removed, or would remove.', {
    files: { type: 'array', items: text },
    deleted: { ...count, description: 'Files removed; 0 in a dry run.' },
    dry_run: { type: 'boolean' },
  }),
  describeObject(
    'DeltaChange',
    'A change of a Delta table that was committed, if there was anything to do.',
    change,
  ),
  describeObject('DeltaRestore', 'A restore that was committed.', { ...change, restored_version: count }),
  describeObject('DeltaVersion', 'The version that was looked after.', { version: count }),
  describeObject('DeltaProperties', 'The properties of a Delta table after the change.', {
    version: count,
    properties: texts,
  }),
];
