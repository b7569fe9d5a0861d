import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { BoundAddress } from '../core/endpoint.ts';
import { ArrowportError } from '../errors.ts';

/** Where to listen, and who takes which connections. */
export interface PortOptions {
  /** For messages: the configuration key that gives the port. */
  readonly key: 'port' | 'flight_port';
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Takes connections that begin with the HTTP/2 preface. */
  onHttp2(socket: Socket): void;
  /** Takes all others; null when only HTTP/2 is spoken here, which then gets every connection at once. */
  readonly onHttp1: ((socket: Socket) => void) | null;
  /** How long a new connection may take to show what it speaks; 10 s by default. */
  readonly firstBytesMs?: number;
  /** What the port encrypts with; absent or null: it does not. */
  readonly tls?: TlsMaterial | null;
}

/** The texts of PEM files. */
export interface TlsMaterial {
  /** The certificate chain, the server's own first. */
  readonly cert: string;
  readonly key: string;
  /** Authorities one of which must have signed the client's certificate; null: none is asked for. */
  readonly clientCa: string | null;
}

/** A listening port. */
export interface Port {
  /** Resolves with the address that was bound. Throws OPTION_INVALID when it cannot be. */
  listen(): Promise<BoundAddress>;
  /** What connections are encrypted with from the next one on; only for a port that was made with `tls`. */
  setTls(material: TlsMaterial): void;
  /** Stops listening and drops connections that have not been handed over; those that have live on. */
  close(): Promise<void>;
}

/** The first bytes of an HTTP/2 connection; no method of HTTP/1.1 is `PRI`. */
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const FIRST_BYTES_MS = 10_000;

/**
 * Makes a listener that tells HTTP/2 from HTTP/1.1 and hands the sockets over: by what was agreed on with TLS, else by
 * the first bytes of each connection, which are put back. It is the socket itself, so that Node's HTTP/2 reads it
 * natively: wrapped in another stream, it passes a quarter less.
 */
export function createPort(options: PortOptions): Port {
  const undecided = new Set<Socket>();
  const material = options.tls ?? null;
  const encrypted = material === null ? null : createEncryptedServer(options, material, undecided);
  const server = encrypted ?? createPlainServer(options, undecided);
  return {
    listen: () => listen(server, options),
    setTls(next) {
      encrypted?.setSecureContext(describeTls(next));
    },
    async close() {
      for (const socket of undecided) socket.destroy();
      // Handed-over connections end with their doors; waiting for them here would wait for their clients.
      if (server.listening) server.close();
    },
  };
}

function createPlainServer(options: PortOptions, undecided: Set<Socket>): Server {
  const { onHttp1 } = options;
  return createServer({ noDelay: true, keepAlive: true }, (socket) => {
    if (onHttp1 === null) {
      options.onHttp2(socket);
      return;
    }
    decide(socket, undecided, options.firstBytesMs ?? FIRST_BYTES_MS, (isHttp2) => {
      if (isHttp2) {
        options.onHttp2(socket);
        return;
      }
      onHttp1(socket);
      // An HTTP/2 session pulls what was put back by itself; an HTTP/1.1 server waits for it to flow.
      socket.resume();
    });
  });
}

/**
 * A client that speaks both gets HTTP/1.1: what speaks HTTP/2 here is gRPC, whose clients offer nothing else. Without
 * an agreement it is HTTP/1.1 too, since HTTP/2 over TLS needs one.
 */
function createEncryptedServer(
  options: PortOptions,
  material: TlsMaterial,
  undecided: Set<Socket>,
): TlsServer {
  const { onHttp1 } = options;
  const server = createTlsServer(
    {
      ...describeTls(material),
      requestCert: material.clientCa !== null,
      rejectUnauthorized: true,
      ALPNProtocols: onHttp1 === null ? ['h2'] : ['http/1.1', 'h2'],
      handshakeTimeout: options.firstBytesMs ?? FIRST_BYTES_MS,
      noDelay: true,
      keepAlive: true,
    },
    (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') options.onHttp2(socket);
      else if (onHttp1 === null) socket.destroy();
      else onHttp1(socket);
    },
  );
  // Node shows the socket below and the one above it apart; the address of the client tells which belong together.
  const shaking = new Map<string, Socket>();
  const forget = (socket: Socket | undefined, peer: string) => {
    if (socket === undefined || shaking.get(peer) !== socket) return;
    shaking.delete(peer);
    undecided.delete(socket);
  };
  server.on('connection', (socket: Socket) => {
    const peer = describePeer(socket);
    undecided.add(socket);
    shaking.set(peer, socket);
    socket.once('close', () => {
      undecided.delete(socket);
      forget(socket, peer);
    });
  });
  server.prependListener('secureConnection', (socket) => {
    const peer = describePeer(socket);
    forget(shaking.get(peer), peer);
  });
  // A handshake that fails concerns one client, which hears of it from its own side.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function describePeer({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function describeTls({ cert, key, clientCa }: TlsMaterial) {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa === null ? {} : { ca: clientCa }) } as const;
}

function decide(
  socket: Socket,
  undecided: Set<Socket>,
  firstBytesMs: number,
  handOver: (isHttp2: boolean) => void,
): void {
  undecided.add(socket);
  const timer = setTimeout(() => socket.destroy(), firstBytesMs);
  timer.unref();
  let seen: Buffer = Buffer.alloc(0);
  const forget = () => {
    undecided.delete(socket);
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('error', onError);
    socket.off('end', onEnd);
    socket.off('close', forget);
  };
  const onError = () => socket.destroy();
  const onEnd = () => socket.destroy();
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const isHttp2 = recognise(seen);
    if (isHttp2 === undefined) return;
    socket.pause();
    forget();
    socket.unshift(seen);
    handOver(isHttp2);
  };
  socket.on('data', onData);
  socket.on('error', onError);
  socket.on('end', onEnd);
  socket.on('close', forget);
}

/** Whether the bytes begin an HTTP/2 connection; undefined while they do not tell. */
function recognise(bytes: Buffer): boolean | undefined {
  const length = Math.min(bytes.length, HTTP2_PREFACE.length);
  if (!bytes.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length))) return false;
  return length === HTTP2_PREFACE.length ? true : undefined;
}

function listen(server: Server, options: PortOptions): Promise<BoundAddress> {
  const { promise, resolve, reject } = Promise.withResolvers<BoundAddress>();
  const onError = (cause: NodeJS.ErrnoException) => reject(listenError(cause, options));
  server.once('error', onError);
  server.listen({ host: options.host, port: options.port }, () => {
    server.off('error', onError);
    // A failure to accept (no file descriptors left) concerns one connection; the port stays open.
    server.on('error', () => {});
    const address = server.address();
    if (address === null || typeof address === 'string')
      reject(new Error('The listener has no TCP address.'));
    else resolve({ host: address.address, port: address.port });
  });
  return promise;
}

function listenError(cause: NodeJS.ErrnoException, { host, port, key }: PortOptions): ArrowportError {
  const reasons: Record<string, string> = {
    EADDRINUSE: `${key} ${port} is in use on ${host}: stop the other program or set another ${key}`,
    EACCES: `${key} ${port} may not be opened by this user: set a ${key} above 1023`,
    EADDRNOTAVAIL: `host ${host} is no address of this machine: set another host`,
    ENOTFOUND: `host ${host} is not known: set another host`,
  };
  const reason =
    reasons[cause.code ?? ''] ??
    `${key} ${port} on ${host} cannot be opened (${cause.code ?? 'unknown error'})`;
  return new ArrowportError('OPTION_INVALID', reason, { cause });
}
