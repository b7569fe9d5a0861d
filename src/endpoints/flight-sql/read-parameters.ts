import { decodeBatch } from '../../arrow/decode-batch.ts';
import { createDictionaryStore } from '../../arrow/dictionary-store.ts';
import { type FlightFrame, openFlightStream } from '../../arrow/flight-reader.ts';
import type { BodyAllocator, IpcMessage } from '../../core/ipc-message.ts';
import { type ArrowBatch, NO_PARAMETERS, type QueryParameters } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import type { IncomingStream } from '../flight/producer.ts';

/** Bytes of parameters that one binding may have. */
const MAX_PARAMETER_BYTES = 256 * 1024 * 1024;

/**
 * Reads the parameters that a client binds: each row of the stream is one binding. A stream without columns has none.
 * Throws the codes of reading a stream, and BODY_TOO_LARGE.
 */
export async function readParameters(incoming: IncomingStream): Promise<QueryParameters> {
  const { limits } = incoming;
  const allocator = createBoundedMemory();
  const frames = await findFrames(incoming.readFrames(allocator));
  if (frames === null) return NO_PARAMETERS;
  const stream = await openFlightStream(frames, { allocator, limits });
  const dictionaries = createDictionaryStore(stream.schema, limits);
  const batches: ArrowBatch[] = [];
  for await (const message of stream.messages) {
    const batch = await readBatch(message);
    if (batch !== null) batches.push(batch);
  }
  if (stream.schema.fields.length === 0) return NO_PARAMETERS;
  return { kind: 'arrow', schema: stream.schema, batches };

  async function readBatch(message: IpcMessage): Promise<ArrowBatch | null> {
    if (message.kind === 'dictionary-batch') {
      await dictionaries.apply(message);
      return null;
    }
    const columns = await decodeBatch(message, stream.schema.fields, dictionaries, limits);
    return { columns, rows: message.header.length };
  }
}

/** The same frames; null where there are none. */
async function findFrames(frames: AsyncIterable<FlightFrame>): Promise<AsyncIterable<FlightFrame> | null> {
  const iterator = frames[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return null;
  return (async function* () {
    try {
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  })();
}

/** Parameters stay until their statement has run: their memory is never given back to be used again. */
function createBoundedMemory(): BodyAllocator {
  let total = 0;
  return {
    allocate(length) {
      total += length;
      if (total > MAX_PARAMETER_BYTES) {
        throw new ArrowportError(
          'BODY_TOO_LARGE',
          `The parameters have more than ${MAX_PARAMETER_BYTES / 1024 / 1024} MiB; bind them in several calls, or load them as a table.`,
        );
      }
      const bytes = new Uint8Array(length + 64);
      return { bytes, release: () => undefined };
    },
  };
}
