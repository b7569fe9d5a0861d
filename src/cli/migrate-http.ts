import type { ClientRequest, IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import {
  describeEnd,
  type MigrationProgress,
  type MigrationReport,
  type MigrationRequest,
} from '../core/migration.ts';
import { CliFailure, type Problem } from './failure.ts';
import type { CliHost } from './host.ts';
import {
  type ConnectionOptions,
  describeBroken,
  openRequest,
  readConnection,
  readJsonAnswer,
  type ServerConnection,
  toRefused,
} from './server-connection.ts';

/** Does one migration; `onProgress` is called often. */
export type RunMigration = (
  request: MigrationRequest,
  signal: AbortSignal,
  onProgress: (progress: MigrationProgress) => void,
) => Promise<MigrationReport>;

/** One line of the server's answer. */
interface Line {
  readonly progress?: MigrationProgress;
  readonly report?: MigrationReport;
  readonly problem?: Problem;
}

/** Makes a server migrate between its own tables; hanging up stops it. */
export function migrateThroughServer(options: ConnectionOptions, host: CliHost): RunMigration {
  const connection = readConnection(options, host);
  return async (migration, signal, onProgress) => {
    const request = openRequest(connection, 'POST', '/admin/migrate', {
      accept: 'application/x-ndjson',
      'content-type': 'application/json',
    });
    const onAbort = () => request.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const response = await send(request, migration, connection);
      return await readReport(response, connection, onProgress);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };
}

function send(
  request: ClientRequest,
  { source, target, existing, partitionBy, version, partRows }: MigrationRequest,
  connection: ServerConnection,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('error', (error) => void describeBroken(error, connection).then(reject));
    request.once('response', resolve);
    request.end(
      JSON.stringify({
        source: describeEnd(source),
        target: describeEnd(target),
        existing,
        part_rows: partRows,
        ...(partitionBy === null ? {} : { partition_by: partitionBy }),
        ...(version === null ? {} : { version }),
      }),
    );
  });
}

async function readReport(
  response: IncomingMessage,
  connection: ServerConnection,
  onProgress: (progress: MigrationProgress) => void,
): Promise<MigrationReport> {
  const { statusCode: status = 0, headers } = response;
  if (status !== 200) {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    readJsonAnswer({ status, headers, text: Buffer.concat(chunks).toString('utf8') }, connection);
  }
  try {
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as Line;
      if (line.problem !== undefined) throw toRefused(line.problem);
      if (line.report !== undefined) return line.report;
      if (line.progress !== undefined) onProgress(line.progress);
    }
  } catch (thrown) {
    if (thrown instanceof CliFailure) throw thrown;
    throw brokenOff(connection, thrown);
  }
  throw brokenOff(connection, undefined);
}

function brokenOff(connection: ServerConnection, cause: unknown): CliFailure {
  return new CliFailure(
    'unreachable',
    `${connection.url.origin} went away before the migration was done: the same command goes on where it ended`,
    { cause },
  );
}
