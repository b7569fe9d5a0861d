import { fixedByteWidth, offsetByteWidth } from '../../arrow/array-layout.ts';
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
    for (const width of bufferWidths(field, () => variadicCounts.next().value ?? 0)) {
      const length = lengths[next] ?? 0;
      next += 1;
      if (length % width !== 0) throw refusal(field, length, width);
    }
    if (field.dictionary === null) for (const child of field.children) visit(child);
  };
  for (const field of fields) visit(field);
}

/** Bytes of the values in each buffer of an array, children left out; 1 where they are bits or bytes. Delta takes no unions. */
function bufferWidths(field: ArrowField, nextVariadicCount: () => number): readonly number[] {
  const { type, dictionary } = field;
  if (dictionary !== null) return [1, dictionary.indexBitWidth / 8];
  const offsets = offsetByteWidth(type) ?? 4;
  switch (type.kind) {
    case 'null':
    case 'run-end-encoded':
      return [];
    case 'struct':
    case 'fixed-size-list':
      return [1];
    case 'bool':
    case 'fixed-size-binary':
      return [1, 1];
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
      return [1, offsets, 1];
    case 'utf8-view':
    case 'binary-view':
      return [1, VIEW_BYTES, ...new Array<number>(nextVariadicCount()).fill(1)];
    case 'list':
    case 'large-list':
    case 'map':
      return [1, offsets];
    case 'list-view':
    case 'large-list-view':
      return [1, offsets, offsets];
    default:
      return [1, fixedByteWidth(type) ?? 1];
  }
}

const VIEW_BYTES = 16;

function refusal(field: ArrowField, length: number, width: number): ArrowportError {
  return new ArrowportError(
    'IPC_MALFORMED',
    `A buffer of column ${JSON.stringify(field.name)} has ${length} bytes, which are no whole number of its ${width}-byte values.`,
    { details: { column: field.name } },
  );
}
