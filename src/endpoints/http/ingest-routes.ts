import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { openIpcBody } from '../../arrow/ipc-reader.ts';
import type { IngestRequest, StreamResources } from '../../core/ingest.ts';
import type { IpcStream } from '../../core/ipc-message.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { callerOf, type RouteAccess } from './access.ts';
import { type ArrowBody, createArrowBody } from './arrow-body.ts';
import type { BodyDecided, HttpEndpointDeps, HttpSettings } from './deps.ts';
import type { HeldBytes } from './held-bytes.ts';
import {
  type BodyFormat,
  checkDeclaredLength,
  readBodyFormat,
  readIdempotencyKey,
  refuseUnknownQuery,
} from './ingest-headers.ts';
import { type JsonBatch, readJsonBatch } from './json-body.ts';
import { describeProblem, sendProblem } from './problem.ts';
import { createRequestBody, type RequestBody } from './request-body.ts';
import { ingestSchema } from './route-schemas.ts';

/** What makes one ingest route differ from another. */
export interface IngestDoor {
  /** The query parameters that the route takes. */
  readonly queryNames: readonly string[];
  /** The part of the request that the route's path and query decide. Throws OPTION_INVALID. */
  readRequest(name: string, query: Readonly<Record<string, unknown>>): Partial<IngestRequest>;
  readJson(text: string): JsonBatch;
}

/** Answers one ingest request to a stream or table of this name. */
export type IngestHandler = (
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
) => Promise<FastifyReply>;

const ingestAccess: RouteAccess = { scopes: ['ingest'], streamParameter: 'stream' };

const streamDoor: IngestDoor = { queryNames: [], readRequest: () => ({}), readJson: readJsonBatch };

/** Makes the handler of an ingest route. */
export function createIngestHandler(
  deps: HttpEndpointDeps,
  held: HeldBytes,
  door: IngestDoor,
): IngestHandler {
  return async (request, reply, name) => {
    const prepared = await prepare(request, reply, name, deps, held, door);
    try {
      const receipt = await deps.ingestor.ingest(prepared.request);
      void prepared.body.discard();
      return await reply.send(receipt);
    } catch (thrown) {
      // The ingest path has told the observer already.
      return sendProblem(request, reply, describeProblem(toArrowportError(thrown), request.id));
    } finally {
      prepared.close();
    }
  };
}

/** Registers `POST /ingest/{stream}` and `POST /stream/{stream}`, which do the same. */
export function registerIngestRoutes(app: FastifyInstance, deps: HttpEndpointDeps, held: HeldBytes): void {
  const ingest = createIngestHandler(deps, held, streamDoor);
  for (const prefix of ['/ingest', '/stream']) {
    app.post<{ Params: { stream: string } }>(
      `${prefix}/:stream`,
      { schema: ingestSchema(prefix), config: { access: ingestAccess } },
      (request, reply) => ingest(request, reply, request.params.stream),
    );
    // A name with a slash in it is an impossible name, not another route.
    app.post<{ Params: { '*': string } }>(
      `${prefix}/*`,
      { schema: { hide: true }, config: { access: { scopes: ['ingest'] } } },
      (request, reply) => ingest(request, reply, request.params['*']),
    );
  }
}

interface Prepared {
  readonly request: IngestRequest;
  readonly body: RequestBody;
  /** Gives back what the request holds. */
  close(): void;
}

/** Checks everything that can be checked before the body is read; only JSON bodies are read here. */
async function prepare(
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  deps: HttpEndpointDeps,
  held: HeldBytes,
  door: IngestDoor,
): Promise<Prepared> {
  const settings = deps.settings();
  const stream = readStreamName(name);
  refuseUnknownQuery(request.query, door.queryNames);
  const own = door.readRequest(stream, queryOf(request));
  const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
  const format = readBodyFormat(request.headers['content-type']);
  checkDeclaredLength(request.headers, settings.maxBodyBytes);
  const body = request.bodySource ?? createRequestBody(request.raw, reply.raw);
  const arrow = createArrowBody(
    body,
    request.headers['content-encoding'],
    { maxBodyBytes: settings.maxBodyBytes, idleTimeoutMs: settings.idleTimeoutSeconds * 1000 },
    settings,
    format === 'json' ? 'given' : 'lent',
  );
  const caller = callerOf(request);
  const decided = await decide(format, arrow, settings, held, door).catch((error) => {
    arrow.close();
    throw error;
  });
  return {
    body,
    close() {
      arrow.close();
      decided.close();
    },
    request: {
      stream,
      transport: 'http',
      requestId: request.id,
      mode: null,
      idempotencyKey,
      caller,
      signal: body.signal,
      end: (error) => body.fail(error),
      ...(arrow.wireBytes === undefined ? {} : { wireBytes: arrow.wireBytes }),
      ...decided.part,
      ...own,
    },
  };
}

interface Decided {
  readonly part: BodyDecided;
  close(): void;
}

async function decide(
  format: BodyFormat,
  arrow: ArrowBody,
  settings: HttpSettings,
  held: HeldBytes,
  door: IngestDoor,
): Promise<Decided> {
  if (format === 'json') return decideByJson(arrow, settings, held, door);
  return {
    part: {
      backend: null,
      partitionBy: null,
      schemaMode: null,
      open: (resources) => openIpcBody(arrow.chunks, format, resources),
    },
    close() {},
  };
}

async function decideByJson(
  arrow: ArrowBody,
  settings: HttpSettings,
  held: HeldBytes,
  door: IngestDoor,
): Promise<Decided> {
  const gathered = await held.gather(arrow.chunks, settings.maxMessageBytes);
  try {
    const batch = door.readJson(gathered.bytes.toString('utf8'));
    const { targetTable } = batch;
    return {
      part: {
        backend: batch.backend,
        partitionBy: batch.partitionBy,
        schemaMode: batch.schemaMode,
        ...(targetTable === null ? {} : { tableHint: targetTable }),
        open: (resources) => openJsonBatch(batch, resources),
      },
      close: gathered.give,
    };
  } catch (error) {
    gathered.give();
    throw error;
  }
}

function queryOf(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const { query } = request;
  return typeof query === 'object' && query !== null ? { ...query } : {};
}

/** The schema beside the data says nothing that the data does not say; that it is one is checked all the same. */
async function openJsonBatch(batch: JsonBatch, resources: StreamResources): Promise<IpcStream> {
  await openIpcBody(once(batch.schema), 'stream', resources).catch((error) => {
    throw new ArrowportError('IPC_MALFORMED', 'batch.arrow_schema is no Arrow schema message.', {
      cause: error,
    });
  });
  return openIpcBody(once(batch.data), 'stream', resources);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
