import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { openFlightStream } from '../../arrow/flight-reader.ts';
import { requireScope, requireStream, type Scope } from '../../core/auth.ts';
import type { Ingestor, IngestRequest } from '../../core/ingest.ts';
import type { IngestObserver } from '../../core/observer.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { type CallScope, describeCall } from './call-scope.ts';
import { decodeDescriptor, type PutTarget, readIdempotencyKey, readPutTarget } from './descriptor.ts';
import type { OpenFlightCall } from './flight-call.ts';
import { createFrameSource, type FrameLimits, type FrameSource } from './frame-source.ts';
import { openIncoming, readFrames } from './incoming.ts';
import type { PutResultMessage } from './messages.ts';
import type { FlightProducer, PutHandler } from './producer.ts';
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

/** The same with whoever takes DoPuts that are no loads of a stream. */
export interface PutCallContext extends DoPutContext {
  readonly producer: FlightProducer;
  readonly flightCall: OpenFlightCall;
}

const IDEMPOTENCY_KEY_HEADER = 'idempotency-key';
const NO_BYTES = new Uint8Array(0);

/**
 * Runs one DoPut as one load: descriptor, frames, receipts. Resolves with the trailers of a committed load, the last
 * receipt queued. Throws every code of the ingest path, and UnimplementedError for Flight SQL commands.
 */
export async function doPut(call: PutCall, scope: CallScope, context: PutCallContext): Promise<Metadata> {
  const frames = createFrameSource(call.metadata, scope, context.limits);
  try {
    const { first, handler } = await observed(context, scope, () => readStart(frames, context));
    if (handler === undefined) {
      await runPut(call, frames, first, scope, context);
    } else {
      const { flightCall, limits } = context;
      const incoming = openIncoming(first?.header ?? NO_BYTES, frames, limits);
      const run = () => handler.run(incoming, flightCall);
      const appMetadata = await (handler.isLoad ? run() : observed(context, scope, run));
      flightCall.sendHeaders();
      if (appMetadata !== null && !scope.signal.aborted) call.write({ appMetadata });
    }
    const trailers = new Metadata();
    trailers.set(trailer.requestId, scope.requestId);
    return trailers;
  } finally {
    frames.close();
  }
}

type FirstMessage = Awaited<ReturnType<FrameSource['first']>>;

/** Reads the first message, and finds whoever takes the DoPut when it is no load of a stream. */
async function readStart(
  frames: FrameSource,
  { producer }: PutCallContext,
): Promise<{ first: FirstMessage; handler: PutHandler | undefined }> {
  const first = await frames.first();
  if (!first?.descriptor || producer.findPut === undefined) return { first, handler: undefined };
  return { first, handler: producer.findPut(decodeDescriptor(first.descriptor)) };
}

/** Runs something and tells the observer of its error. */
async function observed<T>(context: PutCallContext, scope: CallScope, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (!(thrown instanceof UnimplementedError)) {
      context.observer.requestFailed(describeCall(scope), toArrowportError(thrown));
    }
    throw thrown;
  }
}

async function runPut(
  call: PutCall,
  frames: FrameSource,
  received: FirstMessage,
  scope: CallScope,
  context: PutCallContext,
): Promise<void> {
  const results = createPutResults(call, scope);
  const { first, target } = readFirst(call, received, scope, context);
  const request: IngestRequest = {
    ...target,
    transport: 'flight',
    requestId: scope.requestId,
    caller: scope.caller,
    signal: scope.signal,
    end: (error) => scope.abort(error),
    open: (resources) => openFlightStream(readFrames(first.header, frames, resources.allocator), resources),
    ...(frames.wireBytes === undefined ? {} : { wireBytes: frames.wireBytes }),
    onPartialCommit: (receipt) => results.sendPartial(receipt),
  };
  results.sendLast(await context.ingestor.ingest(request));
}

function readFirst(
  call: PutCall,
  first: FirstMessage,
  scope: CallScope,
  context: DoPutContext,
): { first: { readonly header: Uint8Array }; target: PutTarget } {
  let stream: string | null = null;
  try {
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
      context.observer.requestFailed(describeCall(scope, stream), toArrowportError(thrown));
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
