import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { Command } from 'commander';
import { CliFailure, type Problem } from './failure.ts';
import type { CliHost } from './host.ts';

const defaultUrl = 'http://127.0.0.1:8888';

/** The options of every command that talks to a server. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The texts of PEM files; what is left out is the system's own, or none. */
export interface ConnectionTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A server as a command reaches it. */
export interface ServerConnection {
  readonly url: URL;
  readonly token: string | null;
  readonly tls: ConnectionTls;
}

/** An answer read whole; error answers included. */
export interface ServerAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Adds `--url` and `--token`, and the options of encrypted connections. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', `the server (default: ARROWPORT_URL, then ${defaultUrl})`)
    .option('--token <token>', 'bearer token (default: ARROWPORT_TOKEN)')
    .option(
      '--ca <file>',
      'PEM file of the authorities that https servers are trusted by (default: ARROWPORT_CA)',
    )
    .option('--cert <file>', 'PEM file of a client certificate (default: ARROWPORT_CERT)')
    .option('--key <file>', 'PEM file of its private key (default: ARROWPORT_KEY)');
}

/**
 * Reads the connection from options, then environment, then defaults. Throws a usage failure for a bad URL, and for
 * files that cannot be read.
 */
export function readConnection(options: ConnectionOptions, host: CliHost): ServerConnection {
  const text = options.url ?? (host.env['ARROWPORT_URL'] || defaultUrl);
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new CliFailure('usage', `${JSON.stringify(text)} is no server address: use http://host:port`);
  }
  const token = options.token ?? (host.env['ARROWPORT_TOKEN'] || null);
  // Checked here, since what Node says of a value that is no header would repeat it.
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new CliFailure(
      'usage',
      'the token holds characters that no token has: check ARROWPORT_TOKEN and --token',
    );
  }
  return { url, token, tls: readTls(options, host) };
}

function readTls(options: ConnectionOptions, host: CliHost): ConnectionTls {
  const read = (name: 'ca' | 'cert' | 'key') => {
    const file = options[name] ?? (host.env[`ARROWPORT_${name.toUpperCase()}`] || undefined);
    if (file === undefined) return {};
    try {
      return { [name]: readFileSync(resolve(host.cwd, file), 'utf8') };
    } catch (cause) {
      throw new CliFailure('usage', `the file ${file} of --${name} cannot be read: check the path`, {
        cause,
      });
    }
  };
  const tls: ConnectionTls = { ...read('ca'), ...read('cert'), ...read('key') };
  if ((tls.cert === undefined) === (tls.key === undefined)) return tls;
  throw new CliFailure('usage', 'a client certificate needs both --cert and --key');
}

/**
 * Opens a request; the caller writes its body and ends it.
 * `path` is joined to the server's URL, whose own path stays in front of it.
 */
export function openRequest(
  connection: ServerConnection,
  method: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
): http.ClientRequest {
  const url = new URL(connection.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  const authorization = connection.token === null ? {} : { authorization: `Bearer ${connection.token}` };
  const options = { method, headers: { accept: 'application/json', ...authorization, ...headers } };
  if (url.protocol !== 'https:') return http.request(url, options);
  try {
    return https.request(url, { ...options, ...connection.tls });
  } catch (cause) {
    throw new CliFailure('usage', 'the files of --ca, --cert and --key are no PEM files that fit together', {
      cause,
    });
  }
}

/** Waits for the answer of a request. Throws an unreachable failure when none comes. */
export function readAnswer(request: http.ClientRequest, connection: ServerConnection): Promise<ServerAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => void describeBroken(error, connection).then(reject);
    request.once('error', fail);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', fail);
      response.once('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
  });
}

/** GETs a JSON document. Throws a refused failure for an error answer. */
export async function fetchJson(connection: ServerConnection, path: string): Promise<unknown> {
  const request = openRequest(connection, 'GET', path);
  const answer = readAnswer(request, connection);
  request.end();
  return readJsonAnswer(await answer, connection);
}

/** The body of a good answer. Throws the server's problem as a refused failure otherwise. */
export function readJsonAnswer(answer: ServerAnswer, connection: ServerConnection): unknown {
  const body = parseJson(answer.text);
  if (answer.status >= 200 && answer.status < 300 && body !== undefined) return body;
  if (isProblem(body)) throw toRefused(body);
  throw new CliFailure(
    'refused',
    `${connection.url.origin} answered ${answer.status} without a problem document: check that --url names an Arrowport server`,
    { label: 'refused' },
  );
}

/** A server's problem document as the failure that ends the command. */
export function toRefused(problem: Problem): CliFailure {
  const detail = problem['detail'] ?? problem['title'] ?? 'the server gave no reason';
  // Only what HTTP itself refuses is of this type: the path is not the one that was meant.
  const message =
    problem['type'] === 'about:blank'
      ? `${problem['status']} ${problem['title']}: ${detail} Check the path in --url.`
      : describeRefusal(String(problem['code']), `${detail}${describePosition(problem)}`);
  return new CliFailure('refused', message, { label: 'refused', problem });
}

/** Where in a statement the fault is; in a configuration, the text has it already. */
function describePosition({ code, position }: Problem): string {
  const isOfStatement = /^(QUERY|TABLE)_/.test(String(code)) && typeof position === 'number';
  return isOfStatement ? ` (at character ${position})` : '';
}

/** A refusal in one line; where a token is missing or not good, with the way to give one. */
export function describeRefusal(code: string, detail: string): string {
  if (code !== 'UNAUTHENTICATED') return `${code}: ${detail}`;
  return `${code}: ${detail.replace(/\.$/, '')}: give a good token with ARROWPORT_TOKEN or --token`;
}

/** How long a server may take to answer the greeting of TLS. */
const greetingMs = 2000;

/**
 * A failure that says so when the server encrypts and the URL does not; undefined otherwise, and when nobody is there.
 * Such a server closes what it cannot read, which looks like any connection that broke.
 */
export async function findEncryption({ url }: ServerConnection): Promise<CliFailure | undefined> {
  if (url.protocol !== 'http:') return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isEncrypted = await new Promise<boolean>((settle) => {
    const socket = connectTls({
      host,
      port: Number(url.port || 80),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // Nothing is sent: whose certificate it is does not matter.
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1', 'h2'],
      timeout: greetingMs,
    });
    const end = (answer: boolean) => {
      socket.destroy();
      settle(answer);
    };
    socket.once('secureConnect', () => end(true));
    socket.once('timeout', () => end(false));
    // A server that wants a client certificate refuses by an alert, which is TLS as well.
    socket.once('error', ({ message }) => end(/alert/.test(message)));
    socket.once('close', () => settle(false));
  });
  if (!isEncrypted) return undefined;
  return new CliFailure('unreachable', `${url.origin} encrypts its connections: use https:// in --url`);
}

/** The failure of a request that got no answer; where the server encrypts and the URL does not, it says so. */
export async function describeBroken(error: Error, connection: ServerConnection): Promise<CliFailure> {
  return (await findEncryption(connection)) ?? toUnreachable(error, connection);
}

/** What went wrong on the way to a server, as the failure that ends the command. */
export function toUnreachable(error: Error, connection: ServerConnection): CliFailure {
  const { code } = error as NodeJS.ErrnoException;
  const distrust = describeDistrust(code ?? '', error.message);
  if (distrust !== undefined)
    return new CliFailure('unreachable', `${connection.url.origin} ${distrust}`, { cause: error });
  if (code === 'ENOTFOUND')
    return new CliFailure('unreachable', `${connection.url.origin} has an unknown host name: check --url`, {
      cause: error,
    });
  const reason = code === undefined ? error.message : (reasons[code] ?? code);
  return new CliFailure(
    'unreachable',
    `${connection.url.origin} ${reason}: start it with arrowport serve, or name another with --url`,
    { cause: error },
  );
}

/** What is wrong between client and server when the two cannot agree on an encrypted connection. */
function describeDistrust(code: string, message: string): string | undefined {
  const text = `${code} ${message}`;
  if (/SELF_SIGNED|UNABLE_TO|self-signed|unable to (get|verify)/.test(text))
    return 'has a certificate of an unknown authority: name the file of its authority with --ca';
  if (/ALTNAME|does not match certificate/.test(text))
    return 'has a certificate of another name: use the name that it is for in --url';
  if (/CERT_HAS_EXPIRED|certificate has expired/.test(text))
    return 'has a certificate that has expired: renew it';
  if (/CERTIFICATE_REQUIRED|certificate required|BAD_CERTIFICATE/i.test(text))
    return 'asks for a client certificate: name its files with --cert and --key';
  if (/WRONG_VERSION_NUMBER|wrong version number|packet length too long/i.test(text))
    return 'does not encrypt: use http:// in --url';
  return undefined;
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'refuses connections',
  EAI_AGAIN: 'has a host name that cannot be looked up now',
  ECONNRESET: 'closed the connection without an answer',
  EPIPE: 'closed the connection without an answer',
  ETIMEDOUT: 'does not answer',
  EHOSTUNREACH: 'cannot be reached from here',
};

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'status' in body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
