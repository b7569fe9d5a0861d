import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findClientCertificate } from '../../auth/client-certificate.ts';
import {
  type Access,
  type Authenticator,
  type Caller,
  requireScope,
  requireStream,
} from '../../core/auth.ts';
import { ArrowportError } from '../../errors.ts';

/** What a route needs of its caller, besides what its body may name. */
export interface RouteAccess extends Access {
  /** The path parameter that names a stream or table, which the caller must be allowed to use. */
  readonly streamParameter?: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Absent: the route needs the scope `admin`. */
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Set before the route's handler runs. */
    caller?: Caller;
  }
}

const UNSTATED: RouteAccess = { scopes: ['admin'] };
/** Whoever is known may hear that there is no such path. */
const NO_ROUTE: RouteAccess = { scopes: [] };
const METRICS = '/metrics';

/** Checks every request by its head: credentials, scope, and the stream that its path names. */
export function guardRequests(app: FastifyInstance, authenticator: Authenticator): void {
  app.decorateRequest('caller');
  app.addHook('onRequest', async (request) => {
    const access = request.is404 ? NO_ROUTE : (request.routeOptions.config.access ?? UNSTATED);
    const { scopes, streamParameter } = access;
    if (scopes === 'open' || (authenticator.hasPublicMetrics && request.routeOptions.url === METRICS)) return;
    const found = authenticator.authenticate({
      authorization: authenticator.isEnabled ? listAuthorization(request.raw) : [],
      certificate: findClientCertificate(request.raw.socket),
    });
    const caller = found instanceof Promise ? await found : found;
    request.caller = caller;
    requireScope(caller, ...scopes);
    if (streamParameter === undefined || caller.isUnrestricted) return;
    requireStream(caller, readParameter(request, streamParameter));
  });
}

/** Who sent the request. Throws UNAUTHENTICATED on a route that is open to everyone, where nobody was asked. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller !== undefined) return request.caller;
  throw new ArrowportError('UNAUTHENTICATED', 'This needs credentials.');
}

/** Node keeps only the first of several, which a proxy in front may have read differently. */
function listAuthorization({ rawHeaders }: IncomingMessage): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') values.push(rawHeaders[index + 1] ?? '');
  }
  return values;
}

function readParameter(request: FastifyRequest, name: string): string {
  const parameters = request.params as Readonly<Record<string, string | undefined>>;
  return parameters[name] ?? '';
}
