import { Readable } from 'node:stream';
import { decodeContentEncoding } from '../../arrow/content-encoding.ts';
import type { IpcLimits } from '../../core/ipc-message.ts';
import type { RequestBody, WireLimits } from './request-body.ts';

/** One request's body on its way to the Arrow readers. */
export interface ArrowBody {
  /** The bytes after Content-Encoding; throws what reading the request throws. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Lets go of decoders; call it however the request ended. */
  close(): void;
}

/** Puts the decoder of a Content-Encoding over a body. Throws CODEC_UNSUPPORTED; reads nothing yet. */
export function createArrowBody(
  body: RequestBody,
  encoding: string | undefined,
  wire: WireLimits,
  limits: IpcLimits,
): ArrowBody {
  const named = encoding?.trim().toLowerCase() ?? '';
  if (named === '' || named === 'identity') return { chunks: body.read(wire), close() {} };
  const decoded = decodeContentEncoding(Readable.from(body.read(wire), { objectMode: false }), named, limits);
  return { chunks: { [Symbol.asyncIterator]: () => iterate(decoded, body) }, close: () => decoded.destroy() };
}

async function* iterate(decoded: Readable, body: RequestBody): AsyncGenerator<Uint8Array> {
  try {
    yield* decoded as AsyncIterable<Uint8Array>;
  } catch (error) {
    // What broke the wire is the cause; what a decoder makes of it is only a consequence.
    throw body.signal.aborted ? body.signal.reason : error;
  }
}
