import { decodeBatch } from '../../arrow/decode-batch.ts';
import { createDictionaryStore, type DictionaryStore } from '../../arrow/dictionary-store.ts';
import type { ArrayData } from '../../core/array-data.ts';
import type { LoadRequest } from '../../core/backend.ts';
import type { IpcLimits, IpcMessage } from '../../core/ipc-message.ts';
import { ArrowportError } from '../../errors.ts';
import { refuseInexact } from './exact-values.ts';
import { refusePartValues } from './whole-values.ts';

/** Looks through the messages of one stream before their bytes go to the worker as they are. */
export interface MessageChecker {
  /**
   * Resolves when nothing in the message can lead a reader outside its buffers or unfolds to more than the limits
   * allow: the worker's reader ends the whole process on some of what is not so. The message stays the caller's.
   * The decoded columns of a record batch, views of the message where its buffers are not compressed, are what they
   * were looked through in; a dictionary has none. Throws IPC_MALFORMED, TYPE_UNSUPPORTED, DECOMPRESSED_TOO_LARGE.
   */
  check(message: IpcMessage): Promise<readonly ArrayData[]>;
}

/** Makes the checker of a load's stream into a table that is partitioned by those columns. Throws IPC_MALFORMED when two fields share a dictionary but not its type. */
export function createMessageChecker(
  request: LoadRequest,
  partitionBy: readonly string[],
  limits: IpcLimits,
): MessageChecker {
  return new StreamChecker(request, partitionBy, limits);
}

class StreamChecker implements MessageChecker {
  readonly #request: LoadRequest;
  readonly #partitionBy: readonly string[];
  readonly #limits: IpcLimits;
  readonly #dictionaries: DictionaryStore;

  constructor(request: LoadRequest, partitionBy: readonly string[], limits: IpcLimits) {
    this.#request = request;
    this.#partitionBy = partitionBy;
    this.#limits = limits;
    this.#dictionaries = createDictionaryStore(request.schema, limits);
  }

  async check(message: IpcMessage): Promise<readonly ArrayData[]> {
    refuseStrayBuffers(message);
    if (message.kind === 'dictionary-batch') {
      await this.#dictionaries.apply({ ...message, release: () => {} });
      const values = this.#dictionaries.find(message.id);
      if (values !== undefined) refusePartValues(message, [values.field]);
      return [];
    }
    const arrays = await decodeBatch(message, this.#request.schema.fields, this.#dictionaries, this.#limits);
    refusePartValues(message, this.#request.schema.fields);
    refuseInexact(arrays, this.#partitionBy);
    this.#request.onBatchDecoded?.(countBytes(arrays));
    return arrays;
  }
}

/** Arrow's own readers pass over where an empty buffer stands; the worker's ends over one behind the body. */
function refuseStrayBuffers({ header, body }: IpcMessage): void {
  if (header.buffers.every(({ offset, length }) => offset + length <= body.byteLength)) return;
  throw new ArrowportError('IPC_MALFORMED', 'A buffer of a batch stands outside the message body.');
}

function countBytes(arrays: readonly ArrayData[]): number {
  let bytes = 0;
  for (const { buffers, children } of arrays) {
    for (const buffer of buffers) bytes += buffer?.byteLength ?? 0;
    bytes += countBytes(children);
  }
  return bytes;
}
