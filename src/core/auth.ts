import { ArrowportError } from '../errors.ts';

/**
 * Who may do what, in the words that every door uses. A door authenticates each request or call before any of its
 * body is read, checks the scope that its route or call states, and hands the {@link Caller} on:
 *
 * - HTTP: a route states its needs as `config: { access: { scopes: ['read'], streamParameter: 'table' } }`; a route
 *   that states nothing needs `admin`. Its handler finds the caller with `callerOf(request)`.
 * - Flight: `endpoints/flight/call-access.ts` has one line for each method, `FlightAction.access` one for each action;
 *   the handler finds the caller as `scope.caller`.
 * - What a body names (a stream in a descriptor, tables in a SQL statement) the handler checks itself:
 *   `requireScope(caller, 'admin')`, `requireStream(caller, 'events')`. Lists leave out what the caller may not name:
 *   `caller.mayUseStream(name)`.
 */
export type Scope = 'ingest' | 'read' | 'admin';

/** Every scope there is; none contains another. */
export const scopes: readonly Scope[] = ['ingest', 'read', 'admin'];

/** Whoever sent a request, as far as its credentials tell. */
export interface Caller {
  /** For logs and the audit log; never a secret. */
  readonly name: string;
  hasScope(scope: Scope): boolean;
  /** Whether the caller may name this stream or table. A DuckDB table outside `main` is named `schema.table`. */
  mayUseStream(stream: string): boolean;
  /** Whether `mayUseStream` is true for every name. */
  readonly isUnrestricted: boolean;
}

/** The caller of a server without auth: holds every scope, for every stream. */
export const ANYONE: Caller = {
  name: 'anyone',
  hasScope: () => true,
  mayUseStream: () => true,
  isUnrestricted: true,
};

/** What a route or call needs of its caller before any of its body is read. */
export interface Access {
  /** One of these is enough; empty: any caller who is known. The string `open`: anyone, without credentials. */
  readonly scopes: readonly Scope[] | 'open';
}

/** What a client showed at the door. */
export interface Credentials {
  /** Every value of `authorization`, as it came. */
  readonly authorization: readonly string[];
  /** The client's certificate, verified against `tls.client_ca`; null when it showed none. */
  readonly certificate: ClientCertificate | null;
}

/** Whom a verified client certificate names. */
export interface ClientCertificate {
  /** The subject's common name; empty when it has none. */
  readonly commonName: string;
  /** Names of the subject alternative name, each with its kind: `DNS:worker-1`, `URI:spiffe://…`. */
  readonly alternativeNames: readonly string[];
}

/** Tells callers by their credentials. */
export interface Authenticator {
  /** Whether credentials are asked for at all. */
  readonly isEnabled: boolean;
  /** Whether `/metrics` is open. */
  readonly hasPublicMetrics: boolean;
  /** Returns at once where nothing must be fetched. Throws UNAUTHENTICATED, in words that repeat nothing of the credentials. */
  authenticate(credentials: Credentials): Caller | Promise<Caller>;
}

/** The authenticator of a server without auth: everyone is {@link ANYONE}. */
export const openDoor: Authenticator = {
  isEnabled: false,
  hasPublicMetrics: true,
  authenticate: () => ANYONE,
};

/** Throws FORBIDDEN unless the caller holds one of the scopes. */
export function requireScope(caller: Caller, ...wanted: readonly Scope[]): void {
  if (wanted.length === 0 || wanted.some((scope) => caller.hasScope(scope))) return;
  throw new ArrowportError(
    'FORBIDDEN',
    `"${caller.name}" does not hold the scope ${wanted.join(' or ')}, which this needs.`,
  );
}

/** Throws FORBIDDEN unless the caller may name this stream or table. */
export function requireStream(caller: Caller, stream: string): void {
  if (caller.mayUseStream(stream)) return;
  const shown = stream.length > 128 ? `${stream.slice(0, 128)}…` : stream;
  throw new ArrowportError('FORBIDDEN', `"${caller.name}" may not use ${JSON.stringify(shown)}.`);
}
