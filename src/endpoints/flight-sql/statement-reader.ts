import type { PreparedQuery, QueryContext, QueryParameters, QueryResult } from '../../core/query.ts';
import { NO_PARAMETERS } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import type { FlightBatch, FlightStream } from '../flight/producer.ts';
import type { ClientSessions, StatementPlace } from './client-sessions.ts';
import type { KeptResults } from './kept-results.ts';
import type { BoundStatement, PreparedStatements } from './prepared-statements.ts';
import type { OpenedTicket, TicketContent } from './tickets.ts';

/** Rows that a client may fetch: what they are, and what its ticket says of them. */
export interface DescribedRows {
  readonly schema: ArrowSchema;
  readonly content: TicketContent;
  /** -1 where they are not counted yet. */
  readonly rows: number;
  readonly bytes: number;
}

/** Describes and reads the rows of statements. */
export interface StatementReader {
  /** A statement that only reads runs when its rows are fetched; one that changes something runs now, once. */
  describe(sql: string, place: StatementPlace, call: FlightCall): Promise<DescribedRows>;
  /** The same for a prepared statement and the parameters bound to it. */
  describePrepared(handle: Uint8Array, call: FlightCall): Promise<DescribedRows>;
  schemaOf(sql: string, place: StatementPlace, call: FlightCall): Promise<ArrowSchema>;
  schemaOfPrepared(handle: Uint8Array, call: FlightCall): Promise<ArrowSchema>;
  /** Fetches the rows that a ticket stands for; `cancelRead` ends fetches under way. */
  read(ticket: OpenedTicket, content: ReadableContent, call: FlightCall): Promise<FlightStream>;
  /** Ends what is being fetched with the ticket of this id. */
  cancelRead(ticketId: string): void;
}

/** Tickets of statements; those of the catalog are read elsewhere. */
export type ReadableContent = Exclude<TicketContent, { readonly kind: 'catalog' }>;

/** What a reader of statements is made of. */
export interface StatementReaderParts {
  readonly sessions: ClientSessions;
  readonly prepared: PreparedStatements;
  readonly kept: KeptResults;
  ticketLifetimeMs(): number;
}

/** The part of a query's context that comes from the call. */
export function queryContext({ requestId, caller, signal }: FlightCall): QueryContext {
  return { requestId, caller, signal };
}

/** Makes a reader of statements. */
export function createStatementReader(parts: StatementReaderParts): StatementReader {
  const { sessions, prepared, kept } = parts;
  const reads = createReads();

  const describeQuery = async (
    query: PreparedQuery,
    parameters: QueryParameters | null,
    call: FlightCall,
    content: TicketContent,
  ): Promise<DescribedRows> => {
    if (query.kind === 'query') {
      const schema = parameters === null ? query.resultSchema : await query.describe(parameters);
      return { schema, content, rows: -1, bytes: -1 };
    }
    const executed = await query.execute(parameters ?? NO_PARAMETERS, queryContext(call));
    const { id, result } = await kept.keep(executed, parts.ticketLifetimeMs());
    return { ...result, content: { kind: 'kept', id } };
  };

  return {
    async describe(sql, place, call) {
      const query = await place.runner.prepare(sql, queryContext(call));
      try {
        refuseParameters(query);
        const content: TicketContent = { kind: 'statement', sql, place: place.ticket };
        return await describeQuery(query, null, call, content);
      } finally {
        await query.close();
      }
    },
    async describePrepared(handle, call) {
      const bound = await findPrepared(parts, prepared.find(handle, call.caller.name), call);
      const { query, parameters, handle: ownHandle, binding } = bound;
      return await describeQuery(query, parameters, call, { kind: 'prepared', handle: ownHandle, binding });
    },
    async schemaOf(sql, place, call) {
      const query = await place.runner.prepare(sql, queryContext(call));
      await query.close();
      return query.resultSchema;
    },
    async schemaOfPrepared(handle, call) {
      const { query, parameters } = await findPrepared(parts, prepared.find(handle, call.caller.name), call);
      return parameters === null ? query.resultSchema : await query.describe(parameters);
    },
    async read({ id }, content, call) {
      if (content.kind === 'kept') {
        const { schema, batches } = kept.find(content.id);
        return { schema, batches: iterate(batches) };
      }
      const signal = reads.start(id, call.signal);
      const context = { ...queryContext(call), signal };
      try {
        const result = await execute(content, call, context);
        return { schema: result.schema, batches: readResult(result, () => reads.end(id, signal)) };
      } catch (error) {
        reads.end(id, signal);
        throw error;
      }
    },
    cancelRead: reads.cancel,
  };

  async function execute(
    content: Exclude<ReadableContent, { kind: 'kept' }>,
    call: FlightCall,
    context: QueryContext,
  ): Promise<QueryResult> {
    if (content.kind === 'statement') {
      return await sessions.reopen(content.place, call).runner.run(content.sql, NO_PARAMETERS, context);
    }
    const { handle, binding } = content;
    const bound = prepared.findBinding(handle, binding, call.caller.name);
    const { query, parameters } = await findPrepared(parts, bound, call);
    return await query.execute(parameters ?? NO_PARAMETERS, context);
  }
}

/** The statement, prepared anew where the transaction that it was prepared in has ended. */
export async function findPrepared(
  { sessions, prepared }: Pick<StatementReaderParts, 'sessions' | 'prepared'>,
  bound: BoundStatement,
  call: FlightCall,
): Promise<BoundStatement> {
  const place = sessions.succeed(bound.transaction, call);
  if (place === null) return bound;
  const query = await place.runner.prepare(bound.query.sql, queryContext(call));
  const statement = { query, transaction: place.ticket.transaction };
  prepared.move(bound.handle, statement, call.caller.name);
  await bound.query.close();
  return { ...bound, ...statement };
}

function refuseParameters({ parameterSchema }: PreparedQuery): void {
  const count = parameterSchema.fields.length;
  if (count === 0) return;
  throw new ArrowportError(
    'QUERY_INVALID',
    `The statement has ${count === 1 ? 'a parameter' : `${count} parameters`}: prepare it and bind values.`,
  );
}

async function* iterate(batches: readonly FlightBatch[]): AsyncGenerator<FlightBatch> {
  yield* batches;
}

async function* readResult(result: QueryResult, onEnd: () => void): AsyncGenerator<FlightBatch> {
  try {
    yield* result.batches;
  } finally {
    onEnd();
    await result.close();
  }
}

/** The fetches under way, by the tickets they were begun with. */
function createReads() {
  const running = new Map<string, Map<AbortSignal, AbortController>>();
  return {
    start(id: string, callSignal: AbortSignal): AbortSignal {
      const controller = new AbortController();
      const signal = AbortSignal.any([callSignal, controller.signal]);
      const ofTicket = running.get(id) ?? new Map<AbortSignal, AbortController>();
      running.set(id, ofTicket.set(signal, controller));
      return signal;
    },
    end(id: string, signal: AbortSignal): void {
      const ofTicket = running.get(id);
      ofTicket?.delete(signal);
      if (ofTicket?.size === 0) running.delete(id);
    },
    cancel(id: string): void {
      const error = new ArrowportError('CANCELLED', 'The query was cancelled.');
      for (const controller of running.get(id)?.values() ?? []) controller.abort(error);
    },
  };
}
