import type { ArrayData } from '../core/array-data.ts';
import type { IpcLimits, RecordBatchMessage } from '../core/ipc-message.ts';
import type { ArrowField } from '../core/schema.ts';
import { buildArrays } from './array-builder.ts';
import { unfoldBuffers } from './body-compression.ts';
import type { DictionaryStore } from './dictionary-store.ts';
import { unionsHaveValidity } from './metadata.ts';

/**
 * Decodes a record batch to one checked array for each field: nothing in them leads a reader outside its buffers.
 * Uncompressed arrays are views of the message's body, so the message may only be released when they are no longer
 * read. `dictionaries` is the stream's store; it must have been given the dictionary batches before this one, and it
 * counts what the stream unfolds to.
 * Throws IPC_MALFORMED, TYPE_UNSUPPORTED, DECOMPRESSED_TOO_LARGE.
 */
export async function decodeBatch(
  message: RecordBatchMessage,
  fields: readonly ArrowField[],
  dictionaries: DictionaryStore,
  limits: IpcLimits,
): Promise<ArrayData[]> {
  const buffers = await unfoldBuffers(message, dictionaries.budget, limits, 'share');
  return buildArrays(
    {
      header: message.header,
      buffers,
      unionValidity: unionsHaveValidity(message.metadata),
      messageBytes: message.bytes,
      limits,
      findDictionary: (id) => dictionaries.find(id),
    },
    fields,
  );
}
