import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';
import type { IpcLimits } from '../core/ipc-message.ts';
import { ArrowportError } from '../errors.ts';
import { malformed, truncated } from './ipc-error.ts';
import { admitRatio } from './unfolding-budget.ts';

const MAX_ENCODINGS = 2;
const CHUNK_BYTES = 128 * 1024;

const decoders: Readonly<Record<string, () => Transform>> = {
  zstd: () => createZstdDecompress({ chunkSize: CHUNK_BYTES }),
  gzip: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  'x-gzip': () => createGunzip({ chunkSize: CHUNK_BYTES }),
  br: () => createBrotliDecompress({ chunkSize: CHUNK_BYTES }),
};

/**
 * The body with its `Content-Encoding` undone: zstd, gzip, br, identity, or a list of at most two. Errors of `body`
 * pass through unchanged. The result fails with IPC_MALFORMED when the bytes do not decode, IPC_TRUNCATED when they
 * end too early, DECOMPRESSED_TOO_LARGE past the limit on the ratio. Throws CODEC_UNSUPPORTED for another encoding.
 */
export function decodeContentEncoding(
  body: Readable,
  encoding: string | undefined,
  limits: IpcLimits,
): Readable {
  const names = (encoding ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_ENCODINGS) {
    throw new ArrowportError(
      'CODEC_UNSUPPORTED',
      `Content-Encoding lists more than ${MAX_ENCODINGS} encodings.`,
    );
  }
  const makers = names.reverse().map(findDecoder);
  if (makers.length === 0) return body;
  const counts = { input: 0, output: 0 };
  const input = countBytes((count) => {
    counts.input += count;
  });
  const output = countBytes((count) => {
    counts.output += count;
    admitRatio('The body', counts.input, counts.output, limits);
  });
  return chain([body, input, ...makers.map((maker) => maker()), output]);
}

function findDecoder(name: string): () => Transform {
  const maker = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (maker !== undefined) return maker;
  const shown = JSON.stringify(name.slice(0, 40));
  throw new ArrowportError(
    'CODEC_UNSUPPORTED',
    `Content-Encoding ${shown} is not supported; use zstd, gzip or br.`,
  );
}

function countBytes(count: (bytes: number) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      try {
        count(chunk.byteLength);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

/** Pipes streams into one another; an error of one destroys all, and the last one fails with it, in our words. */
function chain(streams: readonly Readable[]): Readable {
  const [first, ...rest] = streams as [Readable, ...Transform[]];
  let last: Readable = first;
  for (const next of rest) {
    const previous = last;
    previous.on('error', (error) => next.destroy(previous === first ? error : inWords(error)));
    previous.on('close', () => {
      // A stream that is cut off ends without a word; what follows must not take that for its end.
      if (!previous.readableEnded && previous.errored === null)
        next.destroy(truncated('The body was cut off.'));
    });
    next.on('close', () => {
      if (!previous.destroyed) previous.destroy();
    });
    previous.pipe(next);
    last = next;
  }
  return last;
}

function inWords(error: Error): Error {
  if (error instanceof ArrowportError || !('code' in error)) return error;
  const code = String(error.code);
  if (code === 'Z_BUF_ERROR') return truncated('The body ends before its Content-Encoding does.');
  if (/^(Z_|ERR_|ZSTD_)/.test(code) || code.startsWith('ERR__ERROR')) {
    const problem = malformed('The body does not decode with its Content-Encoding.');
    return new ArrowportError('IPC_MALFORMED', problem.message, { cause: error });
  }
  return error;
}
