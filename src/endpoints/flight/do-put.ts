import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { type FlightFrame, openFlightStream } from '../../arrow/flight-reader.ts';
import type { Ingestor, IngestRequest } from '../../core/ingest.ts';
import type { IngestObserver } from '../../core/observer.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import type { CallScope } from './call-scope.ts';
import { type PutTarget, readIdempotencyKey, readPutTarget } from './descriptor.ts';
import { createFrameSource, type FrameSource, type ReceivedFlightData } from './frame-source.ts';
import type { PutResultMessage } from './messages.ts';
import { createPutResults } from './put-results.ts';
import { trailer, UnimplementedError } from './status.ts';
import type { FlightData } from './wire.ts';

/** The call of a DoPut as the service definition types it. */
export type PutCall = ServerDuplexStream<ReceivedFlightData, PutResultMessage>;

/** What a DoPut needs of the server. */
export interface DoPutContext {
  readonly ingestor: Ingestor;
  readonly observer: IngestObserver;
  readonly idleTimeoutSeconds: number;
}

const IDEMPOTENCY_KEY_HEADER = 'idempotency-key';

/**
 * Runs one DoPut as one load: descriptor, frames, receipts. Resolves with the trailers of a committed load, the last
 * receipt queued. Throws every code of the ingest path, and UnimplementedError for Flight SQL commands.
 */
export async function doPut(call: PutCall, scope: CallScope, context: DoPutContext): Promise<Metadata> {
  const frames = createFrameSource(call, scope, context.idleTimeoutSeconds);
  const results = createPutResults(call, scope);
  const { first, target } = await readFirst(call, frames, scope, context);
  const request: IngestRequest = {
    ...target,
    transport: 'flight',
    requestId: scope.requestId,
    signal: scope.signal,
    open: (resources) => openFlightStream(readFrames(first, frames), resources),
    onPartialCommit: (receipt) => results.sendPartial(receipt),
  };
  const receipt = await context.ingestor.ingest(request);
  results.sendLast(receipt);
  const trailers = new Metadata();
  trailers.set(trailer.requestId, scope.requestId);
  return trailers;
}

async function readFirst(
  call: PutCall,
  frames: FrameSource,
  scope: CallScope,
  context: DoPutContext,
): Promise<{ first: FlightData; target: PutTarget }> {
  let stream: string | null = null;
  try {
    const first = await frames.next();
    if (first === undefined)
      throw new ArrowportError('OPTION_INVALID', 'The DoPut ended before its first message.');
    const target = readPutTarget(first.descriptor);
    stream = target.stream;
    const idempotencyKey = mergeKeys(target.idempotencyKey, call.metadata);
    return { first, target: { ...target, idempotencyKey } };
  } catch (thrown) {
    if (!(thrown instanceof UnimplementedError)) {
      const request = { requestId: scope.requestId, transport: 'flight', stream } as const;
      context.observer.requestFailed(request, toArrowportError(thrown));
    }
    throw thrown;
  }
}

function mergeKeys(fromDescriptor: string | null, metadata: Metadata): string | null {
  const keys = new Set(metadata.get(IDEMPOTENCY_KEY_HEADER).map((key) => readIdempotencyKey(key.toString())));
  if (fromDescriptor !== null) keys.add(fromDescriptor);
  if (keys.size > 1) {
    throw new ArrowportError('OPTION_INVALID', 'The call carries two different idempotency keys; send one.');
  }
  const [key] = keys;
  return key ?? null;
}

async function* readFrames(first: FlightData, source: FrameSource): AsyncGenerator<FlightFrame> {
  let data: FlightData | undefined = first;
  while (data !== undefined) {
    // Messages that carry application metadata only are allowed anywhere and say nothing of the rows.
    if (data.header.length > 0 || data.body.length > 0) {
      // The header outlives the body's copy in aligned memory; as a view it would keep the whole message with it.
      yield { header: new Uint8Array(data.header), body: data.body };
    }
    data = await source.next();
  }
}
