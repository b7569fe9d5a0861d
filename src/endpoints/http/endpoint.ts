import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { openDoor } from '../../core/auth.ts';
import { ArrowportError } from '../../errors.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { guardRequests } from './access.ts';
import { registerDeltaRoutes } from './delta-routes.ts';
import type { HttpEndpointDeps } from './deps.ts';
import { answerBadUrl, answerClientError, answerFailures } from './failures.ts';
import { createHeldBytes } from './held-bytes.ts';
import { registerIngestRoutes } from './ingest-routes.ts';
import { registerMigrateRoute } from './migrate-route.ts';
import { collectOpenApi, registerOpenApiRoutes } from './openapi.ts';
import { registerOperationsRoutes, servedWhileDraining } from './operations-routes.ts';
import { registerQueryRoutes } from './query-routes.ts';
import { createRequestBody, type RequestBody } from './request-body.ts';
import { readRequestId } from './request-id.ts';
import { listRoutes } from './route-list.ts';
import { registerStreamRoutes } from './stream-routes.ts';

const HEADERS_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Long enough that every name reaches the check of names instead of "no such path". */
const MAX_NAME_CHARACTERS = 16 * 1024;
/** What ended requests get to write their answers. */
const FAREWELL_MS = 1000;
const RETRY_ELSEWHERE_MS = 5000;

/** The HTTP door. It listens nowhere: whoever holds the port emits `connection` on `server`. */
export interface HttpEndpoint {
  readonly server: Server;
  /** Resolves when the routes are there; connections may come after that. */
  ready(): Promise<void>;
  /** From now on new requests get SHUTTING_DOWN, save for health and metrics. */
  setDraining(): void;
  /** Drains; lets running requests finish until `graceMs` is over, ends the others, closes every connection. */
  stop(graceMs: number): Promise<void>;
  /** The OpenAPI document, once ready. */
  describe(): object;
}

/** Makes the HTTP door. */
export function createHttpEndpoint(deps: HttpEndpointDeps): HttpEndpoint {
  const traffic = createTraffic(deps);
  const app = createApp(deps, traffic);
  const { server } = app;
  server.on('connection', (socket: Socket) => traffic.connected(socket));

  return {
    server,
    async ready() {
      await app.ready();
      // Node starts to watch header timeouts when a server listens; this one is handed its connections instead.
      server.emit('listening');
    },
    setDraining() {
      traffic.draining = true;
    },
    async stop(graceMs) {
      traffic.draining = true;
      if (!(await traffic.settled(graceMs))) {
        deps.logger.warn({ requests: traffic.running.size }, 'requests are broken off: the grace is over');
        traffic.endAll();
        await traffic.settled(FAREWELL_MS);
      }
      traffic.disconnect();
      server.close(() => {});
      await app.close();
    },
    describe: () => app.swagger(),
  };
}

function createApp(deps: HttpEndpointDeps, traffic: Traffic): FastifyInstance {
  const app = fastify({
    logger: false,
    genReqId: readRequestId,
    requestIdHeader: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_NAME_CHARACTERS },
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: deps.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(5000, deps.headersTimeoutMs ?? HEADERS_TIMEOUT_MS),
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (_error, request, reply) => {
      request.bodySource = createRequestBody(request.raw, reply.raw);
      answerBadUrl(request, reply, deps.observer);
    },
  });
  // Bodies are read by the routes, as they come; schemas only describe.
  app.decorateRequest('bodySource');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setValidatorCompiler(() => () => true);
  // The newline is for terminals, where the next prompt would stand behind the answer.
  app.setReplySerializer((data) => `${JSON.stringify(data)}\n`);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  // With a listener Node leaves 100 Continue to us: it is sent when the body is wanted, not before.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response));

  const routes = listRoutes(app);
  watchRequests(app, traffic);
  guardRequests(app, deps.authenticator ?? openDoor);
  logRequests(app, deps.logger);
  answerFailures(app, deps.observer, routes);
  collectOpenApi(app, deps.operations.version);
  app.register(async (scope) => {
    const held = createHeldBytes();
    registerIngestRoutes(scope, deps, held);
    registerDeltaRoutes(scope, deps, held);
    registerStreamRoutes(scope, deps.directory);
    registerOperationsRoutes(scope, deps.operations, () => traffic.draining);
    if (deps.queries !== undefined) registerQueryRoutes(scope, deps, deps.queries);
    if (deps.migrator !== undefined) registerMigrateRoute(scope, deps, deps.migrator);
    registerOpenApiRoutes(scope);
  });
  return app;
}

function watchRequests(app: FastifyInstance, traffic: Traffic): void {
  app.addHook('onRequest', async (request, reply) => {
    const body = createRequestBody(request.raw, reply.raw);
    request.bodySource = body;
    reply.header('x-request-id', request.id);
    traffic.running.add(body);
    reply.raw.once('close', () => traffic.finished(body));
    if (!traffic.draining || servedWhileDraining.has(request.routeOptions.url ?? '')) return;
    throw new ArrowportError('SHUTTING_DOWN', 'The server is shutting down and takes no new requests.', {
      details: { retryAfterMs: RETRY_ELSEWHERE_MS },
    });
  });
  app.addHook('onSend', async (_request, reply) => {
    if (traffic.draining) reply.header('connection', 'close');
  });
}

function logRequests(app: FastifyInstance, logger: Logger): void {
  app.addHook('onResponse', async (request, reply) => {
    if (!logger.isLevelEnabled('debug')) return;
    const path = request.url.split('?', 1)[0];
    const duration_ms = Math.round(reply.elapsedTime * 1000) / 1000;
    logger.debug(
      { request_id: request.id, method: request.method, path, status: reply.statusCode, duration_ms },
      'request answered',
    );
  });
}

/** The connections that are open and the requests that run on them. */
interface Traffic {
  draining: boolean;
  readonly running: Set<RequestBody>;
  connected(socket: Socket): void;
  finished(body: RequestBody): void;
  /** Resolves to whether no request runs any more, at the latest after `ms`. */
  settled(ms: number): Promise<boolean>;
  endAll(): void;
  disconnect(): void;
}

function createTraffic(deps: Pick<HttpEndpointDeps, 'connections'>): Traffic {
  const sockets = new Set<Socket>();
  const idle = new Set<() => void>();
  const running = new Set<RequestBody>();
  return {
    draining: false,
    running,
    connected(socket) {
      sockets.add(socket);
      deps.connections.inc();
      socket.once('close', () => {
        sockets.delete(socket);
        deps.connections.dec();
      });
      // A socket that was paused while its first bytes were looked at stays paused until told.
      if (socket.isPaused()) socket.resume();
    },
    finished(body) {
      running.delete(body);
      if (running.size === 0) for (const wake of idle) wake();
    },
    settled(ms) {
      if (running.size === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (settled: boolean) => {
          clearTimeout(timer);
          idle.delete(wake);
          resolve(settled);
        };
        const wake = () => end(true);
        const timer = setTimeout(() => end(false), ms);
        idle.add(wake);
      });
    },
    endAll() {
      const error = new ArrowportError(
        'SHUTTING_DOWN',
        'The server shut down before the load was complete.',
        {
          details: { retryAfterMs: RETRY_ELSEWHERE_MS },
        },
      );
      for (const body of running) body.fail(error);
    },
    disconnect() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
