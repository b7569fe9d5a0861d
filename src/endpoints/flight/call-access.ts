import type { Access } from '../../core/auth.ts';

const known: Access = { scopes: [] };
const reading: Access = { scopes: ['read', 'admin'] };

/**
 * What each method of the Flight service needs of its caller before its first message is read. What the message names
 * (a stream, an action, a statement) the handler checks; a method that is not here needs `admin`.
 */
const accessOfMethods: Readonly<Record<string, Access>> = {
  // Its credentials are what it is for.
  Handshake: { scopes: 'open' },
  DoPut: { scopes: ['ingest', 'read', 'admin'] },
  DoExchange: { scopes: ['ingest', 'read', 'admin'] },
  DoAction: known,
  ListActions: known,
  ListFlights: reading,
  GetFlightInfo: reading,
  PollFlightInfo: reading,
  GetSchema: reading,
  DoGet: reading,
};

/** What a method needs of its caller. */
export function accessOf(method: string): Access {
  return accessOfMethods[method] ?? { scopes: ['admin'] };
}
