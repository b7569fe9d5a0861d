import type { Authenticator } from '../../core/auth.ts';
import type { DeltaAccess } from '../../core/delta.ts';
import type { Ingestor, IngestRequest, StreamResources } from '../../core/ingest.ts';
import type { IpcStream } from '../../core/ipc-message.ts';
import type { Migrator } from '../../core/migration.ts';
import type { IngestObserver } from '../../core/observer.ts';
import type { Operations, StreamDirectory } from '../../core/operations.ts';
import type { QueryEngine } from '../../core/query.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { RequestBody } from './request-body.ts';

/** The settings that are in force when a request comes; see `limits` in the configuration. */
export interface HttpSettings {
  /** Bytes on the wire of one body; null: no bound. */
  readonly maxBodyBytes: number | null;
  readonly idleTimeoutSeconds: number;
  readonly maxMessageBytes: number;
  readonly maxDecompressedRatio: number;
}

/** What the HTTP door needs of the server behind it. */
export interface HttpEndpointDeps {
  readonly ingestor: Ingestor;
  readonly directory: StreamDirectory;
  readonly operations: Operations;
  readonly delta: DeltaAccess;
  /** Runs SQL; there is no route for it where it is left out. */
  readonly queries?: QueryEngine;
  /** Copies whole tables; there is no route for it where it is left out. */
  readonly migrator?: Migrator;
  readonly observer: IngestObserver;
  /** Tells who calls; every caller may do everything where it is left out. */
  readonly authenticator?: Authenticator;
  readonly logger: Logger;
  /** `arrowport_active_connections{transport="http"}`. */
  readonly connections: { inc(): void; dec(): void };
  /** Asked for each request, so that a reload takes effect. */
  settings(): HttpSettings;
  /** How long a client may take to send the head of a request; 30 s by default. */
  readonly headersTimeoutMs?: number;
}

/** Opens the stream of one ingest request. */
export type OpenStream = (resources: StreamResources) => Promise<IpcStream>;

/** The part of an ingest request that its body may decide. */
export type BodyDecided = Pick<
  IngestRequest,
  'backend' | 'partitionBy' | 'schemaMode' | 'tableHint' | 'open'
>;

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's body, not read yet; absent where Fastify refused the request before any hook ran. */
    bodySource?: RequestBody;
  }
}
