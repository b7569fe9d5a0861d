import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { QueryContext } from '../../core/query.ts';
import { chooseRowAnswer } from './accept.ts';
import { callerOf } from './access.ts';
import type { HttpEndpointDeps } from './deps.ts';
import { sendHead, sendResult } from './query-answer.ts';
import { createHeldStatements, type QueryRequest, readQueryBody, readQueryUrl } from './query-request.ts';
import { getQuerySchema, postQuerySchema } from './query-schemas.ts';

const config = { access: { scopes: ['read', 'admin'] } } as const;

/** Registers `POST /query` and `GET /query` (with HEAD). */
export function registerQueryRoutes(
  app: FastifyInstance,
  { settings }: Pick<HttpEndpointDeps, 'settings'>,
  engine: NonNullable<HttpEndpointDeps['queries']>,
): void {
  const held = createHeldStatements();
  const answerQuery = (request: FastifyRequest, reply: FastifyReply, query: QueryRequest) => {
    const answer = chooseRowAnswer(request.headers.accept);
    const context = readContext(request, query);
    if (request.method === 'HEAD') return sendHead(engine, query, context, answer, reply);
    return sendResult(engine, query, context, answer, request, reply);
  };
  app.post('/query', { schema: postQuerySchema, config }, async (request, reply) => {
    // What cannot be answered is refused before its body is read.
    chooseRowAnswer(request.headers.accept);
    return answerQuery(request, reply, await readQueryBody(request, settings(), held));
  });
  app.get('/query', { schema: getQuerySchema, config }, async (request, reply) =>
    answerQuery(request, reply, readQueryUrl(request)),
  );
}

/** A GET changes nothing, whoever sends it. */
function readContext(request: FastifyRequest, { timeoutMs, maxRows }: QueryRequest): QueryContext {
  const signal = request.bodySource?.signal;
  return {
    requestId: request.id,
    caller: callerOf(request),
    readOnly: request.method !== 'POST',
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxRows === undefined ? {} : { maxRows }),
  };
}
