import type { IpcMessage } from '../core/ipc-message.ts';
import type { ArrowSchema } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import type { MessageReader } from './message-sequence.ts';

/**
 * The messages of a file with its dictionaries before the batches that need them. The file format lets dictionaries
 * stand anywhere, and Polars writes them last; batches that come before theirs are held until all are read, as long
 * as their bodies together have no more than `maxHeldBytes`. Throws BODY_TOO_LARGE beyond that.
 */
export function withDictionariesFirst(
  reader: MessageReader,
  schema: ArrowSchema,
  maxHeldBytes: number,
): MessageReader {
  const ids = new Set(schema.fields.flatMap((field) => dictionaryIds(field)));
  return ids.size === 0 ? reader : new DictionariesFirst(reader, ids, maxHeldBytes);
}

function dictionaryIds(field: ArrowSchema['fields'][number]): bigint[] {
  const ids = field.children.flatMap(dictionaryIds);
  return field.dictionary === null ? ids : [field.dictionary.id, ...ids];
}

class DictionariesFirst implements MessageReader {
  readonly #reader: MessageReader;
  readonly #missing: Set<bigint>;
  readonly #maxHeldBytes: number;
  #held: IpcMessage[] = [];
  #heldBytes = 0;
  #ended = false;

  constructor(reader: MessageReader, missing: Set<bigint>, maxHeldBytes: number) {
    this.#reader = reader;
    this.#missing = missing;
    this.#maxHeldBytes = maxHeldBytes;
  }

  async next(): Promise<IpcMessage | null> {
    while (!this.#ended) {
      const message = await this.#reader.next();
      if (message === null) this.#ended = true;
      else if (message.kind === 'dictionary-batch') {
        this.#missing.delete(message.id);
        return message;
      } else if (this.#missing.size === 0 && this.#held.length === 0) return message;
      else this.#hold(message);
    }
    return this.#held.shift() ?? null;
  }

  #hold(message: IpcMessage): void {
    this.#held.push(message);
    this.#heldBytes += message.bytes;
    if (this.#heldBytes <= this.#maxHeldBytes) return;
    throw new ArrowportError(
      'BODY_TOO_LARGE',
      `The file has its dictionaries behind more than limits.max_message_bytes (${this.#maxHeldBytes}) of batches; write it in the stream format.`,
      { details: { limit: 'limits.max_message_bytes' } },
    );
  }

  async close(): Promise<void> {
    this.#ended = true;
    for (const message of this.#held) message.release();
    this.#held = [];
    await this.#reader.close();
  }
}
