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

/** A value that a variable is part of: what it holds is only known when the server starts. */
const variable = { type: 'string', pattern: '\\$\\{' };

/** Keywords that say what a value must be, which a variable in its place need not be. */
const constraints = ['type', 'minimum', 'maximum', 'enum', 'pattern'];

interface GeneratedSchema {
  readonly jsonSchema: Record<string, unknown>;
  readonly path: readonly (string | number)[];
}

function finish({ jsonSchema, path }: GeneratedSchema): void {
  const { restart, expected, description = expected, ...schema } = jsonSchema;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  Object.assign(jsonSchema, schema);
  if (description !== undefined) {
    jsonSchema['description'] = restart === true ? `${description} A change needs a restart.` : description;
  }
  // The check takes a section with nothing in it as an empty one.
  if (schema['type'] === 'object') jsonSchema['type'] = ['object', 'null'];
  const isFree = schema['type'] === 'string' && !('enum' in schema) && !('pattern' in schema);
  const isScalar =
    typeof schema['type'] === 'string' && schema['type'] !== 'object' && schema['type'] !== 'array';
  if (isFree || !isScalar || path.at(-1) === 'propertyNames') return;
  const given = constraints.filter((key) => key in schema);
  for (const key of given) delete jsonSchema[key];
  jsonSchema['anyOf'] = [Object.fromEntries(given.map((key) => [key, schema[key]])), variable];
}
