import type { FastifyInstance } from 'fastify';
import type { Operations } from '../../core/operations.ts';
import { callerOf } from './access.ts';
import { livenessSchema, metricsSchema, readinessSchema, reloadSchema } from './route-schemas.ts';

/** Routes that a draining server still answers. */
export const servedWhileDraining: ReadonlySet<string> = new Set([
  '/health/live',
  '/health/ready',
  '/metrics',
]);

const open = { access: { scopes: 'open' } } as const;

/** Registers `/health/live`, `/health/ready`, `/metrics` and `POST /admin/reload`. */
export function registerOperationsRoutes(
  app: FastifyInstance,
  operations: Operations,
  isDraining: () => boolean,
): void {
  app.get('/health/live', { schema: livenessSchema, config: open }, async () => ({ status: 'live' }));

  app.get('/health/ready', { schema: readinessSchema, config: open }, async (_request, reply) => {
    const reasons = isDraining() ? ['the server is shutting down'] : await operations.readiness();
    if (reasons.length === 0) return { status: 'ready' };
    return reply.code(503).send({ status: 'unavailable', reasons });
  });

  app.get(
    '/metrics',
    { schema: metricsSchema, config: { access: { scopes: ['read'] } } },
    async (_request, reply) => {
      const { contentType, text } = await operations.metricsText();
      return reply.header('content-type', contentType).send(text);
    },
  );

  app.post('/admin/reload', { schema: reloadSchema, config: { access: { scopes: ['admin'] } } }, (request) =>
    operations.reload({ caller: callerOf(request), requestId: request.id, transport: 'http' }),
  );
}
