import type { FastifyInstance } from 'fastify';
import type { StreamDirectory } from '../../core/operations.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import { findStreamSchema, listStreamsSchema } from './route-schemas.ts';

/** Registers `GET /streams` and `GET /streams/{stream}`. */
export function registerStreamRoutes(app: FastifyInstance, directory: StreamDirectory): void {
  app.get('/streams', { schema: listStreamsSchema }, async () => ({ streams: await directory.list() }));

  app.get<{ Params: { stream: string } }>(
    '/streams/:stream',
    { schema: findStreamSchema },
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
