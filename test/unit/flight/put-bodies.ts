import { Readable } from 'node:stream';
import type { BodyAllocator, BodyLease } from '../../../src/core/ipc-message.ts';
import { CallUnfolding } from '../../../src/endpoints/flight/call-unfolding.ts';
import { type ReceivedFlightData, readFlightData } from '../../../src/endpoints/flight/flight-data-reader.ts';
import { readGrpcMessage } from '../../../src/endpoints/flight/grpc-message.ts';
import { createRequestBody, type RequestBody } from '../../../src/endpoints/flight/request-body.ts';

/** Memory for bodies that counts what is held, and tells of each request for it. */
export interface CountingAllocator extends BodyAllocator {
  readonly held: number;
  readonly requests: readonly number[];
  allocate(length: number): Promise<BodyLease>;
}

/** Makes an allocator; with `waits` it hands out memory a turn of the event loop later. */
export function createCountingAllocator(waits = false): CountingAllocator {
  const requests: number[] = [];
  let held = 0;
  return {
    get held() {
      return held;
    },
    requests,
    async allocate(length) {
      requests.push(length);
      if (waits) await new Promise(setImmediate);
      held++;
      const release = () => {
        held--;
      };
      return { bytes: new Uint8Array(length + 3), release };
    },
  };
}

/** A request body that comes in these chunks and then ends. */
export function bodyOf(chunks: Iterable<Uint8Array>): RequestBody {
  const stream = Readable.from(chunks, { objectMode: false });
  stream.pause();
  return createRequestBody(stream, {
    idleMs: 60_000,
    onIdle: () => undefined,
    confirmEnd: async () => undefined,
  });
}

/** Cuts bytes into chunks, their lengths taken from `steps` in turn. */
export function cut(bytes: Buffer, steps: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let position = 0, turn = 0; position < bytes.length; turn++) {
    const chunk = bytes.subarray(position, position + (steps[turn % steps.length] ?? bytes.length));
    chunks.push(chunk);
    position += chunk.length;
  }
  return chunks;
}

/** How the messages of a body are read. */
export interface ReadOptions {
  readonly allocator: BodyAllocator | null;
  readonly maxMessageBytes?: number;
  readonly encoding?: string;
}

/** Reads the next message of a body, its descriptor too; undefined at the end. */
export function readNext(body: RequestBody, options: ReadOptions): Promise<ReceivedFlightData | undefined> {
  const { allocator, maxMessageBytes = 1_000_000, encoding = 'identity' } = options;
  const unfolding = new CallUnfolding({ maxMessageBytes, maxDecompressedRatio: 200 });
  return readGrpcMessage(body, { encoding, maxMessageBytes, unfolding }, (message) =>
    readFlightData(message, { wantsDescriptor: true, allocator, maxMessageBytes }),
  );
}
