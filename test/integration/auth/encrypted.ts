import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { patienceMs } from '../../support/patience.ts';

/** What a request over TLS came to. */
export interface EncryptedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What client and server agreed to speak. */
  readonly alpn: string | false | null;
  readonly protocol: string | null;
  /** The fingerprint of the server's certificate. */
  readonly fingerprint: string;
}

/** How a request over TLS is made. */
export interface EncryptedRequest {
  /** PEM of the authority that the server is trusted by. */
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly alpn?: readonly string[];
  readonly maxVersion?: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
}

/** Sends one request on a connection of its own. Rejects with what Node says when there is no connection. */
export function askEncrypted(url: string, options: EncryptedRequest): Promise<EncryptedAnswer> {
  const { alpn, body, maxVersion, ...rest } = options;
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      ...rest,
      agent: false,
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
      ...(maxVersion === undefined ? {} : { maxVersion, minVersion: 'TLSv1' }),
    });
    asked.setTimeout(patienceMs, () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.on('response', (response) => {
      const socket = response.socket as TLSSocket;
      const { fingerprint256: fingerprint } = socket.getPeerCertificate();
      const protocol = socket.getProtocol();
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          alpn: socket.alpnProtocol,
          protocol,
          fingerprint,
        }),
      );
    });
    asked.end(body);
  });
}
