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
    const error = fromFastify(thrown);
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
function fromFastify(thrown: unknown): ArrowportError {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return toArrowportError(thrown);
  return new ArrowportError(
    'MEDIA_TYPE_UNSUPPORTED',
    'The Content-Type is no media type: send application/vnd.apache.arrow.stream or application/vnd.apache.arrow.file.',
    { cause: thrown },
  );
}

const PARSER_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers bytes that are no HTTP request, in HTTP if it can, and closes the connection. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status = PARSER_STATUS[error.code ?? ''] ?? 400;
  const title = STATUS_CODES[status] ?? 'Bad Request';
  const detail =
    status === 408 ? 'The head of the request did not come in time.' : 'This is no valid HTTP request.';
  const body = JSON.stringify(describePlainProblem(status, title, detail, readRequestId({ headers: {} })));
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: ${PROBLEM_MEDIA_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
