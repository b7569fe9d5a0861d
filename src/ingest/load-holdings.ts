import { declaredBytes, requireHonestFrames } from '../arrow/body-compression.ts';
import { unfoldedTooLarge } from '../arrow/ipc-error.ts';
import { admitRatio } from '../arrow/unfolding-budget.ts';
import type { DictionaryBatchMessage, IpcLimits, IpcMessage } from '../core/ipc-message.ts';
import type { LoadMemory } from './load-memory.ts';

/** What a load holds beside the bodies that it received, counted among the memory of all loads. */
export interface LoadHoldings {
  /**
   * Counts what a message unfolds to, before anyone unfolds it, and returns the message as a backend may own it: what
   * is counted ends with its release; of a dictionary with the load; of what the worker has taken when the worker must
   * have got on, at the latest with {@link endPart}. Throws OVERLOADED; the message is the caller's then.
   */
  cover(message: IpcMessage): Promise<IpcMessage> | IpcMessage;
  /** The worker has given back what it held: the transaction is over. */
  endPart(): void;
  /** Ends all that is counted. */
  close(): void;
}

/** Where a load's messages go. */
export interface LoadHoldingsOptions {
  readonly memory: LoadMemory;
  readonly limits: IpcLimits;
  /** Most bytes that the worker keeps of one load; null where this process writes the rows. */
  readonly workerShareBytes: number | null;
  /** Bytes of the stream that came over the wire, where those of its messages are unfolded already. */
  readonly wireBytes: (() => number) | undefined;
}

/** Makes what counts for one load. */
export function createLoadHoldings(options: LoadHoldingsOptions): LoadHoldings {
  return new Holdings(options);
}

interface Share {
  readonly bytes: number;
  end(): void;
}

class Holdings implements LoadHoldings {
  readonly #options: LoadHoldingsOptions;
  readonly #dictionaries = new Map<bigint, (() => void)[]>();
  /** What the worker is taken to hold, oldest first. */
  #shares: Share[] = [];
  #shareBytes = 0;
  #input = 0;
  #output = 0;

  constructor(options: LoadHoldingsOptions) {
    this.#options = options;
  }

  cover(message: IpcMessage): Promise<IpcMessage> | IpcMessage {
    const { workerShareBytes, memory } = this.#options;
    const isWorkers = workerShareBytes !== null;
    // What DuckDB reads where it was received is counted already.
    if (message.kind === 'record-batch' && message.header.codec === null && !isWorkers) return message;
    const bytes = declaredBytes(message);
    this.#admit(message, bytes);
    if (bytes === 0) return message;
    if (isWorkers) requireHonestFrames(message);
    const taken = memory.unfold(bytes);
    const use = (end: () => void) => this.#use(message, bytes, end);
    return typeof taken === 'function' ? use(taken) : taken.then(use);
  }

  endPart(): void {
    for (const share of this.#shares) share.end();
    this.#shares = [];
    this.#shareBytes = 0;
  }

  close(): void {
    this.endPart();
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

  #use(message: IpcMessage, bytes: number, end: () => void): IpcMessage {
    if (this.#options.workerShareBytes !== null) return releasedWith(message, () => this.#share(bytes, end));
    if (message.kind === 'record-batch') return releasedWith(message, end);
    this.#keep(message, end);
    return message;
  }

  #keep({ id, isDelta }: DictionaryBatchMessage, end: () => void): void {
    const before = this.#dictionaries.get(id) ?? [];
    this.#dictionaries.set(id, isDelta ? [...before, end] : [end]);
    if (!isDelta) for (const ended of before) ended();
  }

  #share(bytes: number, end: () => void): void {
    this.#shares.push({ bytes, end });
    this.#shareBytes += bytes;
    const most = this.#options.workerShareBytes ?? 0;
    while (this.#shareBytes > most) {
      const oldest = this.#shares.shift();
      if (oldest === undefined) return;
      this.#shareBytes -= oldest.bytes;
      oldest.end();
    }
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
