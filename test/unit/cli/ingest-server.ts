import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import type { StreamResources } from '../../../src/core/ingest.ts';
import type { ArrowSchema } from '../../../src/core/schema.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

/** What arrived with one request. */
export interface SeenIngest {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly schema: ArrowSchema;
  /** Rows of each record batch. */
  readonly batches: readonly number[];
  readonly codecs: readonly (string | null)[];
}

export interface IngestServer {
  readonly url: string;
  readonly seen: readonly SeenIngest[];
  /** Bodies that broke off. */
  readonly broken: () => number;
}

/** Answers a request in the door's place; true when it has. */
export type Interception = (request: IncomingMessage, response: ServerResponse, index: number) => boolean;

export const testResources: StreamResources = {
  allocator: { allocate: (length) => ({ bytes: Buffer.allocUnsafeSlow(length), release: () => undefined }) },
  limits: { maxMessageBytes: 2 ** 31, maxDecompressedRatio: 10_000 },
};

/** An HTTP server that takes loads, reads them whole and answers with receipts; questions about streams are for `intercept` where it knows some. */
export async function startIngestServer(
  owner: CleanupOwner,
  intercept: Interception = () => false,
  knowsStreams = false,
): Promise<IngestServer> {
  const seen: SeenIngest[] = [];
  let requests = 0;
  let broken = 0;
  const server = createServer((request, response) => {
    if (!knowsStreams && request.url?.startsWith('/streams/')) {
      answer(response, 404, { title: 'Not Found', status: 404, code: 'TABLE_NOT_FOUND' });
      return;
    }
    requests += 1;
    if (intercept(request, response, requests - 1)) return;
    readIngest(request).then(
      (ingest) => {
        seen.push(ingest);
        answer(response, 200, createReceipt(ingest));
      },
      () => {
        broken += 1;
        response.destroy();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, seen, broken: () => broken };
}

/** Answers with a JSON document. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

async function readIngest(request: IncomingMessage): Promise<SeenIngest> {
  const body = await readBody(request);
  const { schema, messages } = await openIpcBody(once(body), 'stream', testResources);
  const batches: number[] = [];
  const codecs: (string | null)[] = [];
  for await (const message of messages) {
    if (message.kind !== 'record-batch') continue;
    batches.push(message.header.length);
    codecs.push(message.header.codec);
  }
  return { url: request.url ?? '', headers: request.headers, body, schema, batches, codecs };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function createReceipt({ url, batches, body }: SeenIngest): Record<string, unknown> {
  const stream = decodeURIComponent(url.split('/').at(-1) ?? '');
  const rows = batches.reduce((sum, count) => sum + count, 0);
  return {
    status: 'success',
    stream,
    table: `${stream}_table`,
    storage_backend: 'duckdb',
    rows_processed: rows,
    batches: batches.length,
    bytes: body.length,
    commit_id: '01J0000000000000000000000',
    version: null,
    replayed: false,
    duration_ms: 1,
    message: `${rows} rows committed to ${stream}_table`,
  };
}
