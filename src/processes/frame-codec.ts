/** A frame's header: a JSON object. */
export type FrameHeader = { readonly [name: string]: unknown };

/** One frame as it was received: its header and the bytes that came with it. */
export interface Frame {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
}

/** The peer sent something that is no frame of this protocol version, or stopped in the middle of one. */
export class FrameFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameFormatError';
  }
}

const MAGIC = 0x31465041; // "APF1", little endian
const PRELUDE_BYTES = 16;
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const MAX_PAYLOAD_BYTES = 2 ** 31;

/**
 * The bytes of a frame before its payload: magic `APF1`, header length (u32) and payload length (u64), little
 * endian, then the header as UTF-8 JSON.
 */
export function encodeFrameHead(header: FrameHeader, payloadBytes: number): Uint8Array {
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const head = Buffer.allocUnsafe(PRELUDE_BYTES + json.length);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt32LE(json.length, 4);
  head.writeBigUInt64LE(BigInt(payloadBytes), 8);
  json.copy(head, PRELUDE_BYTES);
  return head;
}

/** Cuts a byte stream into frames. `push` takes chunks of any size; `end` checks that nothing was cut off. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted = PRELUDE_BYTES;

  /** Returns the frames that became whole. Throws FrameFormatError. Payloads may share memory with the chunks. */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: Frame[] = [];
    while (this.#bytes >= this.#wanted) {
      const frame = this.#read();
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }

  /** Throws FrameFormatError when the stream ended inside a frame. */
  end(): void {
    if (this.#bytes > 0) throw new FrameFormatError('the connection ended inside a frame');
  }

  #read(): Frame | undefined {
    const data = this.#joined();
    const prelude = readPrelude(data);
    const total = PRELUDE_BYTES + prelude.headerBytes + prelude.payloadBytes;
    if (data.length < total) {
      this.#wanted = total;
      return undefined;
    }
    const payloadStart = PRELUDE_BYTES + prelude.headerBytes;
    const header = parseHeader(data.subarray(PRELUDE_BYTES, payloadStart));
    this.#keep(data.subarray(total));
    return { header, payload: data.subarray(payloadStart, total) };
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    const data =
      first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [data];
    return data;
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#wanted = PRELUDE_BYTES;
  }
}

function readPrelude(data: Buffer): { headerBytes: number; payloadBytes: number } {
  const headerBytes = data.readUInt32LE(4);
  const payloadBytes = Number(data.readBigUInt64LE(8));
  if (data.readUInt32LE(0) !== MAGIC) throw new FrameFormatError('not a frame of this protocol version');
  if (headerBytes > MAX_HEADER_BYTES || payloadBytes > MAX_PAYLOAD_BYTES) {
    throw new FrameFormatError('a frame is larger than frames may be');
  }
  return { headerBytes, payloadBytes };
}

function parseHeader(bytes: Buffer): FrameHeader {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new FrameFormatError('a frame header is not JSON');
  }
  if (!isHeader(value)) throw new FrameFormatError('a frame header is not a JSON object');
  return value;
}

function isHeader(value: unknown): value is FrameHeader {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
