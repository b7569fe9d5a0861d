import type {
  PreparedQuery,
  QueryContext,
  QueryEngine,
  QueryParameters,
  QueryResult,
  QueryRunner,
} from '../../core/query.ts';
import { NO_PARAMETERS } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import type { FlightBatch, FlightStream } from '../flight/producer.ts';
import type { ClientSessions, StatementPlace } from './client-sessions.ts';
import { endBatches } from './end-batches.ts';
import type { KeptResults } from './kept-results.ts';
import type { BoundStatement, PreparedStatements } from './prepared-statements.ts';
import { partOf, type ShareOutParts, type StatementContent, shareOut } from './share-out.ts';
import type { OpenedTicket, TicketContent } from './tickets.ts';

/** Rows that a client may fetch: what they are, and what its tickets say of them. */
export interface DescribedRows {
  readonly schema: ArrowSchema;
  /** One ticket each; several are parts of the rows, to be read in any order, also side by side. */
  readonly contents: readonly TicketContent[];
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
export interface StatementReaderParts extends ShareOutParts {
  readonly sessions: ClientSessions;
  readonly prepared: PreparedStatements;
  readonly kept: KeptResults;
  readonly engine: Pick<QueryEngine, 'prepare' | 'splitRead'>;
  ticketLifetimeMs(): number;
}

/** The part of a query's context that comes from the call. */
export function queryContext({ requestId, caller, signal }: FlightCall): QueryContext {
  return { requestId, caller, signal };
}

/** Makes a reader of statements. */
export function createStatementReader(parts: StatementReaderParts): StatementReader {
  const { prepared, kept } = parts;
  const reads = createReads();

  return {
    async describe(sql, place, call) {
      const shares = await shareOut(parts, sql, place.session !== null, queryContext(call));
      const whole: StatementContent = { kind: 'statement', sql, place: place.ticket };
      return await describeStatement(parts, sql, place.runner, call, shares.length === 0 ? [whole] : shares);
    },
    async describePrepared(handle, call) {
      const bound = await findPrepared(parts, prepared.find(handle, call.caller.name), call);
      const { query, parameters, handle: ownHandle, binding } = bound;
      const { sql, kind, parameterSchema } = query;
      if (kind === 'query' && parameters === null && parameterSchema.fields.length === 0) {
        const shares = await shareOut(parts, sql, bound.inSession, queryContext(call));
        if (shares.length > 0) return await describeStatement(parts, sql, parts.engine, call, shares);
      }
      const content: TicketContent = { kind: 'prepared', handle: ownHandle, binding };
      const done = bound.lease?.use();
      try {
        return await describeQuery(parts, query, parameters, call, [content]);
      } finally {
        done?.();
      }
    },
    async schemaOf(sql, place, call) {
      const query = await place.runner.prepare(sql, queryContext(call));
      await query.close();
      return query.resultSchema;
    },
    async schemaOfPrepared(handle, call) {
      const bound = await findPrepared(parts, prepared.find(handle, call.caller.name), call);
      const { query, parameters } = bound;
      const done = bound.lease?.use();
      try {
        return parameters === null ? query.resultSchema : await query.describe(parameters);
      } finally {
        done?.();
      }
    },
    async read({ id }, content, call) {
      if (content.kind === 'kept') {
        const { schema, batches } = kept.find(content.id);
        return { schema, batches: iterate(batches) };
      }
      const signal = reads.start(id, call.signal);
      const context = { ...queryContext(call), signal };
      try {
        const { result, done } = await execute(parts, content, call, context);
        const onEnd = () => {
          reads.end(id, signal);
          done?.();
          return result.close();
        };
        return { schema: result.schema, batches: endBatches(result.batches, onEnd) };
      } catch (error) {
        reads.end(id, signal);
        throw error;
      }
    },
    cancelRead: reads.cancel,
  };
}

/** Runs what a ticket stands for; `done` is to be called when its parameters are no longer used. */
async function execute(
  { sessions, prepared }: Pick<StatementReaderParts, 'sessions' | 'prepared'>,
  content: Exclude<ReadableContent, { kind: 'kept' }>,
  call: FlightCall,
  context: QueryContext,
): Promise<{ readonly result: QueryResult; readonly done?: () => void }> {
  if (content.kind === 'statement') {
    const { runner } = sessions.reopen(content.place, call);
    return { result: await runner.run(content.sql, NO_PARAMETERS, { ...context, ...partOf(content) }) };
  }
  const { handle, binding } = content;
  const bound = prepared.findBinding(handle, binding, call.caller.name);
  const done = bound.lease?.use() ?? (() => undefined);
  try {
    const { query, parameters } = await findPrepared({ sessions, prepared }, bound, call);
    return { result: await query.execute(parameters ?? NO_PARAMETERS, context), done };
  } catch (error) {
    done();
    throw error;
  }
}

/** What a query will answer; a statement that changes rows runs here, once. */
async function describeQuery(
  parts: Pick<StatementReaderParts, 'kept' | 'ticketLifetimeMs'>,
  query: PreparedQuery,
  parameters: QueryParameters | null,
  call: FlightCall,
  contents: readonly TicketContent[],
): Promise<DescribedRows> {
  if (query.kind === 'query') {
    const schema = parameters === null ? query.resultSchema : await query.describe(parameters);
    return { schema, contents, rows: -1, bytes: -1 };
  }
  const executed = await query.execute(parameters ?? NO_PARAMETERS, queryContext(call));
  const { id, result } = await parts.kept.keep(executed, parts.ticketLifetimeMs());
  return { ...result, contents: [{ kind: 'kept', id }] };
}

async function describeStatement(
  parts: Pick<StatementReaderParts, 'kept' | 'ticketLifetimeMs'>,
  sql: string,
  runner: Pick<QueryRunner, 'prepare'>,
  call: FlightCall,
  contents: readonly StatementContent[],
): Promise<DescribedRows> {
  const query = await runner.prepare(sql, { ...queryContext(call), ...partOf(contents[0]) });
  try {
    refuseParameters(query);
    return await describeQuery(parts, query, null, call, contents);
  } finally {
    await query.close();
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
  const statement = { query, transaction: place.ticket.transaction, inSession: place.session !== null };
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
