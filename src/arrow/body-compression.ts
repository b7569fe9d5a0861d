import { promisify } from 'node:util';
import { zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { decompressFrame, decompressFrameSync } from 'lz4-napi';
import type { BodyCodec, IpcLimits, IpcMessage } from '../core/ipc-message.ts';
import { ArrowportError } from '../errors.ts';
import { malformed } from './ipc-error.ts';
import { checkLz4Frame } from './lz4-frame.ts';
import type { UnfoldingBudget } from './unfolding-budget.ts';

const EMPTY = new Uint8Array(0);
const PREFIX_BYTES = 8;
const STORED_RAW = -1;
/** Below these sizes a trip to the thread pool costs more than the work. */
const SYNC_INPUT_BYTES = 16 * 1024;
const SYNC_OUTPUT_BYTES = 256 * 1024;
const CONCURRENCY = 8;
/** Room behind the output: readers of bitmaps may touch one byte more, and zlib ends without a second round. */
const OUTPUT_SLACK_BYTES = 64;

const zstdDecompressAsync = promisify(zstdDecompress);

/**
 * The buffers of a message, decompressed and each at a multiple of 8 bytes. With `share` uncompressed ones stay views
 * of the message's body, whose release ends their life; with `copy` none does. Declared lengths are admitted by
 * `budget` before memory is taken. Throws IPC_MALFORMED, DECOMPRESSED_TOO_LARGE.
 * @see https://arrow.apache.org/docs/format/Columnar.html#compression
 */
export async function unfoldBuffers(
  message: IpcMessage,
  budget: UnfoldingBudget,
  limits: IpcLimits,
  ownership: 'share' | 'copy',
): Promise<Uint8Array[]> {
  const { header, body } = message;
  if (header.codec === null) {
    const source = ownership === 'copy' ? new Uint8Array(body) : body;
    return header.buffers.map(({ offset, length }) =>
      length === 0 ? EMPTY : aligned(source.subarray(offset, offset + length)),
    );
  }
  const pieces = header.buffers.map(({ offset, length }) => readPiece(body, offset, length));
  let output = 0;
  for (const piece of pieces) output += piece.length;
  budget.admitMessage(body.byteLength, output, limits);
  return decompressAll(pieces, header.codec, ownership);
}

/** Bytes that the buffers of a message say they unfold to; their length where they are not compressed. Throws IPC_MALFORMED. */
export function declaredBytes({ header, body }: IpcMessage): number {
  let bytes = 0;
  for (const { offset, length } of header.buffers) {
    bytes += header.codec === null ? length : readPiece(body, offset, length).length;
  }
  return bytes;
}

/** The same of each buffer. Throws IPC_MALFORMED. */
export function declaredLengths({ header, body }: IpcMessage): number[] {
  return header.buffers.map(({ offset, length }) =>
    header.codec === null ? length : readPiece(body, offset, length).length,
  );
}

function readDeclared(body: Uint8Array, offset: number): number {
  const view = new DataView(body.buffer, body.byteOffset + offset, PREFIX_BYTES);
  return view.getInt32(4, true) * 4294967296 + view.getUint32(0, true);
}

interface Piece {
  readonly bytes: Uint8Array;
  /** Bytes once unfolded, as declared. */
  readonly length: number;
  readonly raw: boolean;
}

function readPiece(body: Uint8Array, offset: number, length: number): Piece {
  if (length === 0) return { bytes: EMPTY, length: 0, raw: true };
  if (length < PREFIX_BYTES) throw malformed('A compressed buffer is shorter than its length prefix.');
  const declared = readDeclared(body, offset);
  const bytes = body.subarray(offset + PREFIX_BYTES, offset + length);
  if (declared === STORED_RAW) return { bytes, length: bytes.byteLength, raw: true };
  if (declared < 0) throw malformed('A compressed buffer declares a negative length.');
  return { bytes, length: declared, raw: false };
}

async function decompressAll(
  pieces: readonly Piece[],
  codec: BodyCodec,
  ownership: 'share' | 'copy',
): Promise<Uint8Array[]> {
  const results: Uint8Array[] = new Array(pieces.length).fill(EMPTY);
  const pending: number[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (piece.length === 0) continue;
    if (piece.raw) results[index] = aligned(ownership === 'copy' ? new Uint8Array(piece.bytes) : piece.bytes);
    else if (piece.bytes.byteLength < SYNC_INPUT_BYTES && piece.length < SYNC_OUTPUT_BYTES) {
      results[index] = finish(piece, () => decompressSync(piece, codec));
    } else pending.push(index);
  }
  let failed = false;
  const work = async () => {
    for (let index = pending.pop(); index !== undefined && !failed; index = pending.pop()) {
      const piece = pieces[index] as Piece;
      try {
        const unfolded = await decompress(piece, codec);
        results[index] = finish(piece, () => unfolded);
      } catch (error) {
        failed = true;
        throw undecodable(error);
      }
    }
  };
  // All workers are awaited, so that none still reads the body when the message is released.
  const outcomes = await Promise.allSettled(
    Array.from({ length: Math.min(CONCURRENCY, pending.length) }, work),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}

function finish(piece: Piece, unfold: () => Uint8Array): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = unfold();
  } catch (error) {
    throw undecodable(error);
  }
  if (bytes.byteLength !== piece.length) {
    throw malformed(`A compressed buffer unfolds to ${bytes.byteLength} bytes but declares ${piece.length}.`);
  }
  return aligned(bytes);
}

function undecodable(error: unknown): ArrowportError {
  if (error instanceof ArrowportError) return error;
  return new ArrowportError('IPC_MALFORMED', 'A compressed buffer does not decode.', { cause: error });
}

function zstdOptions(piece: Piece): { chunkSize: number; maxOutputLength: number } {
  return { chunkSize: piece.length + OUTPUT_SLACK_BYTES, maxOutputLength: piece.length };
}

function decompressSync(piece: Piece, codec: BodyCodec): Uint8Array {
  if (codec === 'zstd') return zstdDecompressSync(piece.bytes, zstdOptions(piece));
  checkLz4Frame(piece.bytes, piece.length);
  const { buffer, byteOffset, byteLength } = piece.bytes;
  return decompressFrameSync(Buffer.from(buffer, byteOffset, byteLength));
}

function decompress(piece: Piece, codec: BodyCodec): Promise<Uint8Array> {
  if (codec === 'zstd') return zstdDecompressAsync(piece.bytes, zstdOptions(piece));
  checkLz4Frame(piece.bytes, piece.length);
  return decompressFrame(piece.bytes);
}

function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}
