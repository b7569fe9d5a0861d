import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import type { Metadata } from '@grpc/grpc-js';
import type { FlightFrame } from '../../arrow/flight-reader.ts';
import type { BodyAllocator } from '../../core/ipc-message.ts';
import { ArrowportError } from '../../errors.ts';
import type { CallScope } from './call-scope.ts';
import { CallUnfolding } from './call-unfolding.ts';
import { type FlightDataOptions, type ReceivedFlightData, readFlightData } from './flight-data-reader.ts';
import { readGrpcMessage } from './grpc-message.ts';
import { createRequestBody } from './request-body.ts';

/** How gRPC clients on Node's HTTP/2 name themselves. */
const NODE_USER_AGENT = 'grpc-node';
/** How long such a client's cancellation may come after the end it sends with it. */
const NODE_CANCEL_MS = 5;

/** The limits of one DoPut. */
export interface FrameLimits {
  readonly maxMessageBytes: number;
  readonly maxDecompressedRatio: number;
  readonly idleTimeoutSeconds: number;
}

/**
 * Pulls the messages of a DoPut one by one; calls may not overlap. Each throws what is wrong with the message
 * (IPC_MALFORMED, IPC_TRUNCATED, BODY_TOO_LARGE, DECOMPRESSED_TOO_LARGE, CODEC_UNSUPPORTED) and what ended the call (CANCELLED,
 * DEADLINE_EXCEEDED, SHUTTING_DOWN): a cut stream never looks like an ended one.
 */
export interface FrameSource {
  /** The first message, its descriptor undecoded; a body in it is passed over. Undefined after the client's end. */
  first(): Promise<Pick<ReceivedFlightData, 'descriptor' | 'header'> | undefined>;
  /** The next message, its body in memory of `allocator`. Undefined after the client's proper end of stream. */
  next(allocator: BodyAllocator): Promise<FlightFrame | undefined>;
  /** Bytes of the messages so far as they were sent, where gRPC compresses them; else undefined. */
  readonly wireBytes: (() => number) | undefined;
  /** Ends a read that is under way; what still comes is discarded. */
  close(): void;
}

/** Takes the request of a call over from the gRPC library; once per call. */
export function createFrameSource(metadata: Metadata, scope: CallScope, limits: FrameLimits): FrameSource {
  const { signal, transport } = scope;
  const { maxMessageBytes, idleTimeoutSeconds } = limits;
  const unfolding = new CallUnfolding(limits);
  const { stream, encoding } = transport.takeRequest();
  const body = createRequestBody(stream, {
    idleMs: idleTimeoutSeconds * 1000,
    onIdle: () => scope.abort(idleError(idleTimeoutSeconds)),
    confirmEnd: () => confirmEnd(metadata),
  });
  if (signal.aborted) body.fail(signal.reason);
  else signal.addEventListener('abort', () => body.fail(signal.reason), { once: true });

  const read = (options: Pick<FlightDataOptions, 'wantsDescriptor' | 'allocator'>) =>
    readGrpcMessage(body, { encoding, maxMessageBytes, unfolding }, (message) =>
      readFlightData(message, { ...options, maxMessageBytes }),
    );
  return {
    first: () => read({ wantsDescriptor: true, allocator: null }),
    next: (allocator) => read({ wantsDescriptor: false, allocator }),
    wireBytes: encoding === 'identity' ? undefined : () => unfolding.wireBytes,
    close: () => body.fail(new ArrowportError('CANCELLED', 'The DoPut is over.')),
  };
}

/**
 * Waits until a cancellation would be known: a cut stream ends a moment before the news of it, and Node's HTTP/2 client
 * ends a stream properly before it cancels it.
 */
async function confirmEnd(metadata: Metadata): Promise<void> {
  const [userAgent] = metadata.get('user-agent');
  if (String(userAgent).includes(NODE_USER_AGENT)) await delay(NODE_CANCEL_MS);
  else await setImmediate();
}

function idleError(seconds: number): ArrowportError {
  return new ArrowportError(
    'DEADLINE_EXCEEDED',
    `Nothing was received for ${seconds} s (limits.idle_timeout_seconds); the stream was given up and nothing of it is written beyond the receipts sent.`,
    { details: { limit: 'limits.idle_timeout_seconds' } },
  );
}
