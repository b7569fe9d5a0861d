import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Authenticator, openDoor } from '../../core/auth.ts';
import type { Ingestor } from '../../core/ingest.ts';
import type { IngestObserver } from '../../core/observer.ts';
import type { Operations } from '../../core/operations.ts';
import { createOperationActions, type FlightAction, indexActions } from './actions.ts';
import { createCallGuard } from './call-guard.ts';
import { createCallRunner, shuttingDownError } from './call-runner.ts';
import { MESSAGE_HEADROOM_BYTES } from './grpc-message.ts';
import { createHandlers } from './handlers.ts';
import { prepareHttp2Streams } from './http2-streams.ts';
import type { FlightProducer } from './producer.ts';
import { flightService } from './service.ts';

/** The limits that the Flight door keeps; read anew for each call, so a reload counts from the next one on. */
export interface FlightSettings {
  /** Bytes of one IPC message. */
  readonly maxMessageBytes: number;
  /** How many times what came over the wire a call's messages may unfold to. */
  readonly maxDecompressedRatio: number;
  readonly idleTimeoutSeconds: number;
  readonly maxStreams: number;
}

/** What the Flight door needs of the server. */
export interface FlightEndpointDependencies {
  readonly ingestor: Ingestor;
  /** Whoever answers `healthcheck` and `reload`; without it there are no such actions. */
  readonly operations?: Operations;
  readonly observer: IngestObserver;
  /** Tells who calls; every caller may do everything where it is left out. */
  readonly authenticator?: Authenticator;
  /** Whoever answers the reading calls; without it they are not offered. */
  readonly producer?: FlightProducer;
  /** Further actions than `healthcheck` and `reload`. */
  readonly actions: readonly FlightAction[];
  settings(): FlightSettings;
  /** Called with the number of open connections whenever it changes. */
  onConnectionCount(count: number): void;
}

/** The Flight door: takes connections that speak HTTP/2 from whoever listens. */
export interface FlightEndpoint {
  /** Takes a connection over, with what was read of it put back. Owns the socket from here on. */
  acceptConnection(socket: Socket): void;
  /** From now on new calls are answered SHUTTING_DOWN; running ones go on. */
  setDraining(): void;
  /** Drains, waits for running calls until `graceMs` is over, ends the rest with SHUTTING_DOWN, closes every connection. */
  stop(graceMs: number): Promise<void>;
}

/** Streams past `limits.max_streams` that a connection may open, so that they are answered OVERLOADED and not queued by the client in silence. */
const STREAM_HEADROOM = 64;
const KEEPALIVE_MS = 60_000;
/** How long calls that were ended by force have to send their status. */
const LAST_ANSWER_MS = 500;

/** How long clients whose calls have ended while the server drains have for closing their statements and transactions. */
const LAST_WORD_MS = 5000;

/** Makes the Flight door. Throws when two actions have the same name. */
export function createFlightEndpoint(deps: FlightEndpointDependencies): FlightEndpoint {
  prepareHttp2Streams();
  const runner = createCallRunner(deps.observer);
  const { producer = {} } = deps;
  const server = createServer(deps);
  server.addService(
    flightService,
    createHandlers({
      runner,
      authenticator: deps.authenticator ?? openDoor,
      producer,
      actions: indexActions([
        ...(deps.operations === undefined ? [] : createOperationActions(deps.operations)),
        ...(producer.actions ?? []),
        ...deps.actions,
      ]),
      doPutContext: () => ({
        ingestor: deps.ingestor,
        observer: deps.observer,
        limits: deps.settings(),
      }),
    }),
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();

  return {
    acceptConnection(socket) {
      sockets.add(socket);
      deps.onConnectionCount(sockets.size);
      socket.once('close', () => {
        sockets.delete(socket);
        deps.onConnectionCount(sockets.size);
        if (sockets.size === 0) runner.leftAlone();
      });
      injector.injectConnection(socket);
    },
    setDraining: runner.setDraining,
    async stop(graceMs) {
      runner.setDraining();
      await runner.idle(graceMs, LAST_WORD_MS);
      runner.abortAll(shuttingDownError());
      await runner.idle(LAST_ANSWER_MS);
      injector.destroy();
      await closeSockets(sockets);
      server.forceShutdown();
    },
  };
}

function createServer(deps: FlightEndpointDependencies): Server {
  return new Server({
    interceptors: [createCallGuard(deps.authenticator ?? openDoor, deps.observer)],
    // The gRPC library reads this option at the start of each call: a getter lets a reload change it.
    get 'grpc.max_receive_message_length'() {
      return deps.settings().maxMessageBytes + MESSAGE_HEADROOM_BYTES;
    },
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': deps.settings().maxStreams + STREAM_HEADROOM,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS / 2,
    'grpc.enable_channelz': 0,
  });
}

/** Sessions close by themselves once their last frames are written; what is left then does not listen any more. */
async function closeSockets(sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = Promise.all([...sockets].map((socket) => once(socket, 'close')));
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, LAST_ANSWER_MS);
  await closed;
  clearTimeout(timer);
}
