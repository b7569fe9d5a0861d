import { openFlightStream } from '../../arrow/flight-reader.ts';
import { requireScope, requireStream } from '../../core/auth.ts';
import type { Ingestor, IngestRequest } from '../../core/ingest.ts';
import type { IngestObserver } from '../../core/observer.ts';
import type { QueryEngine, QuerySession } from '../../core/query.ts';
import { isStreamName } from '../../core/stream-name.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import { readIdempotencyKey } from '../flight/descriptor.ts';
import type { IncomingStream } from '../flight/producer.ts';
import type { ClientSessions } from './client-sessions.ts';
import { ifExists, ifNotExist, type StatementIngestMessage } from './sql-messages.ts';
import { queryContext } from './statement-reader.ts';

/** What a `CommandStatementIngest` needs of the server. */
export interface StatementIngestParts {
  readonly engine: QueryEngine;
  readonly ingestor: Ingestor;
  readonly sessions: ClientSessions;
  /** Told of loads that fail before the ingest path has them. */
  readonly observer: Pick<IngestObserver, 'requestFailed'>;
}

const KEY_OPTION = 'arrowport.idempotency-key';
const KEY_HEADER = 'idempotency-key';
const OPTION_PREFIX = 'arrowport.';
const DELTA_SCHEMA = 'delta';
const DEFAULT_SCHEMA = 'main';
const TEMPORARY_CATALOG = 'temp';

/**
 * Loads a stream into a table by the same path as every other load: the table's name is the stream's, its route
 * applies. Inside a transaction, and into temporary tables, the rows become part of the session. Resolves with the rows
 * written. Throws every code of the ingest path, TABLE_EXISTS, TABLE_NOT_FOUND, HANDLE_NOT_FOUND.
 */
export async function ingestStatement(
  message: StatementIngestMessage,
  incoming: IncomingStream,
  call: FlightCall,
  parts: StatementIngestParts,
): Promise<number> {
  const request = await planIngest(message, incoming, call, parts).catch((thrown: unknown) => {
    const error = toArrowportError(thrown);
    const { requestId, caller } = call;
    const stream = isStreamName(message.table ?? '') ? (message.table ?? null) : null;
    parts.observer.requestFailed({ requestId, transport: 'flight', stream, caller: caller.name }, error);
    throw error;
  });
  const receipt = await parts.ingestor.ingest(request);
  // ADBC names no transaction: a client that has one open wants to see what it has loaded.
  if (request.beginLoad === undefined) parts.sessions.renewSnapshot(call);
  return receipt.rows_processed;
}

async function planIngest(
  message: StatementIngestMessage,
  incoming: IncomingStream,
  call: FlightCall,
  parts: StatementIngestParts,
): Promise<IngestRequest> {
  requireScope(call.caller, 'ingest');
  const target = await readTarget(message, call, parts.engine);
  const idempotencyKey = readKey(message, call);
  const session = await findSession(message, target, idempotencyKey, call, parts.sessions);
  if (session !== null && idempotencyKey !== null)
    throw invalid('An idempotency key is for a load that commits by itself, not for one inside a session.');
  const isJoined = !target.isTemporary && !namesTransaction(message);
  return {
    ...target.place,
    transport: 'flight',
    requestId: call.requestId,
    caller: call.caller,
    backend: null,
    mode: null,
    schemaMode: null,
    partitionBy: null,
    idempotencyKey,
    ...readTableOptions(message),
    ...(session === null
      ? {}
      : {
          beginLoad: (load) =>
            isJoined && load.route.backend === 'delta'
              ? null
              : session.beginLoad({ ...load, ...readTableOptions(message), isTemporary: target.isTemporary }),
        }),
    open: (resources) => openFlightStream(incoming.readFrames(resources.allocator), resources),
    signal: call.signal,
  };
}

interface IngestTarget {
  readonly place: Pick<IngestRequest, 'stream' | 'deltaTable' | 'table'>;
  readonly isTemporary: boolean;
}

async function readTarget(
  { table = '', schema = '', catalog = '', temporary = false }: StatementIngestMessage,
  call: FlightCall,
  engine: QueryEngine,
): Promise<IngestTarget> {
  if (table === '') throw invalid('The command names no table.');
  const isTemporary = temporary || catalog === TEMPORARY_CATALOG;
  if (catalog !== '' && !isTemporary) await requireCatalog(catalog, call, engine);
  if (isTemporary) return { place: { stream: table, table: { schema: null, name: table } }, isTemporary };
  if (schema === DELTA_SCHEMA || catalog === DELTA_SCHEMA) {
    requireStream(call.caller, table);
    return { place: { stream: table, deltaTable: table }, isTemporary };
  }
  const isDefault = schema === '' || schema === DEFAULT_SCHEMA;
  requireStream(call.caller, isDefault ? table : `${schema}.${table}`);
  if (isDefault) return { place: { stream: table }, isTemporary };
  return { place: { stream: `${schema}.${table}`, table: { schema, name: table } }, isTemporary };
}

async function requireCatalog(catalog: string, call: FlightCall, engine: QueryEngine): Promise<void> {
  const schemas = await engine.listSchemas(queryContext(call));
  if (schemas.some((known) => known.catalog === catalog)) return;
  throw new ArrowportError('TABLE_NOT_FOUND', `There is no catalog ${JSON.stringify(catalog.slice(0, 60))}.`);
}

function namesTransaction({ transactionId }: StatementIngestMessage): boolean {
  return transactionId !== undefined && transactionId.byteLength > 0;
}

async function findSession(
  message: StatementIngestMessage,
  { place, isTemporary }: IngestTarget,
  idempotencyKey: string | null,
  call: FlightCall,
  sessions: ClientSessions,
): Promise<QuerySession | null> {
  if (namesTransaction(message)) return sessions.find(call, message.transactionId).session;
  if (isTemporary) return await sessions.open(call);
  // ADBC names no transaction, and its tables may be made or dropped in one that is open.
  const mayJoin = idempotencyKey === null && place.deltaTable === undefined;
  return mayJoin ? sessions.changing(call) : null;
}

function readTableOptions({ tableDefinitionOptions = {} }: StatementIngestMessage): {
  readonly ifAbsent: 'create' | 'fail';
  readonly ifExists: 'append' | 'replace' | 'fail';
} {
  const absent = tableDefinitionOptions.ifNotExist ?? ifNotExist.UNSPECIFIED;
  const exists = tableDefinitionOptions.ifExists ?? ifExists.UNSPECIFIED;
  return { ifAbsent: readIfAbsent(absent), ifExists: readIfExists(exists) };
}

function readIfAbsent(option: number): 'create' | 'fail' {
  if (option === ifNotExist.FAIL) return 'fail';
  if (option === ifNotExist.CREATE || option === ifNotExist.UNSPECIFIED) return 'create';
  throw invalid(`if_not_exist has the unknown value ${option}.`);
}

function readIfExists(option: number): 'append' | 'replace' | 'fail' {
  if (option === ifExists.FAIL) return 'fail';
  if (option === ifExists.REPLACE) return 'replace';
  if (option === ifExists.APPEND || option === ifExists.UNSPECIFIED) return 'append';
  throw invalid(`if_exists has the unknown value ${option}.`);
}

function readKey({ options }: StatementIngestMessage, call: FlightCall): string | null {
  for (const name of Object.keys(options)) {
    if (name.startsWith(OPTION_PREFIX) && name !== KEY_OPTION)
      throw invalid(`There is no option ${JSON.stringify(name.slice(0, 60))}; known is ${KEY_OPTION}.`);
  }
  const given = [options[KEY_OPTION], ...call.readHeader(KEY_HEADER).map(String)];
  const keys = new Set(given.filter((key) => key !== undefined).map(readIdempotencyKey));
  if (keys.size > 1) throw invalid('The call carries two different idempotency keys; send one.');
  const [key] = keys;
  return key ?? null;
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}
