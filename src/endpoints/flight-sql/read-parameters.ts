import { declaredBytes } from '../../arrow/body-compression.ts';
import { decodeBatch } from '../../arrow/decode-batch.ts';
import { createDictionaryStore } from '../../arrow/dictionary-store.ts';
import { type FlightFrame, openFlightStream } from '../../arrow/flight-reader.ts';
import type { BodyAllocator, IpcMessage } from '../../core/ipc-message.ts';
import { type ArrowBatch, NO_PARAMETERS, type QueryParameters } from '../../core/query.ts';
import type { IncomingStream } from '../flight/producer.ts';
import type { ParameterLease, ParameterMemory } from './parameter-memory.ts';

/** Parameters that were received, and the memory that they take. */
export interface HeldParameters {
  readonly parameters: QueryParameters;
  /** Whoever has read them leaves it. */
  readonly lease: ParameterLease;
}

/**
 * Reads the parameters that a client binds: each row of the stream is one binding. A stream without columns has none.
 * Throws the codes of reading a stream, BODY_TOO_LARGE and OVERLOADED; nothing is held then.
 */
export async function readParameters(
  incoming: IncomingStream,
  memory: ParameterMemory,
): Promise<HeldParameters> {
  const lease = memory.open();
  try {
    return { parameters: await readStream(incoming, lease), lease };
  } catch (error) {
    lease.leave();
    throw error;
  }
}

async function readStream(incoming: IncomingStream, lease: ParameterLease): Promise<QueryParameters> {
  const { limits } = incoming;
  const allocator = createCountedMemory(lease);
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
    if (message.header.codec !== null) lease.take(declaredBytes(message));
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
function createCountedMemory(lease: ParameterLease): BodyAllocator {
  return {
    allocate(length) {
      lease.take(length);
      const bytes = new Uint8Array(length + 64);
      return { bytes, release: () => undefined };
    },
  };
}
