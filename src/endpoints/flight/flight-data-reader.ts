import { fillBody } from '../../arrow/fill-body.ts';
import { malformed, messageTooLarge } from '../../arrow/ipc-error.ts';
import { MAX_METADATA_BYTES } from '../../arrow/metadata.ts';
import type { BodyAllocator, BodyLease } from '../../core/ipc-message.ts';
import { ArrowportError } from '../../errors.ts';
import type { MessageBytes } from './grpc-message.ts';
import { flightDataField, wireType } from './wire.ts';

/** One FlightData message as it was received; nothing in it is a view on what came after it. */
export interface ReceivedFlightData {
  /** The undecoded FlightDescriptor; null where there is none or it was not wanted. */
  readonly descriptor: Uint8Array | null;
  /** The flatbuffer `Message`; empty in a message that carries application metadata only. */
  readonly header: Uint8Array;
  /** The body; empty where there is none or it was not wanted. */
  readonly body: Uint8Array;
  /** The memory of the body, which the holder releases; null where the body is empty. */
  readonly lease: BodyLease | null;
}

/** What is read of a message, and where its body goes. */
export interface FlightDataOptions {
  readonly wantsDescriptor: boolean;
  /** Null: bodies are passed over. */
  readonly allocator: BodyAllocator | null;
  readonly maxMessageBytes: number;
}

const MAX_DESCRIPTOR_BYTES = 1024 * 1024;
const MAX_VARINT_BYTES = 10;
const NO_BYTES = new Uint8Array(0);

/**
 * Reads a FlightData message as its bytes come: a body goes straight into memory of the allocator, which is asked for
 * it when the body's length is known. Unknown fields are skipped, a repeated field's last value counts, as protobuf
 * asks. Nothing is left allocated when it throws: IPC_MALFORMED, BODY_TOO_LARGE and OPTION_INVALID before memory is
 * taken for what is wrong or too large, and what the message and the allocator throw.
 */
export async function readFlightData(
  message: MessageBytes,
  options: FlightDataOptions,
): Promise<ReceivedFlightData> {
  const reader = new FlightDataReader(message, options);
  try {
    while (await message.more()) await reader.readField();
    return reader.finish();
  } catch (error) {
    reader.releaseBody();
    throw error;
  }
}

class FlightDataReader {
  readonly #message: MessageBytes;
  readonly #options: FlightDataOptions;
  #descriptor: Uint8Array | null = null;
  #header: Uint8Array = NO_BYTES;
  #body: Uint8Array = NO_BYTES;
  #lease: BodyLease | null = null;
  #declaresBody = false;

  constructor(message: MessageBytes, options: FlightDataOptions) {
    this.#message = message;
    this.#options = options;
  }

  async readField(): Promise<void> {
    const tag = await readVarint(this.#message);
    const field = Math.floor(tag / 8);
    if (field === 0) throw notProtobuf('a field has the number 0');
    if (tag % 8 !== wireType.BYTES) return skipScalar(this.#message, tag % 8);
    const length = await readVarint(this.#message);
    this.#message.require(length);
    if (field === flightDataField.DATA_BODY) return this.#readBody(length);
    if (field === flightDataField.DATA_HEADER) return this.#readHeader(length);
    if (field === flightDataField.DESCRIPTOR && this.#options.wantsDescriptor) {
      return this.#readDescriptor(length);
    }
    return this.#message.skip(length);
  }

  finish(): ReceivedFlightData {
    if (this.#declaresBody && this.#header.byteLength === 0) {
      throw malformed('A FlightData message has a body but no header.');
    }
    return { descriptor: this.#descriptor, header: this.#header, body: this.#body, lease: this.#lease };
  }

  releaseBody(): void {
    this.#lease?.release();
    this.#lease = null;
    this.#body = NO_BYTES;
  }

  async #readBody(length: number): Promise<void> {
    this.releaseBody();
    this.#declaresBody = length > 0;
    const { allocator, maxMessageBytes } = this.#options;
    const bytes = this.#header.byteLength + length;
    if (bytes > maxMessageBytes) throw messageTooLarge(bytes, maxMessageBytes);
    if (allocator === null || length === 0) return this.#message.skip(length);
    const lease = await allocator.allocate(length);
    this.#lease = lease;
    this.#body = lease.bytes.subarray(0, length);
    await fillBody(lease, length, async (target) => {
      await this.#message.readInto(target);
      return target.byteLength;
    });
  }

  async #readHeader(length: number): Promise<void> {
    if (length > MAX_METADATA_BYTES) {
      throw malformed(`A message has ${length} bytes of metadata; ${MAX_METADATA_BYTES} is the most.`);
    }
    this.#header = await this.#message.take(length);
  }

  async #readDescriptor(length: number): Promise<void> {
    if (length > MAX_DESCRIPTOR_BYTES) {
      throw new ArrowportError(
        'OPTION_INVALID',
        `The descriptor has ${length} bytes; ${MAX_DESCRIPTOR_BYTES} is the most.`,
      );
    }
    this.#descriptor = await this.#message.take(length);
  }
}

async function readVarint(message: MessageBytes): Promise<number> {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < MAX_VARINT_BYTES; count++) {
    const [byte = 0] = await message.take(1);
    // Past 2^53 digits are lost, but such a number stays larger than any length that is allowed.
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  throw notProtobuf('a number is longer than 10 bytes');
}

async function skipScalar(message: MessageBytes, type: number): Promise<void> {
  if (type === wireType.VARINT) await readVarint(message);
  else if (type === wireType.FIXED64) await message.skip(8);
  else if (type === wireType.FIXED32) await message.skip(4);
  else throw notProtobuf(`wire type ${type} is not known`);
}

function notProtobuf(what: string): ArrowportError {
  return malformed(`The FlightData message is not valid protobuf: ${what}.`);
}
