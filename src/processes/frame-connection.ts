import { connect, type Socket } from 'node:net';
import { encodeFrameHead, type Frame, FrameDecoder, type FrameHeader } from './frame-codec.ts';

/** The peer closed the connection, or it broke. */
export class ConnectionLostError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConnectionLostError';
  }
}

const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/**
 * One connection that speaks frames. `send` waits while the peer does not read; the peer waits while nobody
 * calls `receive` and some megabytes of frames are queued.
 */
export interface FrameConnection {
  /**
   * Sends one frame whose payload is the parts, in order and without copying them. Resolves when the socket
   * has taken every byte: the parts' memory may then be used again. Throws ConnectionLostError.
   */
  send(header: FrameHeader, parts?: readonly Uint8Array[]): Promise<void>;
  /** The next frame; undefined when the peer ended the connection properly. Throws ConnectionLostError, FrameFormatError. */
  receive(): Promise<Frame | undefined>;
  /** Ends the connection at once, whatever is under way. */
  close(): void;
}

/** Connects to a Unix socket. Throws ConnectionLostError. */
export function openFrameConnection(path: string): Promise<FrameConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const onError = (error: Error) => {
      reject(new ConnectionLostError('cannot connect to the process', { cause: error }));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(new SocketFrameConnection(socket));
    });
  });
}

interface Waiter {
  resolve(frame: Frame | undefined): void;
  reject(error: Error): void;
}

class SocketFrameConnection implements FrameConnection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #queue: Frame[] = [];
  readonly #waiters: Waiter[] = [];
  #queuedBytes = 0;
  #ended = false;
  #failure: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) =>
      this.#fail(new ConnectionLostError('the connection broke', { cause: error })),
    );
    socket.on('close', () => this.#fail(new ConnectionLostError('the connection was closed')));
  }

  send(header: FrameHeader, parts: readonly Uint8Array[] = []): Promise<void> {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      return Promise.reject(this.#failure ?? new ConnectionLostError('the connection was closed'));
    }
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => {
        if (error) reject(new ConnectionLostError('the connection broke', { cause: error }));
        else resolve();
      };
      socket.cork();
      if (bytes === 0) {
        socket.write(encodeFrameHead(header, 0), done);
      } else {
        socket.write(encodeFrameHead(header, bytes));
        const last = parts.length - 1;
        parts.forEach((part, index) => {
          if (index === last) socket.write(part, done);
          else socket.write(part);
        });
      }
      socket.uncork();
    });
  }

  receive(): Promise<Frame | undefined> {
    const frame = this.#queue.shift();
    if (frame !== undefined) {
      this.#queuedBytes -= frame.payload.length;
      if (this.#queuedBytes < MAX_QUEUED_BYTES) this.#socket.resume();
      return Promise.resolve(frame);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#deliver(frame);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      this.#socket.destroy();
    }
  }

  #deliver(frame: Frame): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(frame);
      return;
    }
    this.#queue.push(frame);
    this.#queuedBytes += frame.payload.length;
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#socket.pause();
  }

  #onEnd(): void {
    try {
      this.#decoder.end();
    } catch (error) {
      this.#fail(new ConnectionLostError('the connection ended inside a frame', { cause: error }));
      return;
    }
    this.#ended = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(undefined);
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#failure ??= error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
  }
}
