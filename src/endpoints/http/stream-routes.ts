import type { FastifyInstance } from 'fastify';
import type { StreamDirectory } from '../../core/operations.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import { callerOf } from './access.ts';
import { findStreamSchema, listStreamsSchema } from './route-schemas.ts';

/** Registers `GET /streams` and `GET /streams/{stream}`. */
export function registerStreamRoutes(app: FastifyInstance, directory: StreamDirectory): void {
  app.get(
    '/streams',
    { schema: listStreamsSchema, config: { access: { scopes: ['read'] } } },
    async (request) => {
      const caller = callerOf(request);
      const streams = await directory.list();
      return { streams: streams.filter(({ stream }) => caller.mayUseStream(stream)) };
    },
  );

  app.get<{ Params: { stream: string } }>(
    '/streams/:stream',
    { schema: findStreamSchema, config: { access: { scopes: ['read'], streamParameter: 'stream' } } },
    async (request) => {
      const stream = readStreamName(request.params.stream);
      const summary = await directory.find(stream);
      if (summary !== undefined) return summary;
      throw new ArrowportError(
        'TABLE_NOT_FOUND',
        `Neither a route nor a table stands behind stream "${stream}".`,
      );
    },
  );
}
