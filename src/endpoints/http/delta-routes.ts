import type { FastifyInstance } from 'fastify';
import { deltaIngestDoor, deltaMergeDoor } from './delta-ingest.ts';
import type { HttpEndpointDeps } from './deps.ts';
import type { HeldBytes } from './held-bytes.ts';
import { createIngestHandler } from './ingest-routes.ts';

type TableParams = { Params: { table: string } };

/** Registers every route under `/delta`. */
export function registerDeltaRoutes(app: FastifyInstance, deps: HttpEndpointDeps, held: HeldBytes): void {
  const ingest = createIngestHandler(deps, held, deltaIngestDoor);
  const merge = createIngestHandler(deps, held, deltaMergeDoor);
  app.post<TableParams>('/delta/:table', { schema: { hide: true } }, (request, reply) =>
    ingest(request, reply, request.params.table),
  );
  app.post<TableParams>('/delta/:table/merge', { schema: { hide: true } }, (request, reply) =>
    merge(request, reply, request.params.table),
  );
}
