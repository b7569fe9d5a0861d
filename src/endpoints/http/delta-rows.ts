import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { defined } from '../../core/defined.ts';
import type { ChangesOptions, DeltaAccess, DeltaRowStream, ReadOptions } from '../../core/delta.ts';
import type { OptionValues } from '../../core/delta-options.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { chooseRowAnswer, type RowAnswer } from './accept.ts';
import { contextOf } from './call-context.ts';
import { findQueryCount, findQueryNames, findQueryText, findQueryTime, readCount } from './delta-query.ts';
import { refuseUnknownQuery } from './ingest-headers.ts';
import { toJsonArray } from './json-array.ts';

/** The header of a rows answer that names the table version. */
export const VERSION_HEADER = 'arrowport-table-version';

const SELECTION = ['columns', 'filter', 'limit'] as const;

/** Answers the rows of a table: of a version, of a time (`timestamp`), or the latest. */
export async function sendRows(
  access: DeltaAccess,
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  version: string | null,
): Promise<FastifyReply> {
  const table = readStreamName(name);
  const query = request.query as OptionValues;
  refuseUnknownQuery(query, version === null ? ['timestamp', ...SELECTION] : SELECTION);
  const answer = chooseRowAnswer(request.headers.accept);
  const timestamp = version === null ? findQueryTime(query, 'timestamp') : undefined;
  const options: ReadOptions = {
    ...readSelection(query),
    ...formatOf(answer),
    ...(version === null ? {} : { version: readCount('The version', version) }),
    ...defined({ timestamp }),
  };
  const tables = await access.tables();
  return send(reply, await tables.read(table, { ...options, ...head(request) }, contextOf(request)), answer);
}

/** Answers the changes of a table between two versions. */
export async function sendChanges(
  access: DeltaAccess,
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
): Promise<FastifyReply> {
  const table = readStreamName(name);
  const query = request.query as OptionValues;
  refuseUnknownQuery(query, ['from', 'to', ...SELECTION]);
  const answer = chooseRowAnswer(request.headers.accept);
  const options: ChangesOptions = {
    ...readSelection(query),
    ...formatOf(answer),
    ...defined({ from: findQueryCount(query, 'from'), to: findQueryCount(query, 'to') }),
  };
  const tables = await access.tables();
  return send(
    reply,
    await tables.changes(table, { ...options, ...head(request) }, contextOf(request)),
    answer,
  );
}

/** HEAD wants the headers, and what would be wrong with the request, but no row is read for it. */
function head(request: FastifyRequest): { limit?: 0 } {
  return request.method === 'HEAD' ? { limit: 0 } : {};
}

function readSelection(query: OptionValues): Pick<ReadOptions, 'columns' | 'filter' | 'limit'> {
  const columns = findQueryNames(query, 'columns');
  const filter = findQueryText(query, 'filter');
  return defined({ columns, filter, limit: findQueryCount(query, 'limit') });
}

function formatOf({ format, compression }: RowAnswer): Pick<ReadOptions, 'format' | 'compression'> {
  return { format, ...(compression === undefined ? {} : { compression }) };
}

async function send(reply: FastifyReply, rows: DeltaRowStream, answer: RowAnswer): Promise<FastifyReply> {
  const bytes = rows.bytes[Symbol.asyncIterator]();
  // What goes wrong before the first byte can still be told as a problem.
  const first = await bytes.next();
  const all = resume(first, bytes);
  reply.header('content-type', answer.mediaType);
  reply.header(VERSION_HEADER, rows.version);
  return reply.send(Readable.from(answer.asArray ? toJsonArray(all) : all, { objectMode: false }));
}

async function* resume(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
