import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Scope } from '../../core/auth.ts';
import type { OptionValues } from '../../core/delta-options.ts';
import { type DeltaVerb, deltaVerbs, runDeltaVerb } from '../../core/delta-verbs.ts';
import { createArrowBody } from './arrow-body.ts';
import { contextOf } from './call-context.ts';
import { deltaIngestDoor, deltaMergeDoor } from './delta-ingest.ts';
import { findQueryCount } from './delta-query.ts';
import {
  changesSchema,
  deltaIngestSchema,
  deltaMergeSchema,
  rowsSchema,
  verbSchema,
  versionSchema,
} from './delta-route-schemas.ts';
import { sendChanges, sendRows } from './delta-rows.ts';
import type { HttpEndpointDeps } from './deps.ts';
import type { HeldBytes } from './held-bytes.ts';
import { checkDeclaredLength, refuseUnknownQuery } from './ingest-headers.ts';
import { createIngestHandler } from './ingest-routes.ts';
import { readJsonOptions } from './json-options.ts';
import { createRequestBody } from './request-body.ts';

type TableParams = { Params: { table: string } };

const tableAccess = (...scopes: readonly Scope[]) => ({ access: { scopes, streamParameter: 'table' } });

const { list, info, history, ...posted } = deltaVerbs;

/** Registers every route under `/delta`. */
export function registerDeltaRoutes(app: FastifyInstance, deps: HttpEndpointDeps, held: HeldBytes): void {
  const ingest = createIngestHandler(deps, held, deltaIngestDoor);
  const merge = createIngestHandler(deps, held, deltaMergeDoor);
  app.post<TableParams>(
    '/delta/:table',
    { schema: deltaIngestSchema, config: tableAccess('ingest') },
    (request, reply) => ingest(request, reply, request.params.table),
  );
  app.post<TableParams>(
    '/delta/:table/merge',
    { schema: deltaMergeSchema, config: tableAccess('ingest', 'admin') },
    (request, reply) => merge(request, reply, request.params.table),
  );
  registerDescriptions(app, deps);
  registerRows(app, deps);
  for (const verb of Object.values(posted)) registerVerb(app, deps, verb);
}

function registerDescriptions(app: FastifyInstance, { delta }: HttpEndpointDeps): void {
  app.get('/delta', { schema: verbSchema(list), config: { access: { scopes: ['read'] } } }, (request) => {
    refuseUnknownQuery(request.query, []);
    return runDeltaVerb(delta, list, null, {}, contextOf(request));
  });
  const describe = (request: FastifyRequest<TableParams>) => {
    refuseUnknownQuery(request.query, []);
    return runDeltaVerb(delta, info, request.params.table, {}, contextOf(request));
  };
  app.get<TableParams>('/delta/:table', { schema: verbSchema(info), config: tableAccess('read') }, describe);
  app.get<TableParams>(
    '/delta/:table/info',
    { schema: verbSchema(info, 'Path'), config: tableAccess('read') },
    describe,
  );
  app.get<TableParams>(
    '/delta/:table/history',
    { schema: verbSchema(history), config: tableAccess('read') },
    (request) => {
      refuseUnknownQuery(request.query, ['limit']);
      const limit = findQueryCount(request.query as OptionValues, 'limit') ?? null;
      return runDeltaVerb(delta, history, request.params.table, { limit }, contextOf(request));
    },
  );
}

function registerRows(app: FastifyInstance, { delta }: HttpEndpointDeps): void {
  app.get<TableParams>(
    '/delta/:table/rows',
    { schema: rowsSchema, config: tableAccess('read') },
    (request, reply) => sendRows(delta, request, reply, request.params.table, null),
  );
  app.get<{ Params: { table: string; version: string } }>(
    '/delta/:table/version/:version',
    { schema: versionSchema, config: tableAccess('read') },
    (request, reply) => sendRows(delta, request, reply, request.params.table, request.params.version),
  );
  app.get<TableParams>(
    '/delta/:table/changes',
    { schema: changesSchema, config: tableAccess('read') },
    (request, reply) => sendChanges(delta, request, reply, request.params.table),
  );
}

function registerVerb(app: FastifyInstance, deps: HttpEndpointDeps, verb: DeltaVerb): void {
  app.post<TableParams>(
    `/delta/:table/${verb.name}`,
    { schema: verbSchema(verb), config: tableAccess(verb.scope) },
    async (request, reply) => {
      refuseUnknownQuery(request.query, []);
      const options = await readOptions(request, reply, deps);
      return runDeltaVerb(deps.delta, verb, request.params.table, options, contextOf(request));
    },
  );
}

/** Reads the JSON options of a request. Throws MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE, OPTION_INVALID. */
export async function readOptions(
  request: FastifyRequest,
  reply: FastifyReply,
  deps: HttpEndpointDeps,
): Promise<OptionValues> {
  const settings = deps.settings();
  const { headers } = request;
  checkDeclaredLength(headers, settings.maxBodyBytes);
  const body = request.bodySource ?? createRequestBody(request.raw, reply.raw);
  const wire = { maxBodyBytes: settings.maxBodyBytes, idleTimeoutMs: settings.idleTimeoutSeconds * 1000 };
  const arrow = createArrowBody(body, headers['content-encoding'], wire, settings, 'given');
  try {
    return await readJsonOptions(headers['content-type'], arrow.chunks);
  } finally {
    arrow.close();
  }
}
