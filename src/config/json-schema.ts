import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A JSON Schema document or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema (draft 2020-12) of the configuration file, for editors and validators. */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...body } = z.toJSONSchema(configSchema, { io: 'input', override: finish });
  return {
    $schema,
    title: 'Arrowport configuration',
    description:
      'arrowport.yaml: what the Arrowport server listens on, where rows go and within which limits.',
    ...body,
  };
}

/** Values that a number or a truth value may be taken from: a variable, as in `${PORT}`. */
const variable = { type: 'string', pattern: '\\$\\{' };

function finish({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void {
  const { restart, expected, ...schema } = jsonSchema;
  for (const key of ['restart', 'expected']) delete jsonSchema[key];
  if (typeof expected === 'string' && schema['description'] === undefined)
    jsonSchema['description'] = expected;
  if (restart === true) jsonSchema['description'] = `${schema['description']} A change needs a restart.`;
  // The check takes a section with nothing in it as an empty one.
  if (schema['type'] === 'object') jsonSchema['type'] = ['object', 'null'];
  if (schema['type'] !== 'integer' && schema['type'] !== 'number' && schema['type'] !== 'boolean') return;
  const limits = ['type', 'minimum', 'maximum'].filter((key) => key in schema);
  for (const key of limits) delete jsonSchema[key];
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  jsonSchema['anyOf'] = [
    Object.fromEntries(limits.filter((key) => key in schema).map((key) => [key, schema[key]])),
    variable,
  ];
}
