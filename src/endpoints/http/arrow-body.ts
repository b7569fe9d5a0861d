import { Readable } from 'node:stream';
import { decodeContentEncoding } from '../../arrow/content-encoding.ts';
import type { IpcLimits } from '../../core/ipc-message.ts';
import type { RequestBody, WireLimits } from './request-body.ts';

/** One request's body on its way to the Arrow readers. */
export interface ArrowBody {
  /** The bytes after Content-Encoding, whole or lent as was asked for. Throws CODEC_UNSUPPORTED before a byte is read, and what reading throws. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes that came over the wire, where there is a Content-Encoding. */
  readonly wireBytes?: () => number;
  /** Lets go of decoders; call it however the request ended. */
  close(): void;
}

/**
 * Puts the decoder of a Content-Encoding over a body. Nothing is read, nor a decoder made, before the first chunk is
 * pulled. With `lent`, a chunk may be gone once the next one was asked for.
 */
export function createArrowBody(
  body: RequestBody,
  encoding: string | undefined,
  wire: WireLimits,
  limits: IpcLimits,
  hand: 'given' | 'lent',
): ArrowBody {
  const named = encoding?.trim().toLowerCase() ?? '';
  if (named === '' || named === 'identity') return { chunks: body.read(wire, hand), close() {} };
  let decoded: Readable | null = null;
  let wireBytes = 0;
  async function* count(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body.read(wire)) {
      wireBytes += chunk.byteLength;
      yield chunk;
    }
  }
  async function* decode(): AsyncGenerator<Uint8Array> {
    const raw = Readable.from(count(), { objectMode: false });
    const output = decodeContentEncoding(raw, named, limits);
    decoded = output;
    try {
      yield* output as AsyncIterable<Uint8Array>;
    } catch (error) {
      // What broke the wire is the cause; what a decoder makes of it is only a consequence.
      throw body.signal.aborted ? body.signal.reason : error;
    }
  }
  return { chunks: decode(), wireBytes: () => wireBytes, close: () => decoded?.destroy() };
}
