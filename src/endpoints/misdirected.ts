import type { Socket } from 'node:net';

/** How long a client gets to take its answer. */
const FAREWELL_MS = 1000;

/**
 * Tells the client of a connection that it has come to the wrong port, in HTTP/1.1 whatever it speaks, and closes it:
 * clients of gRPC know such an answer and give up at once, where they would try again and again after a GOAWAY.
 */
export function refuseMisdirected(socket: Socket, text: string): void {
  const head = [
    'HTTP/1.1 421 Misdirected Request',
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.on('error', () => socket.destroy());
  socket.setTimeout(FAREWELL_MS, () => socket.destroy());
  // Unread bytes would turn the end into a reset, which can take the answer away.
  socket.resume();
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
