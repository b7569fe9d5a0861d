import { pipeline, Readable } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { QueryContext, QueryEngine } from '../../core/query.ts';
import type { RowAnswer } from './accept.ts';
import { type AnswerPiece, PieceStream, partsOf, pieceBytes } from './answer-pieces.ts';
import { encodeResult } from './query-encode.ts';
import type { QueryRequest } from './query-request.ts';

/** The header, and the trailer of long answers, that tells that `max_rows` left rows out. */
export const TRUNCATED_HEADER = 'arrowport-truncated';

/** Bytes of a cut result that are held back to learn whether rows were left out before the answer begins. */
const HELD_BYTES = 16 * 1024 * 1024;

/** Runs the statement and streams its rows. What goes wrong before the first bytes throws; later, the answer breaks off. */
export async function sendResult(
  engine: QueryEngine,
  query: QueryRequest,
  context: QueryContext,
  answer: RowAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (answer.format === 'parquet') return sendParquet(engine, query, context, answer, request, reply);
  const result = await engine.run(query.sql, query.parameters, context);
  const pieces = encodeResult(result, answer);
  const head = await readHead(pieces, query.maxRows === undefined ? 1 : HELD_BYTES);
  reply.header('content-type', answer.mediaType);
  reply.header('vary', 'accept, accept-encoding');
  if (head.ended && result.isTruncated()) reply.header(TRUNCATED_HEADER, 'true');
  const withTrailer = !head.ended && query.maxRows !== undefined;
  if (withTrailer) {
    reply.trailer(TRUNCATED_HEADER, async () => String(result.isTruncated()));
  }
  const rows = resume(head, pieces);
  const compressed = compress(() => partsOf(rows), answer.format === 'arrow', request, reply);
  return reply.send(compressed ?? new PieceStream(rows));
}

/** Answers with the headers alone; the statement is prepared, not run. */
export async function sendHead(
  engine: QueryEngine,
  query: QueryRequest,
  context: QueryContext,
  answer: RowAnswer,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const prepared = await engine.prepare(query.sql, context);
  await prepared.close();
  reply.header('content-type', answer.mediaType);
  reply.header('vary', 'accept, accept-encoding');
  // A stream, so that no Content-Length is told: that of the rows is not known.
  return reply.send(Readable.from([], { objectMode: false }));
}

async function sendParquet(
  engine: QueryEngine,
  query: QueryRequest,
  context: QueryContext,
  answer: RowAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await engine.exportParquet(query.sql, query.parameters, context);
  reply.header('content-type', answer.mediaType);
  reply.header('vary', 'accept, accept-encoding');
  if (file.isTruncated) reply.header(TRUNCATED_HEADER, 'true');
  const compressed = compress(() => file.bytes, true, request, reply);
  if (compressed === null) reply.header('content-length', file.byteLength);
  return reply.send(compressed ?? Readable.from(file.bytes, { objectMode: false }));
}

interface Head {
  readonly pieces: readonly AnswerPiece[];
  readonly ended: boolean;
}

/** Reads until rows are on their way, and on until `wanted` bytes are there or the end. */
async function readHead(pieces: AsyncGenerator<AnswerPiece>, wanted: number): Promise<Head> {
  const head: AnswerPiece[] = [];
  let bytes = 0;
  // The first piece is only the schema, or what stands before the rows.
  while (head.length < 2 || bytes < wanted) {
    const { done, value } = await pieces.next();
    if (done === true) return { pieces: head, ended: true };
    head.push(value);
    bytes += pieceBytes(value);
  }
  return { pieces: head, ended: false };
}

async function* resume(head: Head, rest: AsyncGenerator<AnswerPiece>): AsyncGenerator<AnswerPiece> {
  try {
    yield* head.pieces;
    if (!head.ended) yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** Compresses as the client accepts it, zstd before gzip, or answers null; a failure of the rows breaks the answer off all the same. */
function compress(
  bytes: () => AsyncIterable<Uint8Array>,
  isBinary: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Readable | null {
  const coding = chooseCoding(String(request.headers['accept-encoding'] ?? ''), isBinary);
  if (coding === null) return null;
  reply.header('content-encoding', coding);
  const compressor =
    coding === 'zstd'
      ? createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
      : createGzip({ level: 3 });
  return pipeline(Readable.from(bytes(), { objectMode: false }), compressor, () => undefined);
}

/**
 * Libraries list all that they understand, unasked, `deflate` among it: Arrow and Parquet are compressed only for clients
 * that name nothing but zstd and gzip, since it would cost the others most of their speed.
 */
function chooseCoding(header: string, isBinary: boolean): 'zstd' | 'gzip' | null {
  if (isBinary && /deflate|\bbr\b|\*/i.test(header)) return null;
  const accepted = new Map(
    header.split(',').map((entry) => {
      const [name = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, quality === undefined ? 1 : Number(quality.slice(2))] as const;
    }),
  );
  const quality = (name: string) => accepted.get(name) ?? 0;
  const best = quality('zstd') >= quality('gzip') ? 'zstd' : 'gzip';
  return quality(best) > 0 && quality(best) >= quality('identity') ? best : null;
}
