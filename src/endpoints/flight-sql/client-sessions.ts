import type { QueryEngine, QueryRunner, QuerySession } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall, FlightConnection } from '../flight/call-context.ts';
import { createConnectionResources } from './connection-resources.ts';
import { createHandleTable } from './handle-table.ts';
import { endAction } from './sql-messages.ts';
import type { TicketPlace } from './tickets.ts';

/** Where a call's statements run. */
export interface StatementPlace {
  readonly runner: QueryRunner;
  /** The session that `runner` is; null outside of any. */
  readonly session: QuerySession | null;
  /** For tickets, to find the place again. */
  readonly ticket: TicketPlace;
}

/** The sessions and transactions of Flight SQL clients. */
export interface ClientSessions {
  /** The transaction that is named, else the client's session, else the engine. Throws HANDLE_NOT_FOUND. */
  find(call: FlightCall, transactionId?: Uint8Array): StatementPlace;
  /**
   * Where a statement that was prepared in a transaction runs: there, or when that has ended, in the transaction that the
   * client has on the same connection since, or in none. Null for the place where it was prepared.
   */
  succeed(transaction: string | null, call: FlightCall): StatementPlace | null;
  /** The place that a ticket was made for. Throws HANDLE_NOT_FOUND when it is gone. */
  reopen(place: TicketPlace, call: FlightCall): StatementPlace;
  /** The client's session. Where there is none: that of the transaction that the client has open, else a new one. */
  open(call: FlightCall): Promise<QuerySession>;
  /** The client's session, if it has one. */
  current(call: FlightCall): QuerySession | null;
  /** The session of the transaction that the client has open on its connection, if something was changed in it. */
  changing(call: FlightCall): QuerySession | null;
  /** The transaction that the client has open on its connection sees what others have committed, unless it has changed something. */
  renewSnapshot(call: FlightCall): void;
  /** Closes the client's session; resolves with whether there was one. */
  close(call: FlightCall): Promise<boolean>;
  /** Begins a transaction; resolves with its id. */
  begin(call: FlightCall): Promise<Uint8Array>;
  /** Commits (`endAction.COMMIT_OR_RELEASE`) or rolls back. Throws HANDLE_NOT_FOUND, COMMIT_CONFLICT, OPTION_INVALID. */
  end(transactionId: Uint8Array, action: number, call: FlightCall): Promise<void>;
  /** Closes everything, rolling back what is open. */
  closeAll(): Promise<void>;
}

interface ClientSession {
  readonly id: string;
  readonly caller: string;
  readonly query: QuerySession;
}

interface Transaction {
  readonly session: QuerySession;
  /** Whether the session was opened for the transaction, and ends with it unless the client has something to keep in it. */
  ownsSession: boolean;
  untie(): void;
}

/** The cookie's name is the one of Arrow's own servers. */
const COOKIE = 'arrow_flight_session_id';
const COOKIE_VALUE = new RegExp(`(?:^|;\\s*)${COOKIE}=([0-9a-f]{32})(?:;|$)`);
/** Outside of any session. */
export const NOWHERE: TicketPlace = { transaction: null, session: null };
const MAX_SESSIONS = 1000;
const MAX_TRANSACTIONS = 1000;
const SESSION_IDLE_MS = 120 * 60_000;
/** How long a transaction may go unused before it is rolled back; SqlInfo tells it. */
export const TRANSACTION_IDLE_MS = 60 * 60_000;

/** Makes the register of sessions and transactions. */
export function createClientSessions(engine: QueryEngine): ClientSessions {
  return new Sessions(engine);
}

class Sessions implements ClientSessions {
  readonly #engine: QueryEngine;
  readonly #connections = createConnectionResources();
  /** Clients without cookies are known by their connections, each with its caller's session. */
  readonly #byConnection = new WeakMap<FlightConnection, Map<string, ClientSession>>();
  readonly #sessions = createHandleTable<ClientSession>({
    what: 'session',
    maxHandles: MAX_SESSIONS,
    idleMs: SESSION_IDLE_MS,
    close: ({ query }) => query.close(),
    isBusy: ({ query }) => query.isInTransaction,
  });
  /** The ids of the transactions that callers have begun last on their connections. */
  readonly #latest = new WeakMap<FlightConnection, Map<string, Uint8Array>>();
  readonly #transactions = createHandleTable<Transaction>({
    what: 'transaction',
    maxHandles: MAX_TRANSACTIONS,
    idleMs: TRANSACTION_IDLE_MS,
    close: abandon,
  });

  constructor(engine: QueryEngine) {
    this.#engine = engine;
  }

  find(call: FlightCall, transactionId?: Uint8Array): StatementPlace {
    if (transactionId !== undefined && transactionId.byteLength > 0) {
      const { session } = this.#transactions.find(transactionId, call.caller.name);
      return { runner: session, session, ticket: { transaction: toHex(transactionId), session: null } };
    }
    const session = this.#findSession(call);
    if (session === null) return { runner: this.#engine, session: null, ticket: NOWHERE };
    const ticket = { transaction: null, session: session.id };
    return { runner: session.query, session: session.query, ticket };
  }

  succeed(transaction: string | null, call: FlightCall): StatementPlace | null {
    if (transaction === null || this.#findTransaction(Buffer.from(transaction, 'hex'), call) !== null)
      return null;
    return this.find(call, this.#openTransaction(call) === null ? undefined : this.#latestId(call));
  }

  reopen(place: TicketPlace, call: FlightCall): StatementPlace {
    if (place.transaction !== null) return this.find(call, Buffer.from(place.transaction, 'hex'));
    if (place.session === null) return { runner: this.#engine, session: null, ticket: NOWHERE };
    const { query } = this.#sessions.find(Buffer.from(place.session, 'hex'), call.caller.name);
    return { runner: query, session: query, ticket: place };
  }

  current(call: FlightCall): QuerySession | null {
    return this.#findSession(call)?.query ?? null;
  }

  async open(call: FlightCall): Promise<QuerySession> {
    const found = this.#findSession(call);
    if (found !== null) return found.query;
    const transaction = this.#openTransaction(call);
    if (transaction?.ownsSession === true) {
      this.#keep(transaction.session, call);
      transaction.ownsSession = false;
      return transaction.session;
    }
    const query = await this.#engine.openSession(call.caller.name);
    try {
      this.#keep(query, call);
    } catch (error) {
      await query.close();
      throw error;
    }
    return query;
  }

  changing(call: FlightCall): QuerySession | null {
    const { session = null } = this.#openTransaction(call) ?? {};
    return session?.hasChanged === true ? session : null;
  }

  renewSnapshot(call: FlightCall): void {
    this.#openTransaction(call)?.session.renewSnapshot();
  }

  async close(call: FlightCall): Promise<boolean> {
    const session = this.#findSession(call);
    if (session === null) return false;
    call.addHeader('set-cookie', `${COOKIE}=${session.id}; Max-Age=0`);
    await this.#drop(session, call.connection);
    return true;
  }

  async begin(call: FlightCall): Promise<Uint8Array> {
    const current = this.current(call);
    const ownsSession = current === null || current.isInTransaction;
    const session = ownsSession ? await this.#engine.openSession(call.caller.name) : current;
    try {
      await session.begin();
      let tied = () => {};
      const transaction: Transaction = { session, ownsSession, untie: () => tied() };
      const id = this.#transactions.add(transaction, call.caller.name);
      if (call.connection !== undefined) {
        const latest = this.#latest.get(call.connection) ?? new Map<string, Uint8Array>();
        this.#latest.set(call.connection, latest.set(call.caller.name, id));
      }
      tied = this.#connections.tie(call.connection, () => this.#abandon(id, call.caller.name));
      return id;
    } catch (error) {
      if (ownsSession) await session.close();
      else if (session.isInTransaction) await session.rollback();
      throw error;
    }
  }

  async end(transactionId: Uint8Array, action: number, call: FlightCall): Promise<void> {
    if (action !== endAction.COMMIT_OR_RELEASE && action !== endAction.ROLLBACK)
      throw new ArrowportError(
        'OPTION_INVALID',
        'The action must be END_TRANSACTION_COMMIT or END_TRANSACTION_ROLLBACK.',
      );
    const transaction = this.#transactions.take(transactionId, call.caller.name);
    const { session } = transaction;
    transaction.untie();
    try {
      if (action === endAction.COMMIT_OR_RELEASE) await session.commit();
      else await session.rollback();
    } finally {
      if (transaction.ownsSession && !this.#keepTemporaries(session, call)) await session.close();
    }
  }

  async closeAll(): Promise<void> {
    await this.#transactions.close();
    await this.#sessions.close();
  }

  /** Makes it the client's session. */
  #keep(query: QuerySession, call: FlightCall): void {
    const caller = call.caller.name;
    const session = { id: '', caller, query };
    session.id = toHex(this.#sessions.add(session, caller));
    call.addHeader('set-cookie', `${COOKIE}=${session.id}`);
    this.#tieToConnection(session, call.connection);
  }

  /** What is temporary lives on after the transaction that made it, where the client's connection stands for a session. */
  #keepTemporaries(query: QuerySession, call: FlightCall): boolean {
    if (!query.mayHoldTemporaries || this.#findSession(call) !== null) return false;
    try {
      this.#keep(query, call);
      return true;
    } catch {
      return false;
    }
  }

  #latestId(call: FlightCall): Uint8Array | undefined {
    if (call.connection === undefined) return undefined;
    return this.#latest.get(call.connection)?.get(call.caller.name);
  }

  /** The transaction that the client has begun last on its connection, while it is open. */
  #openTransaction(call: FlightCall): Transaction | null {
    const latest = this.#latestId(call);
    return latest === undefined ? null : this.#findTransaction(latest, call);
  }

  #findTransaction(id: Uint8Array, call: FlightCall): Transaction | null {
    try {
      return this.#transactions.find(id, call.caller.name);
    } catch {
      return null;
    }
  }

  #findSession(call: FlightCall): ClientSession | null {
    const caller = call.caller.name;
    const id = readCookie(call);
    if (id !== undefined) return this.#lookUp(id, caller);
    const tied =
      call.connection === undefined ? undefined : this.#byConnection.get(call.connection)?.get(caller);
    return tied === undefined ? null : this.#lookUp(tied.id, caller);
  }

  /** A cookie of a session that is gone is one of no session: the client may go on without. */
  #lookUp(id: string, caller: string): ClientSession | null {
    try {
      return this.#sessions.find(Buffer.from(id, 'hex'), caller);
    } catch {
      return null;
    }
  }

  #tieToConnection(session: ClientSession, connection: FlightConnection | undefined): void {
    if (connection === undefined) return;
    const tied = this.#byConnection.get(connection) ?? new Map<string, ClientSession>();
    this.#byConnection.set(connection, tied);
    tied.set(session.caller, session);
    this.#connections.tie(connection, () => void this.#drop(session, connection).catch(() => undefined));
  }

  async #drop(session: ClientSession, connection: FlightConnection | undefined): Promise<void> {
    if (connection !== undefined) this.#byConnection.get(connection)?.delete(session.caller);
    try {
      this.#sessions.take(Buffer.from(session.id, 'hex'), session.caller);
    } catch {
      return;
    }
    await session.query.close();
  }

  #abandon(id: Uint8Array, caller: string): void {
    try {
      void abandon(this.#transactions.take(id, caller)).catch(() => undefined);
    } catch {
      // It has ended in the usual way.
    }
  }
}

async function abandon({ session, ownsSession, untie }: Transaction): Promise<void> {
  untie();
  if (ownsSession) await session.close();
  else if (session.isInTransaction) await session.rollback();
}

function readCookie(call: FlightCall): string | undefined {
  for (const header of call.readHeader('cookie')) {
    const [, id] = COOKIE_VALUE.exec(header.toString()) ?? [];
    if (id !== undefined) return id;
  }
  return undefined;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
