import { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ByteSource } from '../../arrow/byte-source.ts';
import { malformed, messageTooLarge, truncated } from '../../arrow/ipc-error.ts';
import { ArrowportError } from '../../errors.ts';
import { type ByteReader, skipBytes } from './byte-reader.ts';
import type { CallUnfolding } from './call-unfolding.ts';

/** The bytes of one message, front to back; calls may not overlap. */
export interface MessageBytes {
  /** Resolves with whether the message goes on. */
  more(): Promise<boolean>;
  /** Takes exactly so many bytes. Throws IPC_MALFORMED when the message is shorter. */
  take(length: number): Promise<Uint8Array>;
  /** Fills `target`. Throws IPC_MALFORMED when the message is shorter. */
  readInto(target: Uint8Array): Promise<void>;
  /** Leaves so many bytes out. Throws IPC_MALFORMED when the message is shorter. */
  skip(length: number): Promise<void>;
  /** Throws IPC_MALFORMED when fewer bytes are known to be left: to be asked before memory is taken for them. */
  require(length: number): void;
}

/** What the messages of one call may be. */
export interface GrpcMessageOptions {
  /** The call's `grpc-encoding`. */
  readonly encoding: string;
  /** Most bytes of the IPC message in a gRPC message. */
  readonly maxMessageBytes: number;
  /** Where the call's messages are counted. */
  readonly unfolding: CallUnfolding;
}

/** Bytes before each gRPC message: a flag of compression and the message's length. */
const PREFIX_BYTES = 5;
/** Room for the descriptor and the metadata beside the body of a message of the largest size. */
export const MESSAGE_HEADROOM_BYTES = 1024 * 1024;
const COMPRESSED_READ_BYTES = 64 * 1024;

/**
 * Reads the next gRPC message with `read`, and resolves with what that resolves with; undefined at the end of the body.
 * Throws BODY_TOO_LARGE by the length that the message declares, DECOMPRESSED_TOO_LARGE by what a field of a compressed
 * one does, IPC_TRUNCATED when the body ends inside it, CODEC_UNSUPPORTED, IPC_MALFORMED, and what `body` and `read` throw.
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export async function readGrpcMessage<T>(
  body: ByteReader,
  options: GrpcMessageOptions,
  read: (message: MessageBytes) => Promise<T>,
): Promise<T | undefined> {
  const { encoding, maxMessageBytes, unfolding } = options;
  const prefix = await body.take(PREFIX_BYTES);
  if (prefix.byteLength === 0) return undefined;
  if (prefix.byteLength < PREFIX_BYTES) throw endedInside();
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(1);
  if (length > maxMessageBytes + MESSAGE_HEADROOM_BYTES) throw messageTooLarge(length, maxMessageBytes);
  const message = new FramedMessage(body, length);
  unfolding.startMessage(length);
  if (prefix[0] === 1 && encoding !== 'identity') return readCompressed(message, options, read);
  unfolding.endMessage(length);
  return read(message);
}

/** A message that is read from a longer source, up to so many bytes. */
abstract class CountedMessage implements MessageBytes {
  protected readonly source: ByteReader;
  readonly #limit: number;
  #read = 0;

  constructor(source: ByteReader, limit: number) {
    this.source = source;
    this.#limit = limit;
  }

  get remaining(): number {
    return this.#limit - this.#read;
  }

  /** Bytes that were read. */
  get position(): number {
    return this.#read;
  }

  async take(length: number): Promise<Uint8Array> {
    this.require(length);
    const taken = await this.source.take(length);
    this.#count(taken.byteLength, length);
    return taken;
  }

  async readInto(target: Uint8Array): Promise<void> {
    this.require(target.byteLength);
    this.#count(await this.source.readInto(target), target.byteLength);
  }

  async skip(length: number): Promise<void> {
    this.require(length);
    this.#count(await skipBytes(this.source, length), length);
  }

  require(length: number): void {
    if (length > this.remaining) throw this.overrun(this.#read + length);
  }

  abstract more(): Promise<boolean>;
  /** The error of a field that would end `bytes` bytes into the message. */
  protected abstract overrun(bytes: number): ArrowportError;
  /** The error of a source that ends too early. */
  protected abstract shortfall(): ArrowportError;

  #count(read: number, wanted: number): void {
    if (read < wanted) throw this.shortfall();
    this.#read += read;
  }
}

/** A message as it stands in the body, its length known. */
class FramedMessage extends CountedMessage {
  override async more(): Promise<boolean> {
    return this.remaining > 0;
  }

  protected override overrun(): ArrowportError {
    return fieldTooLong();
  }

  protected override shortfall(): ArrowportError {
    return endedInside();
  }
}

/** A message that is decompressed as it is read, its length known when it ends. */
class UnfoldedMessage extends CountedMessage {
  readonly #maxMessageBytes: number;
  readonly #unfolding: CallUnfolding;

  constructor(source: ByteReader, { maxMessageBytes, unfolding }: GrpcMessageOptions) {
    super(source, maxMessageBytes + MESSAGE_HEADROOM_BYTES);
    this.#maxMessageBytes = maxMessageBytes;
    this.#unfolding = unfolding;
  }

  override require(length: number): void {
    super.require(length);
    this.#unfolding.admit(this.position + length);
  }

  override more(): Promise<boolean> {
    return this.source.more();
  }

  protected override overrun(bytes: number): ArrowportError {
    return messageTooLarge(bytes, this.#maxMessageBytes);
  }

  protected override shortfall(): ArrowportError {
    return fieldTooLong();
  }
}

async function readCompressed<T>(
  message: FramedMessage,
  options: GrpcMessageOptions,
  read: (message: MessageBytes) => Promise<T>,
): Promise<T> {
  const decoder = createDecoder(options.encoding);
  const input = Readable.from(readPieces(message));
  // Not a pipeline, which would turn an error of the input into a premature close of its own.
  input.once('error', (error) => decoder.destroy(error));
  const source = new ByteSource(input.pipe(decoder));
  try {
    const unfolded = new UnfoldedMessage(source, options);
    const result = await read(unfolded);
    options.unfolding.endMessage(unfolded.position);
    await message.skip(message.remaining);
    return result;
  } catch (error) {
    if (error instanceof ArrowportError) throw error;
    throw new ArrowportError('IPC_MALFORMED', 'A gRPC message cannot be decompressed.', { cause: error });
  } finally {
    input.destroy();
    decoder.destroy();
  }
}

async function* readPieces(message: FramedMessage): AsyncGenerator<Uint8Array> {
  while (message.remaining > 0) yield await message.take(Math.min(message.remaining, COMPRESSED_READ_BYTES));
}

function createDecoder(encoding: string) {
  if (encoding === 'gzip') return createGunzip();
  if (encoding === 'deflate') return createInflate();
  throw new ArrowportError(
    'CODEC_UNSUPPORTED',
    'The gRPC message encoding is not one of identity, gzip and deflate.',
  );
}

function endedInside(): ArrowportError {
  return truncated('The DoPut ends in the middle of a message.');
}

function fieldTooLong(): ArrowportError {
  return malformed('A field of a FlightData message reaches past the end of the message.');
}
