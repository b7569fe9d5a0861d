import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import { ArrowportError } from '../../errors.ts';
import { type CallScope, throwIfEnded } from './call-scope.ts';
import type { FlightData } from './wire.ts';

/** How gRPC clients on Node's HTTP/2 name themselves. */
const NODE_USER_AGENT = 'grpc-node';
/** How long such a client's cancellation may come after the end it sends with it. */
const NODE_CANCEL_MS = 5;

/** A FlightData message, or why it could not be read. */
export type ReceivedFlightData = FlightData | ArrowportError;

/** Pulls the messages of a DoPut one by one. */
export interface FrameSource {
  /**
   * The next message, or undefined after the client's proper end of stream. Throws IPC_MALFORMED, and what ended the
   * call (CANCELLED, DEADLINE_EXCEEDED, SHUTTING_DOWN): a cut stream never looks like an ended one.
   */
  next(): Promise<FlightData | undefined>;
}

type Waiter = { resolve(data: ReceivedFlightData | undefined): void; reject(error: unknown): void };

/**
 * Reads a call's messages with back-pressure of one message: the next is taken from HTTP/2 when `next` is called, so a
 * stream holds one message and its HTTP/2 window, where the gRPC library by itself would read 16 messages ahead.
 */
export function createFrameSource(
  call: Pick<ServerDuplexStream<ReceivedFlightData, unknown>, 'on' | '_read' | 'metadata'>,
  scope: CallScope,
  idleTimeoutSeconds: number,
): FrameSource {
  let waiter: Waiter | null = null;
  let ended = false;
  const requestMessage = call._read.bind(call);
  call._read = () => {};
  const settle = (action: (current: Waiter) => void) => {
    const current = waiter;
    waiter = null;
    if (current !== null) action(current);
  };
  call.on('data', (data: ReceivedFlightData) => settle((current) => current.resolve(data)));
  call.on('end', () => {
    ended = true;
    settle((current) => current.resolve(undefined));
  });
  scope.signal.addEventListener('abort', () => settle((current) => current.reject(scope.signal.reason)));

  const receive = () =>
    new Promise<ReceivedFlightData | undefined>((resolve, reject) => {
      waiter = { resolve, reject };
      requestMessage(0);
    });

  return {
    async next() {
      throwIfEnded(scope.signal);
      if (ended) return undefined;
      const watch = watchIdle(scope, idleTimeoutSeconds);
      try {
        const data = await receive();
        if (data instanceof ArrowportError) throw data;
        if (data === undefined) await confirmEnd(call, scope);
        throwIfEnded(scope.signal);
        return data;
      } finally {
        watch.stop();
      }
    },
  };
}

/**
 * Makes sure that an end is one: a cut stream ends for the gRPC library a moment before the news of its
 * cancellation, and Node's HTTP/2 client ends a stream properly before it cancels it.
 */
async function confirmEnd(call: { readonly metadata: Metadata }, scope: CallScope): Promise<void> {
  const [userAgent] = call.metadata.get('user-agent');
  if (String(userAgent).includes(NODE_USER_AGENT)) await delay(NODE_CANCEL_MS);
  else await setImmediate();
  throwIfEnded(scope.signal);
  if (scope.transport.insideMessage()) {
    throw new ArrowportError('IPC_TRUNCATED', 'The DoPut ends in the middle of a message.');
  }
}

function watchIdle(scope: CallScope, seconds: number): { stop(): void } {
  let seen = scope.transport.bytesReceived();
  const timer = setInterval(() => {
    const received = scope.transport.bytesReceived();
    if (received === seen) scope.abort(idleError(seconds));
    seen = received;
  }, seconds * 1000);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function idleError(seconds: number): ArrowportError {
  return new ArrowportError(
    'DEADLINE_EXCEEDED',
    `Nothing was received for ${seconds} s (limits.idle_timeout_seconds); the stream was given up and nothing of it is written beyond the receipts sent.`,
    { details: { limit: 'limits.idle_timeout_seconds' } },
  );
}
