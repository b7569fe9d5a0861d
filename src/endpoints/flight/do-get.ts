import type { ServerHttp2Stream } from 'node:http2';
import { type ArrowportError, toArrowportError } from '../../errors.ts';
import { createDataWriter, type DataWriterOptions } from './data-writer.ts';
import type { FlightBatch, FlightStream } from './producer.ts';

/** What sending a stream needs of its call. */
export interface SendOptions extends DataWriterOptions {
  /** Ends the call, so that a batch that is being made is given up. */
  abort(error: ArrowportError): void;
}

/**
 * Sends a stream as FlightData messages, as fast as the client reads; the call's headers must have been sent. While one
 * batch is written the next is made. Ends the stream's batches early when the client is gone. Throws what ended the
 * call, and what the batches throw.
 */
export async function sendFlightStream(
  { schema, batches }: FlightStream,
  stream: ServerHttp2Stream,
  options: SendOptions,
): Promise<void> {
  const writer = createDataWriter(stream, options);
  const iterator = batches[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<FlightBatch>> | null = null;
  try {
    await writer.writeSchema(schema);
    let current = await iterator.next();
    while (current.done !== true) {
      next = iterator.next();
      // Its error is the next batch's; it is not lost when writing this one fails first.
      next.catch(() => undefined);
      await writer.writeBatch(current.value);
      current.value.release?.();
      current = await next;
    }
    if (options.signal.aborted) throw options.signal.reason;
  } catch (thrown) {
    options.abort(toArrowportError(thrown));
    await next?.catch(() => undefined);
    throw thrown;
  } finally {
    await iterator.return?.();
  }
}
