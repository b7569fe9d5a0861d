import type { ArrayData } from '../core/array-data.ts';
import type { DictionaryBatchMessage, IpcLimits } from '../core/ipc-message.ts';
import type { ArrowField, ArrowSchema } from '../core/schema.ts';
import { describeType } from '../core/schema.ts';
import { buildArrays } from './array-builder.ts';
import { unfoldBuffers } from './body-compression.ts';
import { concatenateArrays } from './concatenate-arrays.ts';
import { malformed, unfoldedTooLarge } from './ipc-error.ts';
import { unionsHaveValidity } from './metadata.ts';
import { UnfoldingBudget } from './unfolding-budget.ts';

/** The dictionaries of one stream as they stand between its record batches. */
export interface DictionaryStore {
  /** What the stream's compressed buffers have unfolded to so far. */
  readonly budget: UnfoldingBudget;
  /**
   * Takes a dictionary batch: a new dictionary, one that replaces another, or a delta to one. The message is released
   * when this settles; the store keeps its own copy, and arrays handed out before stay as they were.
   * Throws IPC_MALFORMED, TYPE_UNSUPPORTED, DECOMPRESSED_TOO_LARGE.
   */
  apply(message: DictionaryBatchMessage): Promise<void>;
  /** The values of a dictionary; undefined when none has come yet. */
  find(id: bigint): ArrayData | undefined;
  /** Lets go of all dictionaries. */
  close(): void;
}

/**
 * Makes the store for a stream of this schema. All dictionaries of a stream together may have `limits.maxMessageBytes`.
 * Throws IPC_MALFORMED when two fields share a dictionary but not its type.
 */
export function createDictionaryStore(schema: ArrowSchema, limits: IpcLimits): DictionaryStore {
  return new StreamDictionaries(collectValueFields(schema), limits);
}

function collectValueFields(schema: ArrowSchema): ReadonlyMap<bigint, ArrowField> {
  const fields = new Map<bigint, ArrowField>();
  const visit = (field: ArrowField): void => {
    if (field.dictionary !== null) {
      const values: ArrowField = { ...field, dictionary: null };
      const known = fields.get(field.dictionary.id);
      if (known === undefined) fields.set(field.dictionary.id, values);
      else if (describeType(known) !== describeType(values)) {
        throw malformed(
          `it shares dictionary ${field.dictionary.id} with a field of another type.`,
          field.name,
        );
      }
    }
    field.children.forEach(visit);
  };
  schema.fields.forEach(visit);
  return fields;
}

interface StoredDictionary {
  readonly values: ArrayData;
  readonly bytes: number;
}

class StreamDictionaries implements DictionaryStore {
  readonly budget = new UnfoldingBudget();
  readonly #fields: ReadonlyMap<bigint, ArrowField>;
  readonly #limits: IpcLimits;
  readonly #stored = new Map<bigint, StoredDictionary>();
  #bytes = 0;

  constructor(fields: ReadonlyMap<bigint, ArrowField>, limits: IpcLimits) {
    this.#fields = fields;
    this.#limits = limits;
  }

  find(id: bigint): ArrayData | undefined {
    return this.#stored.get(id)?.values;
  }

  close(): void {
    this.#stored.clear();
    this.#bytes = 0;
  }

  async apply(message: DictionaryBatchMessage): Promise<void> {
    try {
      await this.#take(message);
    } finally {
      message.release();
    }
  }

  async #take(message: DictionaryBatchMessage): Promise<void> {
    const field = this.#fields.get(message.id);
    if (field === undefined)
      throw malformed(`No column has the dictionary ${message.id} that the stream sends.`);
    const buffers = await unfoldBuffers(message, this.budget, this.#limits, 'copy');
    const [values] = buildArrays(
      {
        header: message.header,
        buffers,
        unionValidity: unionsHaveValidity(message.metadata),
        messageBytes: message.bytes,
        limits: this.#limits,
        findDictionary: (id) => this.find(id),
      },
      [field],
    );
    if (values === undefined) throw malformed('A dictionary batch has no values.', field.name);
    const before = this.#stored.get(message.id);
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.byteLength;
    if (message.isDelta && before !== undefined) bytes += before.bytes;
    const total = this.#bytes - (before?.bytes ?? 0) + bytes;
    if (total > this.#limits.maxMessageBytes) {
      throw unfoldedTooLarge('What the dictionaries of the stream hold', total, this.#limits.maxMessageBytes);
    }
    this.#bytes = total;
    const isAddition = message.isDelta && before !== undefined;
    this.#stored.set(message.id, {
      values: isAddition ? concatenateArrays(before.values, values) : values,
      bytes,
    });
  }
}
