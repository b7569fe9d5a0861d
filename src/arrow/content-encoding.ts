import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';
import type { IpcLimits } from '../core/ipc-message.ts';
import { ArrowportError } from '../errors.ts';
import { followBrotli } from './brotli-length.ts';
import { malformed, truncated } from './ipc-error.ts';
import { admitRatio, RATIO_FREE_BYTES } from './unfolding-budget.ts';
import { ZstdFrameCutter } from './zstd-frames.ts';

const MAX_ENCODINGS = 2;
const CHUNK_BYTES = 128 * 1024;

interface Decoder extends Transform {
  /** Bytes that the decoder has taken in. */
  readonly bytesWritten: number;
}

/** What a decoder may look back on, and so holds: RFC 9659 asks of encoders to keep to 8 MiB. */
const ZSTD_WINDOW_LOG = 23;
/** Output from which on a body that only the free output keeps below the ratio is looked through ahead of its reader. */
const SUSPICIOUS_BYTES = 1024 * 1024;
/** Most bytes that are kept for that. A larger body pays for its output with its own size. */
const PROBED_BYTES = 1024 * 1024;
const PROBE_CHUNK_BYTES = 1024 * 1024;

const zstdParams = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };

const decoders: Readonly<Record<string, (chunkSize: number) => Decoder>> = {
  zstd: (chunkSize) => createZstdDecompress({ chunkSize, params: zstdParams }),
  gzip: (chunkSize) => createGunzip({ chunkSize }),
  'x-gzip': (chunkSize) => createGunzip({ chunkSize }),
  br: (chunkSize) => createBrotliDecompress({ chunkSize }),
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
  names.reverse();
  const stages = names.map((name) => createStage(name, CHUNK_BYTES));
  stages[0]?.feeder.keep(PROBED_BYTES);
  checkDeclared(stages, limits);
  const output = new DecodedBody(stages, limits, (bytes, most) => unfoldsBeyond(names, bytes, most));
  const transforms = stages.flatMap(({ feeder, decoder }) => [feeder, decoder]);
  pipeline([...transforms, output], ignoreOutcome);
  connect(body, transforms[0] ?? output, output);
  return output;
}

/** Refuses frames by what they declare, before they are decoded: their decoder holds them to it. */
function checkDeclared(stages: readonly Stage[], limits: IpcLimits): void {
  const [first] = stages;
  const last = stages.at(-1);
  if (first === undefined || last === undefined) return;
  last.feeder.check = () => admitRatio('The body', first.feeder.bytes, last.feeder.declaredBytes, limits);
}

/** The outcome of a pipeline is read from its last stream. */
function ignoreOutcome(): void {}

function requireDecoder(name: string): (chunkSize: number) => Decoder {
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

function createStage(name: string, chunkBytes: number): Stage {
  const feeder = new Feeder(name === 'zstd' ? new ZstdFrameCutter() : null);
  return { feeder, decoder: requireDecoder(name)(chunkBytes) };
}

/** Resolves with whether the start of a body unfolds to more than `most` bytes. Nothing of the output is kept. */
async function unfoldsBeyond(
  names: readonly string[],
  start: readonly Uint8Array[],
  most: number,
): Promise<boolean> {
  if (names.length === 1 && names[0] === 'br') {
    const { bytes, isWhole } = followBrotli(Buffer.concat(start), most);
    if (isWhole || bytes > most) return bytes > most;
  }
  const transforms = names.flatMap((name) => {
    const { feeder, decoder } = createStage(name, PROBE_CHUNK_BYTES);
    return [feeder, decoder];
  });
  const [first] = transforms;
  const last = transforms.at(-1);
  if (first === undefined || last === undefined) return false;
  pipeline(transforms, ignoreOutcome);
  for (const chunk of start) first.write(chunk);
  first.end();
  let bytes = 0;
  try {
    for await (const chunk of last) {
      const { buffer, byteLength } = chunk as Buffer;
      bytes += byteLength;
      // Left to the collector, what one bomb unfolds to would still be there with the next.
      if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
      if (bytes > most) return true;
    }
  } catch {
    // A start has no proper end; what is wrong with the whole is for its reader to find.
  } finally {
    for (const transform of transforms) transform.destroy();
  }
  return false;
}

/** Counts what goes into a decoder, and hands it zstd frame by frame. */
class Feeder extends Transform {
  readonly #cutter: ZstdFrameCutter | null;
  /** All that went in, as long as it is little enough to be kept; null behind that. */
  kept: Uint8Array[] | null = null;
  #keptBytes = 0;
  bytes = 0;
  /** Called with each chunk before any of it is decoded; what it throws ends the body. */
  check: (() => void) | null = null;

  constructor(cutter: ZstdFrameCutter | null) {
    super();
    this.#cutter = cutter;
  }

  /** Keeps what goes in, up to so many bytes. */
  keep(bytes: number): void {
    this.kept = [];
    this.#keptBytes = bytes;
  }

  /** Bytes that what went in declares to unfold to, as far as it is known for sure. */
  get declaredBytes(): number {
    return this.#cutter?.declaredBytes ?? 0;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.byteLength;
    if (this.bytes > this.#keptBytes) this.kept = null;
    this.kept?.push(chunk);
    const pieces = this.#cutter?.cut(chunk) ?? [chunk];
    try {
      this.check?.();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    for (const piece of pieces) this.push(piece);
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
  readonly #probe: (start: readonly Uint8Array[], most: number) => Promise<boolean>;
  #bytes = 0;
  #probedBytes = 0;
  #passOn: Error | null = null;

  constructor(
    stages: readonly Stage[],
    limits: IpcLimits,
    probe: (start: readonly Uint8Array[], most: number) => Promise<boolean>,
  ) {
    super();
    this.#stages = stages;
    this.#limits = limits;
    this.#probe = probe;
  }

  /** Fails with this very error. */
  fail(error: Error): void {
    this.#passOn ??= error;
    this.destroy(error);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.byteLength;
    const suspect = this.#findSuspect();
    const looked = suspect === null ? null : this.#lookAhead(suspect);
    if (looked === null) this.#pass(this.#bytes, chunk, done);
    else looked.then((bytes) => this.#pass(bytes, chunk, done));
  }

  #pass(bytes: number, chunk: Buffer, done: TransformCallback): void {
    try {
      admitRatio('The body', this.#inputBytes, bytes, this.#limits);
      done(null, chunk);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What the first decoder has made its output of; what was fed to it may be far ahead. */
  get #inputBytes(): number {
    return this.#stages[0]?.decoder.bytesWritten ?? 0;
  }

  /** What came so far of a body that is below its ratio only because the first output is free; null when there is no need to look. */
  #findSuspect(): readonly Uint8Array[] | null {
    const feeder = this.#stages[0]?.feeder;
    if (feeder === undefined || this.#bytes < SUSPICIOUS_BYTES || this.#bytes > RATIO_FREE_BYTES) return null;
    if (this.#bytes <= this.#inputBytes * this.#limits.maxDecompressedRatio) return null;
    // Again with each doubling: a bomb may begin harmlessly.
    return feeder.bytes < 2 * this.#probedBytes ? null : feeder.kept;
  }

  /**
   * Finds a bomb without handing its output on, which would have it checked and inserted up to the free output.
   * Resolves with how much the body is known to unfold to.
   */
  async #lookAhead(start: readonly Uint8Array[]): Promise<number> {
    const input = this.#stages[0]?.feeder.bytes ?? 0;
    this.#probedBytes = input;
    const most = Math.max(RATIO_FREE_BYTES, input * this.#limits.maxDecompressedRatio);
    return (await this.#probe([...start], most)) ? most + 1 : this.#bytes;
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
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') {
    return malformed(
      'The body needs a zstd window over 8 MiB (RFC 9659); compress it without --long or --ultra.',
    );
  }
  if (code === 'Z_BUF_ERROR') {
    return new ArrowportError('IPC_TRUNCATED', 'The body ends before its Content-Encoding does.', {
      cause: error,
    });
  }
  return new ArrowportError('IPC_MALFORMED', 'The body does not decode with its Content-Encoding.', {
    cause: error,
  });
}
