import type { ServerHttp2Stream } from 'node:http2';
import { createDataWriter, type DataWriterOptions } from './data-writer.ts';
import type { FlightStream } from './producer.ts';

/**
 * Sends a stream as FlightData messages, as fast as the client reads; the call's headers must have been sent. Ends the
 * stream's batches early when the client is gone. Throws what ended the call, and what the batches throw.
 */
export async function sendFlightStream(
  { schema, batches }: FlightStream,
  stream: ServerHttp2Stream,
  options: DataWriterOptions,
): Promise<void> {
  const writer = createDataWriter(stream, options);
  await writer.writeSchema(schema);
  for await (const batch of batches) await writer.writeBatch(batch);
  if (options.signal.aborted) throw options.signal.reason;
}
