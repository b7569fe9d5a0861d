import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';
import type { IpcLimits } from '../core/ipc-message.ts';
import { ArrowportError } from '../errors.ts';
import { malformed, truncated } from './ipc-error.ts';
import { admitRatio } from './unfolding-budget.ts';
import { ZstdFrameCutter } from './zstd-frames.ts';

const MAX_ENCODINGS = 2;
const CHUNK_BYTES = 128 * 1024;

interface Decoder extends Transform {
  /** Bytes that the decoder has taken in. */
  readonly bytesWritten: number;
}

const options = { chunkSize: CHUNK_BYTES };

const decoders: Readonly<Record<string, () => Decoder>> = {
  zstd: () => createZstdDecompress(options),
  gzip: () => createGunzip(options),
  'x-gzip': () => createGunzip(options),
  br: () => createBrotliDecompress(options),
};

/**
 * The body with its `Content-Encoding` undone: zstd, gzip, br, identity (which gives back `body` itself), or a list of
 * at most two. Errors of `body` pass through unchanged; `body` is never destroyed, only no longer read, so that its
 * socket can still carry an answer. The result fails with IPC_MALFORMED when the bytes do not decode, IPC_TRUNCATED
 * when they end too early, DECOMPRESSED_TOO_LARGE past `limits.maxDecompressedRatio`.
 * Throws CODEC_UNSUPPORTED for another encoding.
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
  for (const name of names) requireDecoder(name);
  if (names.length === 0) return body;
  const stages = names.reverse().map(createStage);
  const output = new DecodedBody(stages, limits);
  const transforms = stages.flatMap(({ feeder, decoder }) => [feeder, decoder]);
  pipeline([...transforms, output], ignoreOutcome);
  connect(body, transforms[0] ?? output, output);
  return output;
}

/** The outcome of a pipeline is read from its last stream. */
function ignoreOutcome(): void {}

function requireDecoder(name: string): () => Decoder {
  const create = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (create !== undefined) return create;
  const shown = JSON.stringify(name.slice(0, 40));
  throw new ArrowportError(
    'CODEC_UNSUPPORTED',
    `Content-Encoding ${shown} is not supported; use zstd, gzip or br.`,
  );
}

/** A decoder and what feeds it. */
interface Stage {
  readonly feeder: Feeder;
  readonly decoder: Decoder;
}

function createStage(name: string): Stage {
  const feeder = new Feeder(name === 'zstd' ? new ZstdFrameCutter() : null);
  return { feeder, decoder: requireDecoder(name)() };
}

/** Counts what goes into a decoder, and hands it zstd frame by frame. */
class Feeder extends Transform {
  readonly #cutter: ZstdFrameCutter | null;
  bytes = 0;

  constructor(cutter: ZstdFrameCutter | null) {
    super();
    this.#cutter = cutter;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.byteLength;
    for (const piece of this.#cutter?.cut(chunk) ?? [chunk]) this.push(piece);
    done();
  }
}

function connect(body: Readable, input: Transform, output: DecodedBody): void {
  body.on('error', (error) => output.fail(error));
  body.on('close', () => {
    // A body that is cut off closes without an end, which pipe alone would wait for in vain.
    if (!body.readableEnded && body.errored === null) output.fail(truncated('The body was cut off.'));
  });
  output.on('close', () => body.unpipe(input));
  if (body.errored !== null) output.fail(body.errored);
  else body.pipe(input);
}

/** The decoded bytes, measured against the limits; what it fails with is in the words of the error table. */
class DecodedBody extends Transform {
  readonly #stages: readonly Stage[];
  readonly #limits: IpcLimits;
  #bytes = 0;
  #passOn: Error | null = null;

  constructor(stages: readonly Stage[], limits: IpcLimits) {
    super();
    this.#stages = stages;
    this.#limits = limits;
  }

  /** Fails with this very error. */
  fail(error: Error): void {
    this.#passOn ??= error;
    this.destroy(error);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.byteLength;
    try {
      admitRatio('The body', this.#stages[0]?.feeder.bytes ?? 0, this.#bytes, this.#limits);
      done(null, chunk);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  override _flush(done: TransformCallback): void {
    // Decoders fall silent at the end of their data; what follows must not be lost in silence.
    const isWhole = this.#stages.every(({ feeder, decoder }) => decoder.bytesWritten === feeder.bytes);
    done(isWhole ? null : malformed('The body goes on after the end of its Content-Encoding.'));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error === null || error instanceof ArrowportError || error === this.#passOn) done(error);
    else done(undecodable(error));
  }
}

function undecodable(error: Error): ArrowportError {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'Z_BUF_ERROR') {
    return new ArrowportError('IPC_TRUNCATED', 'The body ends before its Content-Encoding does.', {
      cause: error,
    });
  }
  return new ArrowportError('IPC_MALFORMED', 'The body does not decode with its Content-Encoding.', {
    cause: error,
  });
}
