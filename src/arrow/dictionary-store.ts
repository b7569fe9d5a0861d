import type { ArrayData } from '../core/array-data.ts';
import type { DictionaryBatchMessage, IpcLimits } from '../core/ipc-message.ts';
import type { ArrowField, ArrowSchema } from '../core/schema.ts';
import { describeType } from '../core/schema.ts';
import { buildArrays } from './array-builder.ts';
import { unfoldBuffers } from './body-compression.ts';
import { longestValueBytes, rememberLongestValueBytes } from './expansion.ts';
import { createGrowingArray, type GrowingArray } from './growing-array.ts';
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
  /** There once a delta has come. */
  readonly growing: GrowingArray | null;
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
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.byteLength;
    const before = this.#stored.get(message.id);
    if (message.isDelta && before !== undefined) {
      this.#admit(bytes);
      this.#stored.set(message.id, extend(before, values, bytes));
    } else {
      this.#admit(bytes - (before?.bytes ?? 0));
      this.#stored.set(message.id, { values, bytes, growing: null });
    }
  }

  #admit(added: number): void {
    this.#bytes += added;
    const { maxMessageBytes } = this.#limits;
    if (this.#bytes <= maxMessageBytes) return;
    throw unfoldedTooLarge('What the dictionaries of the stream hold', this.#bytes, maxMessageBytes);
  }
}

function extend(before: StoredDictionary, added: ArrayData, addedBytes: number): StoredDictionary {
  const growing = before.growing ?? createGrowingArray(before.values);
  const values = growing.append(added);
  // Looking through the whole dictionary again for each delta would make many small ones costly.
  rememberLongestValueBytes(values, Math.max(longestValueBytes(before.values), longestValueBytes(added)));
  return { values, bytes: before.bytes + addedBytes, growing };
}
