import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { type FlightFrame, openFlightStream } from '../../arrow/flight-reader.ts';
import { requireScope, requireStream, type Scope } from '../../core/auth.ts';
import type { Ingestor, IngestRequest } from '../../core/ingest.ts';
import type { BodyAllocator } from '../../core/ipc-message.ts';
import type { IngestObserver } from '../../core/observer.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import type { CallScope } from './call-scope.ts';
import { type PutTarget, readIdempotencyKey, readPutTarget } from './descriptor.ts';
import { createFrameSource, type FrameLimits, type FrameSource } from './frame-source.ts';
import type { PutResultMessage } from './messages.ts';
import { createPutResults } from './put-results.ts';
import { trailer, UnimplementedError } from './status.ts';

/** The call of a DoPut; its messages are read past the gRPC library, so it never has any. */
export type PutCall = ServerDuplexStream<never, PutResultMessage>;

/** What a DoPut needs of the server. */
export interface DoPutContext {
  readonly ingestor: Ingestor;
  readonly observer: IngestObserver;
  readonly limits: FrameLimits;
}

const IDEMPOTENCY_KEY_HEADER = 'idempotency-key';
const NO_BYTES = new Uint8Array(0);

/**
 * Runs one DoPut as one load: descriptor, frames, receipts. Resolves with the trailers of a committed load, the last
 * receipt queued. Throws every code of the ingest path, and UnimplementedError for Flight SQL commands.
 */
export async function doPut(call: PutCall, scope: CallScope, context: DoPutContext): Promise<Metadata> {
  const frames = createFrameSource(call.metadata, scope, context.limits);
  try {
    await runPut(call, frames, scope, context);
    const trailers = new Metadata();
    trailers.set(trailer.requestId, scope.requestId);
    return trailers;
  } finally {
    frames.close();
  }
}

async function runPut(
  call: PutCall,
  frames: FrameSource,
  scope: CallScope,
  context: DoPutContext,
): Promise<void> {
  const results = createPutResults(call, scope);
  const { first, target } = await readFirst(call, frames, scope, context);
  const request: IngestRequest = {
    ...target,
    transport: 'flight',
    requestId: scope.requestId,
    caller: scope.caller,
    signal: scope.signal,
    open: (resources) => openFlightStream(readFrames(first.header, frames, resources.allocator), resources),
    onPartialCommit: (receipt) => results.sendPartial(receipt),
  };
  results.sendLast(await context.ingestor.ingest(request));
}

async function readFirst(
  call: PutCall,
  frames: FrameSource,
  scope: CallScope,
  context: DoPutContext,
): Promise<{ first: { readonly header: Uint8Array }; target: PutTarget }> {
  let stream: string | null = null;
  try {
    const first = await frames.first();
    if (first === undefined)
      throw new ArrowportError('OPTION_INVALID', 'The DoPut ended before its first message.');
    const target = readPutTarget(first.descriptor);
    stream = target.stream;
    requireScope(scope.caller, ...scopesOf(target));
    requireStream(scope.caller, stream);
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

/** A merge is both a load and a change of what is there: either scope is enough, as over HTTP. */
function scopesOf({ mode }: PutTarget): readonly Scope[] {
  return mode === 'merge' ? ['ingest', 'admin'] : ['ingest'];
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

async function* readFrames(
  firstHeader: Uint8Array,
  source: FrameSource,
  allocator: BodyAllocator,
): AsyncGenerator<FlightFrame> {
  let frame: FlightFrame | undefined = { header: firstHeader, body: NO_BYTES };
  while (frame !== undefined) {
    // Messages that carry application metadata only are allowed anywhere and say nothing of the rows.
    if (frame.header.byteLength > 0) yield frame;
    frame = await source.next(allocator);
  }
}
