import { encodeSchemaMessage } from '../../arrow/stream-writer.ts';
import type { LoadRequest } from '../../core/backend.ts';
import type { ArrowField } from '../../core/schema.ts';

/** What Arrow calls the parts of a map; a stream may call them anything. */
const ENTRIES = 'entries';
const PARTS = ['key', 'value'] as const;

/**
 * The schema message that opens a load's stream to the worker: as it was sent, or with the parts of its maps named as
 * Arrow has them, by which delta-rs looks them up. No batch knows the names.
 */
export function streamSchema({
  schema,
  schemaMetadata,
}: Pick<LoadRequest, 'schema' | 'schemaMetadata'>): Uint8Array {
  const fields = schema.fields.map(withPlainMaps);
  const isSame = fields.every((field, index) => field === schema.fields[index]);
  return isSame ? schemaMetadata : encodeSchemaMessage({ ...schema, fields });
}

/** The field itself where nothing in it is named otherwise. */
function withPlainMaps(field: ArrowField): ArrowField {
  const children = field.children.map(withPlainMaps);
  const named = field.type.kind === 'map' ? children.map(nameEntries) : children;
  return named.every((child, index) => child === field.children[index])
    ? field
    : { ...field, children: named };
}

function nameEntries(entries: ArrowField): ArrowField {
  const children = entries.children.map((child, index) => {
    const name = PARTS[index] ?? child.name;
    return child.name === name ? child : { ...child, name };
  });
  if (entries.name === ENTRIES && children.every((child, index) => child === entries.children[index]))
    return entries;
  return { ...entries, name: ENTRIES, children };
}
