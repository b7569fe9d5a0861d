import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ReadPart } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';

/** What a ticket gives its caller to read. */
export type TicketContent =
  /** A statement, run when the ticket is used; in a transaction, in a session, or in neither. */
  | {
      readonly kind: 'statement';
      readonly sql: string;
      readonly place: TicketPlace;
      /** The part of its rows; all where there is none. */
      readonly part?: ReadPart;
    }
  /** A prepared statement with the parameters that a binding gave it. */
  | { readonly kind: 'prepared'; readonly handle: string; readonly binding: number }
  /** Rows that are there already. */
  | { readonly kind: 'kept'; readonly id: string }
  /** A command about the catalog, in base64. */
  | { readonly kind: 'catalog'; readonly command: string; readonly place: TicketPlace };

/** Where a statement runs: ids in hex, null for neither. */
export interface TicketPlace {
  readonly transaction: string | null;
  readonly session: string | null;
}

/** A ticket that was checked. */
export interface OpenedTicket {
  /** The same for every renewal. */
  readonly id: string;
  readonly content: TicketContent;
}

/** Makes tickets that nobody else can make, and tells whether one still holds. */
export interface TicketOffice {
  /** Signs a ticket for this caller; `expiresAt` is in milliseconds since 1970. */
  issue(content: TicketContent, caller: string): { readonly ticket: Uint8Array; readonly expiresAt: number };
  /** Throws TICKET_INVALID for a ticket that is not this server's or caller's, was cancelled, or has expired. */
  open(ticket: Uint8Array, caller: string): OpenedTicket;
  /** The same ticket with a new end. Throws as `open` does. */
  renew(ticket: Uint8Array, caller: string): { readonly ticket: Uint8Array; readonly expiresAt: number };
  /** From now on the ticket and its renewals are TICKET_INVALID; returns its id. Throws as `open` does. */
  cancel(ticket: Uint8Array, caller: string): string;
}

interface SignedContent {
  readonly id: string;
  readonly caller: string;
  readonly expiresAt: number;
  readonly content: TicketContent;
}

const MAC_BYTES = 32;
const ID_BYTES = 12;

/** Makes an office with a key of its own: what it issues is worth nothing to another, or after a restart. */
export function createTicketOffice(lifetimeMs: () => number, now: () => number = Date.now): TicketOffice {
  const key = randomBytes(MAC_BYTES);
  /** Ids of cancelled tickets, and until when they would have held. */
  const cancelled = new Map<string, number>();

  const signature = (payload: Uint8Array) => createHmac('sha256', key).update(payload).digest();
  const sign = (content: SignedContent) => {
    const payload = Buffer.from(JSON.stringify(content));
    return { ticket: Buffer.concat([signature(payload), payload]), expiresAt: content.expiresAt };
  };
  const verify = (ticket: Uint8Array, caller: string): SignedContent => {
    const payload = ticket.subarray(MAC_BYTES);
    if (ticket.byteLength <= MAC_BYTES || !timingSafeEqual(ticket.subarray(0, MAC_BYTES), signature(payload)))
      throw invalid('The ticket is not one that this server has made.');
    const signed = JSON.parse(Buffer.from(payload).toString()) as SignedContent;
    if (signed.caller !== caller) throw invalid('The ticket was made for another caller.');
    if (signed.expiresAt <= now()) throw invalid('The ticket has expired.');
    if (cancelled.has(signed.id)) throw invalid('The ticket was cancelled.');
    return signed;
  };
  const forgetExpired = () => {
    for (const [id, until] of cancelled) if (until <= now()) cancelled.delete(id);
  };

  return {
    issue: (content, caller) =>
      sign({ id: randomBytes(ID_BYTES).toString('hex'), caller, expiresAt: now() + lifetimeMs(), content }),
    open: verify,
    renew: (ticket, caller) => sign({ ...verify(ticket, caller), expiresAt: now() + lifetimeMs() }),
    cancel(ticket, caller) {
      const { id } = verify(ticket, caller);
      forgetExpired();
      // A renewal may hold longer than this ticket.
      cancelled.set(id, now() + 2 * lifetimeMs());
      return id;
    },
  };
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('TICKET_INVALID', `${message} Ask for the flight info again.`);
}
