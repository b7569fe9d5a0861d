import type { FastifyRequest } from 'fastify';
import type { DeltaCallContext } from '../../core/delta.ts';

/** Who asks, for calls behind the door; its signal fires when the client is gone. */
export function contextOf(request: FastifyRequest): DeltaCallContext {
  const signal = request.bodySource?.signal;
  const { caller } = request;
  return {
    requestId: request.id,
    transport: 'http',
    ...(caller === undefined ? {} : { caller }),
    ...(signal === undefined ? {} : { signal }),
  };
}
