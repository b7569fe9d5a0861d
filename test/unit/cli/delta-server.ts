import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CleanupOwner } from '../../support/temp-folder.ts';
import { answer } from './ingest-server.ts';

/** One request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly accept: string;
  readonly body: unknown;
}

export interface DeltaServer {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
}

/** What the server answers to `GET /delta` and below. */
export const tables = {
  tables: [
    { name: 'events', version: 4, files: 12, bytes: 1_234_567, rows: 1_000_000 },
    { name: 'torn', version: null, files: null, bytes: null, rows: null },
  ],
};

export const info = {
  table: 'events',
  version: 4,
  file_count: 12,
  total_size_bytes: 1_234_567,
  row_count: 1_000_000,
  partitions: ['date'],
  schema: {
    type: 'struct',
    fields: [
      { name: 'id', type: 'long', nullable: false, metadata: {} },
      {
        name: 'tags',
        type: { type: 'array', elementType: 'string', containsNull: true },
        nullable: true,
        metadata: {},
      },
      { name: 'date', type: 'date', nullable: true, metadata: {} },
    ],
  },
  properties: { 'delta.enableChangeDataFeed': 'true' },
};

export const history = {
  table: 'events',
  history: [
    { version: 1, timestamp: 1_767_605_400_000, operation: 'WRITE', operationParameters: { mode: 'Append' } },
    { version: 0, timestamp: 1_767_605_300_000, operation: 'CREATE TABLE' },
  ],
};

export const rows =
  '{"id":9007199254740993,"name":"a\\tb","x":1.5,"ok":true,"at":null}\n{"id":2,"name":"c","x":0,"ok":false,"at":["p",1]}\n';

export const change = { version: 5, changed: true, metrics: { numFilesAdded: 1, numFilesRemoved: 12 } };

/** An HTTP server that answers for one Delta table, `events`; the rows of another, `cut`, break off. */
export async function startDeltaServer(owner: CleanupOwner): Promise<DeltaServer> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    void readRequest(request).then((read) => {
      seen.push(read);
      respond(read, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function readRequest(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
  return {
    method: request.method ?? '',
    path: pathname,
    query: Object.fromEntries(searchParams),
    accept: request.headers.accept ?? '',
    body: text === '' ? null : (JSON.parse(text) as unknown),
  };
}

function respond({ method, path, accept, body }: SeenRequest, response: ServerResponse): void {
  const key = `${method} ${path.replace(/^\/delta\/events/, '')}`;
  const documents: Readonly<Record<string, unknown>> = {
    'GET /delta': tables,
    'GET /info': info,
    'GET /history': history,
    'POST /vacuum': vacuum(body),
    'POST /optimize': change,
    'POST /z-order': change,
    'POST /restore': { ...change, restored_version: 3 },
    'POST /checkpoint': { version: 5 },
  };
  if (documents[key] !== undefined) {
    answer(response, 200, documents[key]);
    return;
  }
  if (path === '/delta/cut/rows') {
    response.writeHead(200, { 'content-type': accept });
    response.write(rows, () => response.destroy());
    return;
  }
  if (key === 'GET /rows' || key === 'GET /version/3') {
    response.writeHead(200, { 'content-type': accept });
    response.end(accept === 'application/x-ndjson' ? rows : `rows as ${accept}`);
    return;
  }
  const problem = { title: 'There is no such table', status: 404, code: 'TABLE_NOT_FOUND', detail: 'none.' };
  answer(response, 404, problem, { 'content-type': 'application/problem+json' });
}

function vacuum(body: unknown): unknown {
  const isDryRun = !(
    typeof body === 'object' &&
    body !== null &&
    'dry_run' in body &&
    body.dry_run === false
  );
  const files = ['part-0.parquet', 'part-1.parquet'];
  return { files, deleted: isDryRun ? 0 : files.length, dry_run: isDryRun };
}
