import { requireScope } from '../../core/auth.ts';
import type { Ingestor } from '../../core/ingest.ts';
import type { IngestObserver } from '../../core/observer.ts';
import { NO_PARAMETERS, type QueryEngine } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import {
  cancelStatus,
  type FlightDescriptor,
  type FlightEndpointMessage,
  type FlightInfoMessage,
} from '../flight/messages.ts';
import type { FlightProducer, IncomingStream } from '../flight/producer.ts';
import { encapsulateSchema } from '../flight/reading-handlers.ts';
import { UnimplementedError } from '../flight/status.ts';
import { type CatalogCommand, catalogSchema, readCatalog } from './catalog-reader.ts';
import { type ClientSessions, createClientSessions } from './client-sessions.ts';
import { describeDecimals } from './column-metadata.ts';
import { exchangeParameters } from './exchange.ts';
import { createKeptResults } from './kept-results.ts';
import { listTableFlights } from './list-flights.ts';
import { createParameterMemory, type ParameterMemory } from './parameter-memory.ts';
import { readPlainDescriptor } from './plain-descriptor.ts';
import { createPreparedStatements } from './prepared-statements.ts';
import { readParameters } from './read-parameters.ts';
import { createSessionOptions } from './session-options.ts';
import { readSqlCommand, writeSqlCommand } from './sql-command.ts';
import type { ServerFacts } from './sql-info.ts';
import type { StatementMessage } from './sql-messages.ts';
import { createSqlProducer } from './sql-producer.ts';
import type { FlightSqlService, ReadingCommand, TicketCommand, UpdateCommand } from './sql-service.ts';
import { ingestStatement } from './statement-ingest.ts';
import { createStatementReader, type DescribedRows, findPrepared, queryContext } from './statement-reader.ts';
import { createTicketOffice, type TicketContent } from './tickets.ts';

/** What Flight SQL needs of the server. */
export interface ArrowportSqlOptions {
  readonly engine: QueryEngine;
  readonly ingestor: Ingestor;
  readonly observer: Pick<IngestObserver, 'requestFailed'>;
  facts(): Omit<ServerFacts, 'isReadOnly'>;
  /** How long tickets hold. */
  ticketLifetimeMs(): number;
  /** Bytes that the parameters of all calls may have together. */
  parameterBytes(): number;
  /** Bytes of files that one endpoint stands for where rows are shared out to several; null: never to several. */
  endpointBytes(): number | null;
}

/** The reading side of the Flight door, with Flight SQL. */
export interface ArrowportSql {
  readonly producer: FlightProducer;
  /** Closes sessions and statements, rolling back what is open. */
  close(): Promise<void>;
}

const NO_BYTES = new Uint8Array(0);
const noSubstrait = () => new UnimplementedError('Substrait plans are not offered by this server; send SQL.');

/** Makes Flight SQL over the query engine. */
export function createArrowportSql(options: ArrowportSqlOptions): ArrowportSql {
  const parameters = createParameterMemory(options.parameterBytes);
  const sql = new ArrowportSqlService(options, parameters);
  const producer = createSqlProducer(sql, {
    readDescriptor: readPlainDescriptor,
    listFlights: (expression, call) =>
      listTableFlights(expression, call, options.engine, (...args) => sql.createInfo(...args)),
    doExchange: (descriptor, incoming, call) =>
      exchangeParameters(descriptor, incoming, call, options.engine, parameters),
  });
  return { producer, close: () => sql.close() };
}

class ArrowportSqlService implements FlightSqlService {
  readonly #options: ArrowportSqlOptions;
  readonly #sessions: ClientSessions;
  readonly #prepared = createPreparedStatements();
  readonly #kept = createKeptResults();
  readonly #tickets;
  readonly #reader;
  readonly #parameters: ParameterMemory;
  readonly setSessionOptions;
  readonly getSessionOptions;
  readonly closeSession;

  constructor(options: ArrowportSqlOptions, parameters: ParameterMemory) {
    this.#options = options;
    this.#parameters = parameters;
    this.#sessions = createClientSessions(options.engine);
    this.#tickets = createTicketOffice(options.ticketLifetimeMs);
    this.#reader = createStatementReader({
      sessions: this.#sessions,
      prepared: this.#prepared,
      kept: this.#kept,
      engine: options.engine,
      ticketLifetimeMs: options.ticketLifetimeMs,
      partBytes: options.endpointBytes,
    });
    const sessionOptions = createSessionOptions(this.#sessions);
    this.setSessionOptions = sessionOptions.set;
    this.getSessionOptions = sessionOptions.get;
    this.closeSession = sessionOptions.close;
  }

  async describe(
    command: ReadingCommand,
    descriptor: FlightDescriptor,
    call: FlightCall,
  ): Promise<FlightInfoMessage> {
    return this.createInfo(await this.#describe(command, call), descriptor, call);
  }

  async schemaOf(command: ReadingCommand, call: FlightCall): Promise<ArrowSchema> {
    switch (command.name) {
      case 'CommandStatementQuery': {
        const { query, transactionId } = readStatement(command.message);
        const schema = await this.#reader.schemaOf(query, this.#sessions.find(call, transactionId), call);
        return describeDecimals(schema);
      }
      case 'CommandPreparedStatementQuery':
        return describeDecimals(
          await this.#reader.schemaOfPrepared(command.message.preparedStatementHandle ?? NO_BYTES, call),
        );
      case 'CommandStatementSubstraitPlan':
        throw noSubstrait();
      default:
        return catalogSchema(command);
    }
  }

  async read(ticket: TicketCommand, call: FlightCall) {
    if (ticket.name !== 'TicketStatementQuery') throw notIssued();
    const opened = this.#tickets.open(ticket.message.statementHandle ?? NO_BYTES, call.caller.name);
    const { content } = opened;
    if (content.kind !== 'catalog') {
      const stream = await this.#reader.read(opened, content, call);
      return { ...stream, schema: describeDecimals(stream.schema) };
    }
    const command = readSqlCommand(Buffer.from(content.command, 'base64')) as CatalogCommand;
    const { runner } = this.#sessions.reopen(content.place, call);
    return await readCatalog(command, { runner, context: queryContext(call), facts: this.#facts(call) });
  }

  async update(command: UpdateCommand, incoming: IncomingStream, call: FlightCall): Promise<number> {
    requireScope(call.caller, 'read', 'admin');
    if (command.name === 'CommandStatementSubstraitPlan') throw noSubstrait();
    if (command.name === 'CommandStatementUpdate') {
      const { query, transactionId } = readStatement(command.message);
      const { runner } = this.#sessions.find(call, transactionId);
      return countChanges(await runner.runUpdate(query, NO_PARAMETERS, queryContext(call)));
    }
    const handle = command.message.preparedStatementHandle ?? NO_BYTES;
    // A handle that is none is told before anything is read.
    this.#prepared.findToBind(handle, call.caller.name);
    const { parameters: sent, lease } = await readParameters(incoming, this.#parameters);
    let done: (() => void) | undefined;
    try {
      const found =
        sent.kind === 'arrow'
          ? this.#prepared.findToBind(handle, call.caller.name)
          : this.#prepared.find(handle, call.caller.name);
      done = found.lease?.use();
      const bound = await findPrepared({ sessions: this.#sessions, prepared: this.#prepared }, found, call);
      const parameters = sent.kind === 'arrow' ? sent : (bound.parameters ?? NO_PARAMETERS);
      return countChanges(await bound.query.executeUpdate(parameters, queryContext(call)));
    } finally {
      lease.leave();
      done?.();
    }
  }

  async bind(
    command: { readonly message: { readonly preparedStatementHandle?: Uint8Array } },
    incoming: IncomingStream,
    call: FlightCall,
  ): Promise<Uint8Array> {
    requireScope(call.caller, 'read', 'admin');
    const handle = command.message.preparedStatementHandle ?? NO_BYTES;
    const found = this.#prepared.findToBind(handle, call.caller.name);
    const { query } = await findPrepared({ sessions: this.#sessions, prepared: this.#prepared }, found, call);
    const held = await readParameters(incoming, this.#parameters);
    try {
      if (query.kind === 'query') await query.describe(held.parameters);
      return this.#prepared.bind(handle, held, call.caller.name);
    } finally {
      held.lease.leave();
    }
  }

  ingest(...[message, incoming, call]: Parameters<NonNullable<FlightSqlService['ingest']>>): Promise<number> {
    const { engine, ingestor, observer } = this.#options;
    const sessions = this.#sessions;
    return ingestStatement(message, incoming, call, { engine, ingestor, observer, sessions });
  }

  async prepare(message: StatementMessage, call: FlightCall) {
    const { query: sql, transactionId } = readStatement(message);
    const { runner, session, ticket } = this.#sessions.find(call, transactionId);
    const query = await runner.prepare(sql, queryContext(call));
    const parameterSchema = encapsulateSchema(query.parameterSchema);
    const datasetSchema = query.returnsRows
      ? encapsulateSchema(describeDecimals(query.resultSchema))
      : NO_BYTES;
    const preparedStatementHandle = this.#prepared.add(
      { query, transaction: ticket.transaction, inSession: session !== null },
      call.caller.name,
    );
    return { preparedStatementHandle, datasetSchema, parameterSchema, isUpdate: !query.returnsRows };
  }

  closePrepared(handle: Uint8Array, call: FlightCall): Promise<void> {
    return this.#prepared.close(handle, call.caller.name);
  }

  beginTransaction(call: FlightCall): Promise<Uint8Array> {
    return this.#sessions.begin(call);
  }

  async endTransaction(
    {
      transactionId = NO_BYTES,
      action = 0,
    }: { readonly transactionId?: Uint8Array; readonly action?: number },
    call: FlightCall,
  ): Promise<void> {
    await this.#sessions.end(transactionId, action, call);
  }

  async cancelFlightInfo({ endpoint }: FlightInfoMessage, call: FlightCall): Promise<number> {
    if (endpoint.length === 0) return cancelStatus.NOT_CANCELLABLE;
    for (const { ticket } of endpoint) {
      const signed = readTicket(ticket);
      const { content } = this.#tickets.open(signed, call.caller.name);
      this.#reader.cancelRead(this.#tickets.cancel(signed, call.caller.name));
      if (content.kind === 'kept') this.#kept.drop(content.id);
    }
    return cancelStatus.CANCELLED;
  }

  async renewFlightEndpoint(
    endpoint: FlightEndpointMessage,
    call: FlightCall,
  ): Promise<FlightEndpointMessage> {
    const { ticket, expiresAt } = this.#tickets.renew(readTicket(endpoint.ticket), call.caller.name);
    return { ...endpoint, ...createEndpoint(ticket, expiresAt) };
  }

  /** An info whose endpoints' tickets fetch the rows. */
  createInfo(rows: DescribedRows, descriptor: FlightDescriptor, call: FlightCall): FlightInfoMessage {
    const endpoint = rows.contents.map((content) => {
      const { ticket, expiresAt } = this.#tickets.issue(content, call.caller.name);
      return createEndpoint(ticket, expiresAt);
    });
    return {
      schema: encapsulateSchema(describeDecimals(rows.schema)),
      flightDescriptor: descriptor,
      endpoint,
      totalRecords: rows.rows,
      totalBytes: rows.bytes,
      ordered: endpoint.length === 1,
    };
  }

  async close(): Promise<void> {
    this.#kept.clear();
    await Promise.all([this.#prepared.closeAll(), this.#sessions.closeAll()]);
  }

  async #describe(command: ReadingCommand, call: FlightCall): Promise<DescribedRows> {
    switch (command.name) {
      case 'CommandStatementQuery': {
        const { query, transactionId } = readStatement(command.message);
        return await this.#reader.describe(query, this.#sessions.find(call, transactionId), call);
      }
      case 'CommandPreparedStatementQuery':
        return await this.#reader.describePrepared(command.message.preparedStatementHandle ?? NO_BYTES, call);
      case 'CommandStatementSubstraitPlan':
        throw noSubstrait();
      default: {
        const { ticket: place } = this.#sessions.find(call);
        const encoded = Buffer.from(writeSqlCommand(command)).toString('base64');
        const content: TicketContent = { kind: 'catalog', command: encoded, place };
        return { schema: catalogSchema(command), contents: [content], rows: -1, bytes: -1 };
      }
    }
  }

  #facts({ caller }: FlightCall): ServerFacts {
    return { ...this.#options.facts(), isReadOnly: !caller.hasScope('admin') && !caller.hasScope('ingest') };
  }
}

function readStatement({ query = '', transactionId }: StatementMessage): {
  readonly query: string;
  readonly transactionId: Uint8Array | undefined;
} {
  if (query.trim() === '') throw new ArrowportError('QUERY_INVALID', 'The statement is empty.');
  return { query, transactionId };
}

/** DDL changes no rows; a count that is not known makes JDBC ask for rows by running the statement again. */
function countChanges(count: number): number {
  return Math.max(0, count);
}

/** The signed part of an endpoint's ticket; messages may come without one. */
function readTicket(ticket: FlightEndpointMessage['ticket'] | null): Uint8Array {
  try {
    const command = readSqlCommand(ticket?.ticket ?? NO_BYTES);
    if (command.name === 'TicketStatementQuery') return command.message.statementHandle ?? NO_BYTES;
  } catch {
    // Whatever it is, it was not made here.
  }
  throw notIssued();
}

function notIssued(): ArrowportError {
  return new ArrowportError(
    'TICKET_INVALID',
    'The ticket is not one that this server has made. Ask for the flight info again.',
  );
}

function createEndpoint(statementHandle: Uint8Array, expiresAt: number): FlightEndpointMessage {
  return {
    ticket: { ticket: writeSqlCommand({ name: 'TicketStatementQuery', message: { statementHandle } }) },
    location: [],
    expirationTime: { seconds: Math.floor(expiresAt / 1000), nanos: (expiresAt % 1000) * 1_000_000 },
  };
}
