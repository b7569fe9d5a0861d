import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IngestObserver } from '../../core/observer.ts';
import { isStreamName, readStreamName } from '../../core/stream-name.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { describePlainProblem, describeProblem, PROBLEM_MEDIA_TYPE, sendProblem } from './problem.ts';
import { readRequestId } from './request-id.ts';
import type { RouteList } from './route-list.ts';

/** Paths whose last part names a stream. */
const STREAM_PATH = /^\/(?:ingest|stream|streams|delta)\/([^?]*)/;

/** Answers every error that is thrown before or beside the ingest path, and tells the observer. */
export function answerFailures(app: FastifyInstance, observer: IngestObserver, routes: RouteList): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = fromFastify(thrown, request);
    const caller = request.caller === undefined ? {} : { caller: request.caller.name };
    const failed = {
      requestId: request.id,
      transport: 'http',
      stream: streamOf(request),
      ...caller,
    } as const;
    observer.requestFailed(failed, error);
    return sendProblem(request, reply, describeProblem(error, request.id));
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '/';
    const methods = routes.methodsOf(path);
    if (methods.length === 0) {
      const detail = 'There is no such path here; GET /docs lists those there are.';
      return sendProblem(request, reply, describePlainProblem(404, 'Not Found', detail, request.id));
    }
    // A path that takes the method and was not found lacks its last part: a name of no characters.
    if (methods.includes(request.method)) return answerName('', request, reply, observer);
    reply.header('allow', methods.join(', '));
    const detail = `This path takes ${methods.join(', ')}.`;
    return sendProblem(request, reply, describePlainProblem(405, 'Method Not Allowed', detail, request.id));
  });
}

/** Answers a URL that cannot be decoded: where a stream's name would stand, it is an impossible name. */
export function answerBadUrl(
  request: FastifyRequest,
  reply: FastifyReply,
  observer: IngestObserver,
): FastifyReply {
  const name = STREAM_PATH.exec(request.url)?.[1];
  if (name === undefined) {
    const detail = 'The URL has percent-encoding that cannot be decoded.';
    return sendProblem(request, reply, describePlainProblem(400, 'Bad Request', detail, request.id));
  }
  return answerName(name, request, reply, observer);
}

function answerName(
  name: string,
  request: FastifyRequest,
  reply: FastifyReply,
  observer: IngestObserver,
): FastifyReply {
  const error = nameError(name);
  observer.requestFailed({ requestId: request.id, transport: 'http', stream: null }, error);
  return sendProblem(request, reply, describeProblem(error, request.id));
}

function nameError(name: string): ArrowportError {
  try {
    readStreamName(name);
  } catch (error) {
    return toArrowportError(error);
  }
  return new ArrowportError('STREAM_NAME_INVALID', 'The name of the stream cannot be decoded.');
}

function streamOf(request: FastifyRequest): string | null {
  const params = request.params;
  if (typeof params !== 'object' || params === null || !('stream' in params)) return null;
  return typeof params.stream === 'string' && isStreamName(params.stream) ? params.stream : null;
}

/** Fastify refuses a Content-Type that is none before any route sees it. */
function fromFastify(thrown: unknown, request: FastifyRequest): ArrowportError {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return toArrowportError(thrown);
  const wanted = request.url.startsWith('/query')
    ? 'send SQL as text/plain, application/sql or application/json'
    : 'send application/vnd.apache.arrow.stream or application/vnd.apache.arrow.file';
  return new ArrowportError('MEDIA_TYPE_UNSUPPORTED', `The Content-Type is no media type: ${wanted}.`, {
    cause: thrown,
  });
}

const PARSER_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

const PARSER_DETAIL: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The head of the request is over 16 KiB.',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'The extensions of a chunk are too long.',
  HPE_INVALID_EOF_STATE: 'The request ended before the end of its body; nothing of it was kept.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The head of the request did not come in time.',
};

/** Answers bytes that are no HTTP request, in HTTP if it can, and closes the connection. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status = PARSER_STATUS[error.code ?? ''] ?? 400;
  const title = STATUS_CODES[status] ?? 'Bad Request';
  const detail = PARSER_DETAIL[error.code ?? ''] ?? 'This is no valid HTTP request.';
  const id = readRequestId({ headers: {} });
  const body = `${JSON.stringify(describePlainProblem(status, title, detail, id))}\n`;
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `x-request-id: ${id}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `date: ${new Date().toUTCString()}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
