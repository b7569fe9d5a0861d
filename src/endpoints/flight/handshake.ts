import { once } from 'node:events';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Authenticator, Credentials } from '../../core/auth.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { readCredentials } from './call-guard.ts';
import { type CallScope, throwIfEnded } from './call-scope.ts';
import { codecs, type HandshakeMessage } from './messages.ts';
import type { Received } from './service.ts';

const HANDSHAKE_MS = 10_000;
const MAX_MESSAGES = 16;
const BASIC = /^basic +([A-Za-z0-9+/_-]+=*)$/i;
/**
 * What a client that asks for a token is given while every caller may do everything. Clients send it back with each
 * call, so it must not be empty.
 */
const OPEN_TOKEN = 'anonymous';
const NO_BYTES = new Uint8Array(0);

type HandshakeCall = ServerDuplexStream<Received<HandshakeMessage>, HandshakeMessage>;

/**
 * Answers a handshake: a user name (any) with a token as its password is given that token back, to be sent with each
 * call. Both forms are known: `authorization: Basic` in the headers, and a BasicAuth message as payload. Without auth
 * any credentials get a token that says nothing. Throws UNAUTHENTICATED, and DEADLINE_EXCEEDED and OPTION_INVALID for
 * handshakes without an end.
 */
export async function shakeHands(
  call: HandshakeCall,
  scope: CallScope,
  authenticator: Authenticator,
): Promise<Metadata> {
  const trailers = new Metadata();
  const shown = readHandshake(readCredentials(scope.transport.source, call.metadata));
  const wantsPayload = authenticator.isEnabled && shown.authorization.length === 0;
  if (!wantsPayload) await authenticator.authenticate(shown);
  if (shown.authorization.length > 0) {
    trailers.set(
      'authorization',
      authenticator.isEnabled ? String(shown.authorization[0]) : `Bearer ${OPEN_TOKEN}`,
    );
    call.sendMetadata(trailers);
  }
  const readToken = async (payload: Uint8Array): Promise<Uint8Array> => {
    if (!wantsPayload) return NO_BYTES;
    const token = payload.byteLength === 0 ? null : readBasicAuth(payload);
    const authorization = token === null ? [] : [`Bearer ${token}`];
    await authenticator.authenticate({ ...shown, authorization });
    return Buffer.from(token ?? '');
  };
  await answerMessages(call, scope, readToken);
  return trailers;
}

async function answerMessages(
  call: HandshakeCall,
  scope: CallScope,
  readToken: (payload: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  const timer = setTimeout(() => scope.abort(lateError()), HANDSHAKE_MS);
  let messages = 0;
  let answered = Promise.resolve();
  call.on('data', (request: Received<HandshakeMessage>) => {
    if (request instanceof ArrowportError) scope.abort(request);
    else if (++messages > MAX_MESSAGES) scope.abort(tooManyError());
    else answered = answered.then(() => answer(request));
  });
  const answer = async ({ protocolVersion, payload }: HandshakeMessage) => {
    try {
      const token = await readToken(payload);
      if (!scope.signal.aborted) call.write({ protocolVersion, payload: token });
    } catch (error) {
      scope.abort(toArrowportError(error));
    }
  };
  try {
    await once(call, 'end', { signal: scope.signal });
    await answered;
    throwIfEnded(scope.signal);
  } catch (thrown) {
    throwIfEnded(scope.signal);
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

/** `Basic` with a token as password stands for the token; only here, where clients have no other way. */
function readHandshake(credentials: Credentials): Credentials {
  const authorization = credentials.authorization.map((value) => {
    const [, encoded] = BASIC.exec(value) ?? [];
    if (encoded === undefined) return value;
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    return `Bearer ${text.slice(text.indexOf(':') + 1)}`;
  });
  return { ...credentials, authorization };
}

function readBasicAuth(payload: Uint8Array): string {
  try {
    return codecs.basicAuth.decode(payload).password;
  } catch (cause) {
    throw new ArrowportError('UNAUTHENTICATED', 'The payload of the handshake is no BasicAuth message.', {
      cause,
    });
  }
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
