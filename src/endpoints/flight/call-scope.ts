import type { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../../core/auth.ts';
import type { ArrowportError } from '../../errors.ts';
import { callerOfCall } from './call-guard.ts';
import { type CallTransport, takeCallTransport } from './http2-streams.ts';
import { readRequestId } from './request-id.ts';
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
  readonly caller: Caller;
  /** Fires when the client is gone, its deadline has passed or the server ends the call; `reason` is the ArrowportError to answer. */
  readonly signal: AbortSignal;
  readonly transport: CallTransport;
  /** Ends the call with an error, unless it has ended already. */
  abort(error: ArrowportError): void;
}

/** Opens the scope of a call; once per call, at its very start. */
export function openCallScope(call: ServerCall): CallScope {
  const controller = new AbortController();
  const transport = takeCallTransport(call.metadata);
  const abort = (error: ArrowportError) => controller.abort(error);
  const onCancelled = () => abort(transport.libraryError() ?? cancelledError());
  if (call.cancelled) onCancelled();
  else call.once('cancelled', onCancelled);
  const caller = callerOfCall(call.metadata);
  return { requestId: readRequestId(call.metadata), caller, signal: controller.signal, transport, abort };
}

/** A call that failed, as the observer is told of it. */
export function describeCall({ requestId, caller }: CallScope, stream: string | null = null) {
  return { requestId, transport: 'flight', stream, caller: caller.name } as const;
}

/** Throws the error that ended the call, if one did. */
export function throwIfEnded(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason;
}
