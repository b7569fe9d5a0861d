import type { IpcMessage } from '../core/ipc-message.ts';

/** Where messages come from; `next` resolves with null at the end. */
export interface MessageReader {
  next(): Promise<IpcMessage | null>;
  close(): Promise<void>;
}

/**
 * The messages of a reader as an iterable that can be iterated once. The reader is closed when it ends, throws, or
 * when the consumer stops early (also before the first message). Calls of `next` may not overlap.
 */
export function iterateMessages(reader: MessageReader): AsyncIterable<IpcMessage> {
  let finished = false;
  const finish = async (): Promise<IteratorResult<IpcMessage>> => {
    if (!finished) {
      finished = true;
      await reader.close();
    }
    return { done: true, value: undefined };
  };
  const iterator: AsyncIterableIterator<IpcMessage> = {
    async next() {
      if (finished) return finish();
      let message: IpcMessage | null;
      try {
        message = await reader.next();
      } catch (error) {
        await finish();
        throw error;
      }
      return message === null ? finish() : { done: false, value: message };
    },
    return: finish,
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
