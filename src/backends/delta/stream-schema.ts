import { encodeSchemaMessage } from '../../arrow/stream-writer.ts';
import type { LoadRequest } from '../../core/backend.ts';
import type { ArrowField } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

/** What Arrow calls the parts of a map; a stream may call them anything. */
const ENTRIES = 'entries';
const PARTS = ['key', 'value'] as const;

const NUL = '\u0000';

/**
 * The schema message that opens a load's stream to the worker: as it was sent, or with the parts of its maps named as
 * Arrow has them, by which delta-rs looks them up. No batch knows the names. Throws IPC_MALFORMED for a time zone that holds a NUL, at which
 * the worker's process would end; columns with such names are refused before.
 */
export function streamSchema({
  schema,
  schemaMetadata,
}: Pick<LoadRequest, 'schema' | 'schemaMetadata'>): Uint8Array {
  for (const field of schema.fields) refuseNul(field, field.name);
  const fields = schema.fields.map(withPlainMaps);
  const isSame = fields.every((field, index) => field === schema.fields[index]);
  return isSame ? schemaMetadata : encodeSchemaMessage({ ...schema, fields });
}

function refuseNul({ type, children }: ArrowField, column: string): void {
  if (type.kind === 'timestamp' && type.timezone?.includes(NUL)) {
    throw new ArrowportError(
      'IPC_MALFORMED',
      `The time zone of column ${JSON.stringify(column)} holds a NUL.`,
      { details: { column } },
    );
  }
  for (const child of children) refuseNul(child, column);
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
