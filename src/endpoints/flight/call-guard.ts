import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { findClientCertificate } from '../../auth/client-certificate.ts';
import { type Authenticator, type Caller, type Credentials, requireScope } from '../../core/auth.ts';
import type { IngestObserver } from '../../core/observer.ts';
import { toArrowportError } from '../../errors.ts';
import { accessOf } from './call-access.ts';
import { type CallSource, discardRequest, findCallSource } from './http2-streams.ts';
import { readRequestId } from './request-id.ts';
import { toStatus } from './status.ts';

const AUTHORIZATION_HEADER = 'authorization';
/** Where clients of the older handshake send what they were given. */
const TOKEN_HEADER = 'auth-token-bin';

/** Whoever came past no guard holds no scope. */
const NOBODY: Caller = {
  name: 'nobody',
  hasScope: () => false,
  mayUseStream: () => false,
  isUnrestricted: false,
};

const callers = new WeakMap<Metadata, Caller>();

/** Checks every call by its headers, before the gRPC library reads any message of it. */
export function createCallGuard(
  authenticator: Authenticator,
  observer: Pick<IngestObserver, 'requestFailed'>,
): ServerInterceptor {
  const check = (method: string, metadata: Metadata): void | Promise<void> => {
    const { scopes } = accessOf(method);
    if (scopes === 'open') return;
    const found = authenticator.authenticate(readCredentials(findCallSource(metadata), metadata));
    const admit = (caller: Caller) => {
      callers.set(metadata, caller);
      requireScope(caller, ...scopes);
    };
    return found instanceof Promise ? found.then(admit) : admit(found);
  };
  const refuse = (call: ServerInterceptingCallInterface, metadata: Metadata, thrown: unknown) => {
    const requestId = readRequestId(metadata);
    const known = callers.get(metadata);
    const caller = known === undefined ? {} : { caller: known.name };
    const request = { requestId, transport: 'flight', stream: null, ...caller } as const;
    observer.requestFailed(request, toArrowportError(thrown));
    call.sendStatus(toStatus(thrown, requestId));
    discardRequest(metadata);
  };
  return (method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, pass) {
            const name = method.path.slice(method.path.lastIndexOf('/') + 1);
            const onRefused = (error: unknown) => refuse(call, metadata, error);
            try {
              const checked = check(name, metadata);
              if (checked instanceof Promise) void checked.then(() => pass(metadata), onRefused);
              else pass(metadata);
            } catch (error) {
              onRefused(error);
            }
          },
        }),
    });
}

/** Whom the guard let in with these headers. */
export function callerOfCall(metadata: Metadata): Caller {
  return callers.get(metadata) ?? NOBODY;
}

/** What a client showed with the headers of a call and with its connection. */
export function readCredentials(
  { socket, hasDuplicateCredentials }: CallSource,
  metadata: Metadata,
): Credentials {
  const authorization = metadata.get(AUTHORIZATION_HEADER).map(String);
  // Node keeps one of several; that there were others must not go unnoticed.
  if (hasDuplicateCredentials) authorization.push('');
  const tokens = metadata.get(TOKEN_HEADER).map((token) => `Bearer ${token.toString()}`);
  return {
    authorization: authorization.length > 0 ? authorization : tokens,
    certificate: findClientCertificate(socket),
  };
}
