import { join } from 'node:path';
import { ensureWorkerEnvironment } from '../../../src/backends/delta/environment.ts';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';
import { workerCacheFolder } from '../../support/worker-cache.ts';
import { type Answer, arrowStream, runFlight } from '../producers.ts';

/** A server with a folder of Delta tables. */
export interface DeltaServer extends TestServer {
  /** Where a table is. */
  tablePath(table: string): string;
}

/** The environment variables by which a server finds the worker's environment that is kept for tests. */
export function workerEnvironment(): Readonly<Record<string, string>> {
  const python = process.env['ARROWPORT_DELTA_PYTHON'];
  return {
    ARROWPORT_CACHE: workerCacheFolder,
    ...(python === undefined ? {} : { ARROWPORT_DELTA_PYTHON: python }),
  };
}

/** Starts a server whose worker's environment is there already. Its tables are in its folder where `config` does not say otherwise. */
export async function startDeltaServer(
  owner: CleanupOwner,
  config = '',
  env: Readonly<Record<string, string>> = {},
): Promise<DeltaServer> {
  const python = process.env['ARROWPORT_DELTA_PYTHON'];
  await ensureWorkerEnvironment({
    cacheFolder: workerCacheFolder,
    environment: process.env,
    python: python ?? null,
  });
  const server = await startServer(owner, { config, env: { ...env, ...workerEnvironment() } });
  // Its properties are read anew after a restart, so they must not be copied.
  const tablePath = (table: string) => join(server.folder, 'delta_tables', table);
  return Object.assign(server, { tablePath });
}

/** Gathers clean-ups for a hook that runs them, the last one first: what starts in `before` must outlive it. */
export function createCleanups(): CleanupOwner & { run(): Promise<void> } {
  const cleanups: (() => void | Promise<void>)[] = [];
  return {
    after: (cleanup) => void cleanups.unshift(cleanup),
    async run() {
      for (const cleanup of cleanups) await cleanup();
    },
  };
}

/** Sends Arrow bytes to a path, with headers beside the media type. */
export async function load(
  server: Pick<TestServer, 'url'>,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': arrowStream, ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  };
}

/** A load that must be committed; answers its receipt. */
export async function commit(
  server: Pick<TestServer, 'url'>,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<CommitReceipt> {
  const answer = await load(server, path, body, headers);
  if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer.body as unknown as CommitReceipt;
}

/** One way to carry out a verb: with its options, answers the JSON, or the code of the error. */
export interface VerbDoor {
  readonly name: string;
  run(
    verb: string,
    table: string,
    options?: object,
  ): Promise<{ code: string | null; body: Readonly<Record<string, unknown>> }>;
}

/** The verbs over HTTP. */
export function httpDoor(server: Pick<TestServer, 'url'>): VerbDoor {
  return {
    name: 'HTTP',
    async run(verb, table, options) {
      const response = await fetch(`${server.url}${pathOf(verb, table, options)}`, {
        ...(['list', 'info', 'history'].includes(verb)
          ? {}
          : {
              method: 'POST',
              body: JSON.stringify(options ?? {}),
              headers: { 'content-type': 'application/json' },
            }),
      });
      const body = (await response.json()) as Record<string, unknown>;
      return { code: response.status === 200 ? null : String(body['code']), body };
    },
  };
}

function pathOf(verb: string, table: string, options: object | undefined): string {
  if (verb === 'list') return '/delta';
  const path = `/delta/${encodeURIComponent(table)}/${verb}`;
  if (verb !== 'history') return path;
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(options ?? {})) query.set(key, String(value));
  return `${path}?${query}`;
}

/** The verbs as Flight actions. */
export function flightDoor(server: Pick<TestServer, 'flightUrl'>): VerbDoor {
  return {
    name: 'Flight',
    async run(verb, table, options) {
      const body = JSON.stringify({ ...(verb === 'list' ? {} : { table }), ...options });
      return runFlight(
        server,
        `
client = fl.connect(url)
try:
    results = list(client.do_action(fl.Action(${JSON.stringify(verb)}, ${JSON.stringify(body)}.encode())))
    assert len(results) == 1
    answer = {"code": None, "body": json.loads(results[0].body.to_pybytes())}
except (fl.FlightError, pa.ArrowException) as exc:
    text = str(exc)
    found = [w for w in text.replace(":", " ").split() if w.isupper() and "_" in w]
    answer = {"code": found[0] if found else text, "body": {"detail": text}}
print(json.dumps(answer))`,
      );
    },
  };
}
