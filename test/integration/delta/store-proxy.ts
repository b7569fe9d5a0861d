import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CleanupOwner } from '../../support/temp-folder.ts';

/** Starts an HTTP server on the loopback, which ends with `owner`; returns its address. */
export async function listenForStore(owner: CleanupOwner, onRequest: RequestListener): Promise<string> {
  const server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends a request on to a store, as it is or changed; the answer is for `onReply`. */
export function passOn(
  incoming: IncomingMessage,
  answer: ServerResponse,
  store: string,
  change: { readonly path?: string | undefined; readonly headers?: IncomingMessage['headers'] },
  onReply: (reply: IncomingMessage) => void,
): void {
  const { method, headers } = incoming;
  const path = change.path ?? incoming.url ?? '/';
  const { hostname, port } = new URL(store);
  const onward = request({ host: hostname, port, path, method, headers: change.headers ?? headers }, onReply);
  onward.on('error', () => answer.destroy());
  incoming.pipe(onward);
}

/** Hands a store's reply to who asked. */
export function handBack(reply: IncomingMessage, answer: ServerResponse): void {
  answer.writeHead(reply.statusCode ?? 500, reply.headers);
  reply.pipe(answer);
}

/** Answers as a store does that wants to be asked again. */
export function answerBusy(answer: ServerResponse): void {
  answer.writeHead(503, { 'content-type': 'application/xml' });
  answer.end('<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>');
}

/** What becomes of a request to a store that is not well. */
export type Trouble = 'pass' | 'refuse' | 'lose answer';

/**
 * Starts a store that is not well in front of one that is: `meddle` says what becomes of a request, by its number,
 * method and path. What was meddled with passes the next time, so that no unlucky request uses up all its retries,
 * but for `isStubborn`.
 */
export function startTroubledStore(
  owner: CleanupOwner,
  store: string,
  meddle: (count: number, method: string, path: string) => Trouble,
  { isStubborn = false } = {},
): Promise<string> {
  let count = 0;
  const meddledWith = new Set<string>();
  return listenForStore(owner, (incoming, answer) => {
    count += 1;
    const { method = '', url = '' } = incoming;
    const name = `${method} ${url}`;
    const passesNow = !isStubborn && meddledWith.delete(name);
    const trouble = passesNow ? 'pass' : meddle(count, method, url);
    if (trouble !== 'pass') meddledWith.add(name);
    if (trouble === 'refuse') {
      incoming.resume();
      answerBusy(answer);
      return;
    }
    passOn(incoming, answer, store, {}, (reply) => {
      if (trouble === 'pass') return handBack(reply, answer);
      reply.resume().once('end', () => answerBusy(answer));
    });
  });
}
