/**
 * A Flight client that sends the messages of an Arrow IPC stream as they are, compressed buffers and all, which no other
 * one can: resend-flight.ts PORT STREAM FILE WARM_UPS. The messages are made before the clock starts; it runs from the
 * first write to the receipt. Prints {"seconds", "rows"}.
 */
import { readFile } from 'node:fs/promises';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { openIpcBody } from '../../src/arrow/ipc-reader.ts';
import { codecs, descriptorType, type PutResultMessage } from '../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../src/endpoints/flight/wire.ts';

const path = '/arrow.flight.protocol.FlightService/DoPut';
const limits = { maxMessageBytes: 2 ** 30, maxDecompressedRatio: 1000 };
const allocator = {
  allocate: (length: number) => ({ bytes: new Uint8Array(length + 64), release: () => {} }),
};

/** Every message behind the first, which names the stream of the server. */
async function readMessages(file: string): Promise<{ schema: Uint8Array; batches: readonly Buffer[] }> {
  async function* chunks() {
    yield await readFile(file);
  }
  const stream = await openIpcBody(chunks(), 'stream', { allocator, limits });
  const batches: Buffer[] = [];
  for await (const { metadata, body } of stream.messages) {
    batches.push(encodeFlightData({ header: metadata, body }));
  }
  return { schema: stream.schemaMetadata, batches };
}

/** Resolves with the rows of the receipt. */
function put(client: Client, first: Buffer, batches: readonly Buffer[]): Promise<number> {
  return new Promise((resolve, reject) => {
    let rows = 0;
    const call = client.makeBidiStreamRequest<Buffer, PutResultMessage>(
      path,
      (message) => message,
      (bytes) => codecs.putResult.decode(bytes),
      new Metadata(),
    );
    call.on('data', ({ appMetadata }: PutResultMessage) => {
      rows = JSON.parse(Buffer.from(appMetadata).toString('utf8')).rows_processed;
    });
    call.once('error', reject);
    call.once('end', () => resolve(rows));
    const send = async () => {
      for (const message of [first, ...batches]) {
        if (!call.write(message)) await new Promise((drained) => call.once('drain', drained));
      }
      call.end();
    };
    send().catch(reject);
  });
}

const [port, stream = '', file = '', warmUps] = process.argv.slice(2);
const { schema, batches } = await readMessages(file);
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
  'grpc.max_send_message_length': -1,
});
const firstFor = (name: string) =>
  encodeFlightData({
    descriptor: codecs.flightDescriptor.encode({
      type: descriptorType.PATH,
      cmd: new Uint8Array(0),
      path: [name],
    }),
    header: schema,
  });
for (let load = 0; load < Number(warmUps); load += 1) await put(client, firstFor('warm_up'), batches);
const started = performance.now();
const rows = await put(client, firstFor(stream), batches);
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, rows })}\n`);
client.close();
