import { once } from 'node:events';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { ArrowportError } from '../../errors.ts';
import { type CallScope, throwIfEnded } from './call-scope.ts';
import type { HandshakeMessage } from './messages.ts';
import type { Received } from './service.ts';

const HANDSHAKE_MS = 10_000;
const MAX_MESSAGES = 16;
/**
 * What a client that asks for a token is given while every caller may do everything. Clients send it back with each
 * call, so it must not be empty.
 */
const OPEN_TOKEN = 'Bearer anonymous';

/**
 * Answers a handshake of a server without authentication: each message with an empty payload, and credentials of any
 * kind with a token that says nothing. Throws DEADLINE_EXCEEDED and OPTION_INVALID for handshakes without an end.
 */
export async function shakeHands(
  call: ServerDuplexStream<Received<HandshakeMessage>, HandshakeMessage>,
  scope: CallScope,
): Promise<Metadata> {
  const trailers = new Metadata();
  if (call.metadata.get('authorization').length > 0) {
    trailers.set('authorization', OPEN_TOKEN);
    call.sendMetadata(trailers);
  }
  const timer = setTimeout(() => scope.abort(lateError()), HANDSHAKE_MS);
  let messages = 0;
  call.on('data', (request: Received<HandshakeMessage>) => {
    if (request instanceof ArrowportError) scope.abort(request);
    else if (++messages > MAX_MESSAGES) scope.abort(tooManyError());
    else call.write({ protocolVersion: request.protocolVersion, payload: new Uint8Array(0) });
  });
  try {
    await once(call, 'end', { signal: scope.signal });
  } catch (thrown) {
    throwIfEnded(scope.signal);
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
  return trailers;
}

function lateError(): ArrowportError {
  return new ArrowportError(
    'DEADLINE_EXCEEDED',
    `The handshake was not finished within ${HANDSHAKE_MS / 1000} s.`,
  );
}

function tooManyError(): ArrowportError {
  return new ArrowportError('OPTION_INVALID', `The handshake has more than ${MAX_MESSAGES} messages.`);
}
