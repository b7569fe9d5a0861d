import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requireStream } from '../../core/auth.ts';
import {
  findChoice,
  findCount,
  findNames,
  findText,
  type OptionValues,
  refuseUnknownOptions,
} from '../../core/delta-options.ts';
import {
  DEFAULT_PART_ROWS,
  type MigrationProgress,
  type MigrationRequest,
  type Migrator,
  readMigrationEnd,
} from '../../core/migration.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { callerOf } from './access.ts';
import { readOptions } from './delta-routes.ts';
import type { HttpEndpointDeps } from './deps.ts';
import { refuseUnknownQuery } from './ingest-headers.ts';
import { migrateSchema } from './migrate-schema.ts';
import { describeProblem } from './problem.ts';

const LINE_INTERVAL_MS = 200;
/** How long nothing may be sent before the answer begins, so that what is wrong at once has a status of its own. */
const QUIET_MS = 5000;
const KNOWN = ['source', 'target', 'existing', 'partition_by', 'version', 'part_rows'];

/** Registers `POST /admin/migrate`, which needs the scope `admin`. */
export function registerMigrateRoute(app: FastifyInstance, deps: HttpEndpointDeps, migrator: Migrator): void {
  app.post(
    '/admin/migrate',
    { schema: migrateSchema, config: { access: { scopes: ['admin'] } } },
    async (request, reply) => {
      refuseUnknownQuery(request.query, []);
      const migration = readRequest(await readOptions(request, reply, deps));
      for (const { table } of [migration.source, migration.target]) requireStream(callerOf(request), table);
      return answerMigration(migrator, migration, request, reply, deps);
    },
  );
}

/** Answers lines of progress and a last one with the report, or the problem that ended it. */
async function answerMigration(
  migrator: Migrator,
  migration: MigrationRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  deps: HttpEndpointDeps,
): Promise<FastifyReply> {
  const lines = new ProgressLines();
  const signal = request.bodySource?.signal ?? AbortSignal.any([]);
  const done = migrator
    .migrate(migration, {
      requestId: request.id,
      caller: callerOf(request),
      signal,
      onProgress: (progress) => lines.tell(progress),
    })
    .then((report) => ({ report }));
  await Promise.race([done, lines.begun]);
  reply.header('content-type', 'application/x-ndjson');
  done.then(
    (end) => lines.end(end),
    (thrown: unknown) => {
      const error = toArrowportError(thrown);
      deps.observer.requestFailed({ requestId: request.id, transport: 'http', stream: null }, error);
      lines.end({ problem: describeProblem(error, request.id) });
    },
  );
  return reply.send(lines.stream);
}

class ProgressLines {
  readonly stream = new PassThrough();
  /** Resolves when there is something to send. */
  readonly begun: Promise<void>;
  readonly #begin: () => void;
  readonly #quiet: NodeJS.Timeout;
  #toldAt = 0;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#begin = resolve;
    this.#quiet = setTimeout(resolve, QUIET_MS);
  }

  tell(progress: MigrationProgress): void {
    const now = performance.now();
    if (progress.phase === 'checking' || now - this.#toldAt < LINE_INTERVAL_MS) return;
    this.#toldAt = now;
    this.#begin();
    this.#write({ progress });
  }

  end(last: object): void {
    clearTimeout(this.#quiet);
    this.#begin();
    this.#write(last);
    this.stream.end();
  }

  #write(line: object): void {
    if (!this.stream.destroyed) this.stream.write(`${JSON.stringify(line)}\n`);
  }
}

function readRequest(options: OptionValues): MigrationRequest {
  refuseUnknownOptions(options, KNOWN);
  const end = (name: string) => {
    const text = findText(options, name);
    if (text === undefined) throw new ArrowportError('OPTION_INVALID', `Give ${name}.`);
    return readMigrationEnd(text);
  };
  return {
    source: end('source'),
    target: end('target'),
    existing: findChoice(options, 'existing', ['refuse', 'append', 'overwrite']) ?? 'refuse',
    partitionBy: findNames(options, 'partition_by') ?? null,
    version: findCount(options, 'version') ?? null,
    partRows: findCount(options, 'part_rows') ?? DEFAULT_PART_ROWS,
  };
}
