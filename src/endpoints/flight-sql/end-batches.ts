import type { FlightBatch } from '../flight/producer.ts';

/**
 * The same batches, to be iterated once. `onEnd` is called once: when they have ended or failed, and when they are left,
 * also before the first was asked for, which the `finally` of a generator does not hear of.
 */
export function endBatches(
  batches: AsyncIterable<FlightBatch>,
  onEnd: () => Promise<void> | void,
): AsyncIterable<FlightBatch> {
  const iterator = batches[Symbol.asyncIterator]();
  let ended: Promise<void> | null = null;
  const end = () => {
    ended ??= Promise.resolve(onEnd());
    return ended;
  };
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        try {
          const result = await iterator.next();
          if (result.done === true) await end();
          return result;
        } catch (error) {
          await end();
          throw error;
        }
      },
      async return() {
        try {
          await iterator.return?.();
        } finally {
          await end();
        }
        return { value: undefined, done: true };
      },
    }),
  };
}
