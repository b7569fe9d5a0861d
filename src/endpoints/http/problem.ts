import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ArrowportError, type ErrorCode, errorTable } from '../../errors.ts';

/** The media type of problem documents. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

const DEFAULT_RETRY_MS = 1000;

/**
 * What an error looks like over HTTP. Problems of HTTP itself (no such route, wrong method) have the type
 * `about:blank` and the status that HTTP has for them; their code is the nearest of the table.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly request_id: string;
  readonly code?: ErrorCode;
  readonly outcome?: string;
  readonly column?: string;
  readonly limit?: string;
  readonly retry_after_ms?: number;
  readonly line?: number;
  readonly position?: number;
}

/** Where the documentation of a code is, relative to the server. */
export function problemType(code: ErrorCode): string {
  return `/docs#errors-${code}`;
}

/** The problem document of an error; its cause stays out. */
export function describeProblem(error: ArrowportError, requestId: string): Problem {
  const { column, limit, line, position } = error.details;
  const retryAfterMs = retryAfter(error);
  return {
    type: problemType(error.code),
    title: errorTable[error.code].title,
    status: error.httpStatus,
    detail: error.message,
    code: error.code,
    outcome: error.outcome,
    request_id: requestId,
    ...(column === undefined ? {} : { column }),
    ...(limit === undefined ? {} : { limit }),
    ...(retryAfterMs === null ? {} : { retry_after_ms: retryAfterMs }),
    ...(line === undefined ? {} : { line }),
    ...(position === undefined ? {} : { position }),
  };
}

/** A problem that HTTP itself has a name for; nothing was done, so its outcome is `rejected`. */
export function describePlainProblem(
  status: number,
  title: string,
  detail: string,
  requestId: string,
): Problem {
  const code = status === 404 ? 'TABLE_NOT_FOUND' : 'OPTION_INVALID';
  const { outcome } = errorTable[code];
  return { type: 'about:blank', title, status, detail, code, outcome, request_id: requestId };
}

/** Seconds for `Retry-After`: whole, 1 to 30. */
export function retryAfterSeconds(milliseconds: number): number {
  return Math.min(30, Math.max(1, Math.ceil(milliseconds / 1000)));
}

/**
 * Answers with a problem. Where the body of the request is not read to its end, the answer goes out at once and
 * the connection is closed only after (a bounded part of) the rest was dropped: closing with unread bytes would
 * reset it and take the answer away from a client that is still sending.
 */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const bytes = Buffer.from(`${JSON.stringify(problem)}\n`);
  reply.code(problem.status);
  reply.header('content-type', PROBLEM_MEDIA_TYPE);
  reply.header('content-length', bytes.byteLength);
  reply.header('x-request-id', request.id);
  if (problem.retry_after_ms !== undefined) {
    reply.header('retry-after', retryAfterSeconds(problem.retry_after_ms));
  }
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  if (problem.code === 'SHUTTING_DOWN' || problem.code === 'DEADLINE_EXCEEDED') {
    reply.header('connection', 'close');
  }
  const body = request.bodySource;
  if (!body?.isUnread() || problem.code === 'DEADLINE_EXCEEDED') return reply.send(bytes);
  reply.header('connection', 'close');
  return reply.send(Readable.from(answerThenDrop(bytes, body), { objectMode: false }));
}

async function* answerThenDrop(bytes: Buffer, body: { discard(): Promise<void> }): AsyncGenerator<Buffer> {
  yield bytes;
  await body.discard();
}

function retryAfter(error: ArrowportError): number | null {
  const { retryAfterMs } = error.details;
  if (retryAfterMs !== undefined) return retryAfterMs;
  return error.httpStatus === 429 || error.httpStatus === 503 ? DEFAULT_RETRY_MS : null;
}
