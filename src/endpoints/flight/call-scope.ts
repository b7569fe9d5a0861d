import { randomUUID } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import type { ArrowportError } from '../../errors.ts';
import { type CallTransport, takeCallTransport } from './http2-streams.ts';
import { cancelledError } from './status.ts';

/** The parts that every kind of gRPC server call has. */
export interface ServerCall {
  readonly metadata: Metadata;
  cancelled: boolean;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** One call's identity and end: who it is, and what ended it before its answer. */
export interface CallScope {
  readonly requestId: string;
  /** Fires when the client is gone, its deadline has passed or the server ends the call; `reason` is the ArrowportError to answer. */
  readonly signal: AbortSignal;
  readonly transport: CallTransport;
  /** Ends the call with an error, unless it has ended already. */
  abort(error: ArrowportError): void;
}

const REQUEST_ID_HEADER = 'x-request-id';
const REQUEST_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** Opens the scope of a call; once per call, at its very start. */
export function openCallScope(call: ServerCall): CallScope {
  const controller = new AbortController();
  const transport = takeCallTransport(call.metadata);
  const abort = (error: ArrowportError) => controller.abort(error);
  const onCancelled = () => abort(transport.libraryError() ?? cancelledError());
  if (call.cancelled) onCancelled();
  else call.once('cancelled', onCancelled);
  return { requestId: readRequestId(call.metadata), signal: controller.signal, transport, abort };
}

/** Throws the error that ended the call, if one did. */
export function throwIfEnded(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason;
}

/** The client's `x-request-id` when it may stand in a log line as it is, else a new one. */
function readRequestId(metadata: Metadata): string {
  const given = String(metadata.get(REQUEST_ID_HEADER)[0] ?? '');
  return REQUEST_ID.test(given) ? given : randomUUID();
}
