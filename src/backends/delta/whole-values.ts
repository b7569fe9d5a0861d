import { bufferWidths } from '../../arrow/array-layout.ts';
import { declaredLengths } from '../../arrow/body-compression.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import type { ArrowField } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

/**
 * Refuses a message with a buffer that ends within a value, of the columns `fields`: others pass over such an end, the
 * worker's reader ends its whole process there. Throws IPC_MALFORMED.
 */
export function refusePartValues(message: IpcMessage, fields: readonly ArrowField[]): void {
  const lengths = declaredLengths(message);
  const variadicCounts = message.header.variadicCounts[Symbol.iterator]();
  let next = 0;
  const visit = (field: ArrowField): void => {
    for (const width of valueWidths(field, () => variadicCounts.next().value ?? 0)) {
      const length = lengths[next] ?? 0;
      next += 1;
      if (width !== null && length % width !== 0) throw refusal(field, length, width);
    }
    if (field.dictionary === null) for (const child of field.children) visit(child);
  };
  for (const field of fields) visit(field);
}

/** Bytes of the values in each buffer of an array, children left out. A fixed-size value may end where it likes: its reader looks. */
function valueWidths(
  { type, dictionary }: ArrowField,
  nextVariadicCount: () => number,
): readonly (number | null)[] {
  if (dictionary !== null) return [null, dictionary.indexBitWidth / 8];
  if (type.kind === 'fixed-size-binary') return [null, 1];
  const isView = type.kind === 'utf8-view' || type.kind === 'binary-view';
  const data = isView ? new Array<number>(nextVariadicCount()).fill(1) : [];
  return [...bufferWidths(type), ...data];
}

function refusal(field: ArrowField, length: number, width: number): ArrowportError {
  return new ArrowportError(
    'IPC_MALFORMED',
    `A buffer of column ${JSON.stringify(field.name)} has ${length} bytes, which are no whole number of its ${width}-byte values.`,
    { details: { column: field.name } },
  );
}
