import type { ServerHttp2Stream } from 'node:http2';
import { encodeRecordBatchParts, encodeSchemaMessage } from '../../arrow/stream-writer.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightBatch } from './producer.ts';
import { frameFlightData } from './wire.ts';

/** Bytes of small batches that may wait for the client before the next one is made. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Bodies up to this size are copied: cheaper than writing many small buffers. */
const COPIED_BYTES = 64 * 1024;

/** Writes the FlightData messages of one answer. */
export interface DataWriter {
  writeSchema(schema: ArrowSchema): Promise<void>;
  /** Resolves when the batch's memory is no longer read and there is room for another. Throws what ended the call. */
  writeBatch(batch: FlightBatch): Promise<void>;
}

/** What bounds the wait for a client that does not read. */
export interface DataWriterOptions {
  readonly signal: AbortSignal;
  readonly idleTimeoutSeconds: number;
}

/**
 * Writes to the HTTP/2 stream of a call whose headers are sent, past the gRPC library, which would copy every message
 * twice: buffers go to the socket from where they are. Messages are not compressed.
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function createDataWriter(stream: ServerHttp2Stream, options: DataWriterOptions): DataWriter {
  return new StreamWriter(stream, options);
}

class StreamWriter implements DataWriter {
  readonly #stream: ServerHttp2Stream;
  readonly #options: DataWriterOptions;

  constructor(stream: ServerHttp2Stream, options: DataWriterOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  writeSchema(schema: ArrowSchema): Promise<void> {
    return this.#write(frameFlightData({ header: encodeSchemaMessage(schema) }, 0), [], 0);
  }

  async writeBatch(batch: FlightBatch): Promise<void> {
    const { metadata, parts, bodyBytes } = encodeRecordBatchParts(batch.columns, batch.rows);
    const { appMetadata = null } = batch;
    await this.#write(frameFlightData({ header: metadata, appMetadata }, bodyBytes), parts, bodyBytes);
  }

  async #write(start: Uint8Array, parts: readonly Uint8Array[], bodyBytes: number): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted) throw signal.reason;
    const stream = this.#stream;
    if (stream.destroyed) throw goneError();
    if (bodyBytes <= COPIED_BYTES) {
      stream.write(Buffer.concat([start, ...parts]));
      if (stream.writableLength > HIGH_WATER_BYTES) await this.#drained();
      return;
    }
    stream.cork();
    stream.write(start);
    for (const part of parts) stream.write(part);
    stream.uncork();
    if (stream.writableLength > 0) await this.#drained();
  }

  #bytesSent(): number {
    return this.#stream.session?.socket.bytesWritten ?? 0;
  }

  /** Resolves when everything written has gone to the socket. */
  #drained(): Promise<void> {
    const { signal, idleTimeoutSeconds } = this.#options;
    const stream = this.#stream;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal.reason);
    const onClose = () => reject(signal.aborted ? signal.reason : goneError());
    let sent = this.#bytesSent();
    const onIdle = () => {
      const now = this.#bytesSent();
      if (now === sent) reject(idleError(idleTimeoutSeconds));
      sent = now;
    };
    // A client that reads slowly does read; of one that does not, nothing more fits into its connection.
    const timer = setInterval(onIdle, idleTimeoutSeconds * 1000);
    signal.addEventListener('abort', onAbort, { once: true });
    stream.once('drain', resolve);
    stream.once('close', onClose);
    return promise.finally(() => {
      clearInterval(timer);
      signal.removeEventListener('abort', onAbort);
      stream.off('drain', resolve);
      stream.off('close', onClose);
    });
  }
}

function goneError(): ArrowportError {
  return new ArrowportError('CANCELLED', 'The client went away before the end of the result.');
}

function idleError(seconds: number): ArrowportError {
  return new ArrowportError(
    'DEADLINE_EXCEEDED',
    `The client read nothing for ${seconds} s (limits.idle_timeout_seconds); the rest of the result was dropped.`,
    { details: { limit: 'limits.idle_timeout_seconds' } },
  );
}
