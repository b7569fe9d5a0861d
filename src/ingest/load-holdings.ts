import { declaredBytes } from '../arrow/body-compression.ts';
import { unfoldedTooLarge } from '../arrow/ipc-error.ts';
import { admitRatio } from '../arrow/unfolding-budget.ts';
import type { DictionaryBatchMessage, IpcLimits, IpcMessage } from '../core/ipc-message.ts';
import type { LoadMemory } from './load-memory.ts';

/** What a load holds beside the bodies that it received, counted among the memory of all loads. */
export interface LoadHoldings {
  /**
   * Counts what a message unfolds to, before anyone unfolds it, and returns the message as a backend may own it: what
   * is counted ends with its release; of a dictionary with the load. Throws OVERLOADED, and DECOMPRESSED_TOO_LARGE and
   * IPC_MALFORMED for what should not be unfolded; the message is the caller's then.
   */
  cover(message: IpcMessage): Promise<IpcMessage> | IpcMessage;
  /** Ends all that is counted. */
  close(): void;
}

/** What the holdings of a load are counted against. */
export interface LoadHoldingsOptions {
  readonly memory: LoadMemory;
  readonly limits: IpcLimits;
  /** Bytes of the stream that came over the wire, where those of its messages are unfolded already. */
  readonly wireBytes: (() => number) | undefined;
}

/** Makes what counts for one load. */
export function createLoadHoldings(options: LoadHoldingsOptions): LoadHoldings {
  return new Holdings(options);
}

class Holdings implements LoadHoldings {
  readonly #options: LoadHoldingsOptions;
  readonly #dictionaries = new Map<bigint, (() => void)[]>();
  #input = 0;
  #output = 0;

  constructor(options: LoadHoldingsOptions) {
    this.#options = options;
  }

  cover(message: IpcMessage): Promise<IpcMessage> | IpcMessage {
    // What is read where it was received is counted already.
    if (message.kind === 'record-batch' && message.header.codec === null) return message;
    const bytes = declaredBytes(message);
    this.#admit(message, bytes);
    if (bytes === 0) return message;
    const taken = this.#options.memory.unfold(bytes);
    const use = (end: () => void) => this.#use(message, end);
    return typeof taken === 'function' ? use(taken) : taken.then(use);
  }

  close(): void {
    for (const end of [...this.#dictionaries.values()].flat()) end();
    this.#dictionaries.clear();
  }

  /** Both a body and the buffers in it may be compressed: only the whole says what its bytes unfold to. */
  #admit(message: IpcMessage, bytes: number): void {
    const { limits, wireBytes } = this.#options;
    if (message.header.codec === null) return;
    if (bytes > limits.maxMessageBytes) throw unfoldedTooLarge('A message', bytes, limits.maxMessageBytes);
    this.#input += message.bytes;
    this.#output += bytes;
    admitRatio('The stream', wireBytes?.() ?? this.#input, this.#output, limits);
  }

  #use(message: IpcMessage, end: () => void): IpcMessage {
    if (message.kind === 'record-batch') return releasedWith(message, end);
    this.#keep(message, end);
    return message;
  }

  #keep({ id, isDelta }: DictionaryBatchMessage, end: () => void): void {
    const before = this.#dictionaries.get(id) ?? [];
    this.#dictionaries.set(id, isDelta ? [...before, end] : [end]);
    if (!isDelta) for (const ended of before) ended();
  }
}

function releasedWith(message: IpcMessage, end: () => void): IpcMessage {
  let held = true;
  return {
    ...message,
    release() {
      if (!held) return;
      held = false;
      message.release();
      end();
    },
  };
}
