import type { IncomingMessage } from 'node:http';
import { InvalidArgumentError } from 'commander';
import { readStreamName } from '../core/stream-name.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import {
  type ConnectionOptions,
  describeBroken,
  openRequest,
  readAnswer,
  readConnection,
  readJsonAnswer,
  type ServerConnection,
  toUnreachable,
} from './server-connection.ts';

/** The options that every `arrowport delta` command has. */
export interface DeltaOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** Parameters of a request's query; undefined ones are left out. */
export type QueryParameters = Readonly<Record<string, string | number | undefined>>;

/** The path of a table, or of what is below it. Throws STREAM_NAME_INVALID. */
export function deltaPath(table: string, below = ''): string {
  return `/delta/${encodeURIComponent(readStreamName(table))}${below}`;
}

/** GETs a JSON document. Throws a refused failure for an error answer. */
export async function getJson(
  options: DeltaOptions,
  host: CliHost,
  path: string,
  query: QueryParameters = {},
): Promise<unknown> {
  const connection = withQuery(readConnection(options, host), query);
  const request = openRequest(connection, 'GET', path);
  const answer = readAnswer(request, connection);
  request.end();
  return readJsonAnswer(await answer, connection);
}

/** POSTs a verb's options to a table and reads the JSON answer. Throws a refused failure for an error answer. */
export async function postVerb(
  options: DeltaOptions,
  host: CliHost,
  table: string,
  verb: string,
  body: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const connection = readConnection(options, host);
  const request = openRequest(connection, 'POST', deltaPath(table, `/${verb}`), {
    'content-type': 'application/json',
  });
  const answer = readAnswer(request, connection);
  request.end(JSON.stringify(body));
  return readJsonAnswer(await answer, connection);
}

/**
 * Opens an answer that is read as it comes, of a GET, or of a POST where there is a JSON document (its text) to send; errors while
 * it is read are the caller's to tell.
 * Throws a refused failure for an error answer, an unreachable one when none comes.
 */
export async function openAnswer(
  options: DeltaOptions,
  host: CliHost,
  path: string,
  query: QueryParameters,
  accept: string,
  document?: string,
): Promise<IncomingMessage> {
  const connection = withQuery(readConnection(options, host), query);
  const request =
    document === undefined
      ? openRequest(connection, 'GET', path, { accept })
      : openRequest(connection, 'POST', path, { accept, 'content-type': 'application/json' });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('error', (error) => void describeBroken(error, connection).then(reject));
    request.once('response', resolve);
    request.end(document);
  });
  const { statusCode: status = 0, headers } = response;
  if (status === 200) return response;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw toUnreachable(error as Error, connection);
  }
  readJsonAnswer({ status, headers, text: Buffer.concat(chunks).toString('utf8') }, connection);
  throw new CliFailure('refused', `${connection.url.origin} answered ${status} where rows were asked for`);
}

/** A connection whose requests carry a query; undefined parameters are left out. */
export function withQuery(connection: ServerConnection, query: QueryParameters): ServerConnection {
  const url = new URL(connection.url);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return { ...connection, url };
}

/** Parses a whole number from 0 on for commander. */
export function readWholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError('use a whole number from 0 on.');
  }
  return number;
}

/** Parses `a,b` for commander. */
export function readNames(text: string): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('name at least one column.');
  return names;
}
