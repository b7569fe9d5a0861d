import type { StreamResources } from '../core/ingest.ts';
import type { BodyLease, IpcMessage, IpcStream } from '../core/ipc-message.ts';
import { malformed, messageTooLarge, truncated } from './ipc-error.ts';
import { assembleMessage, requireBatch, requireSchema } from './message-assembly.ts';
import { iterateMessages, type MessageReader } from './message-sequence.ts';
import { MAX_METADATA_BYTES, readMessageMetadata } from './metadata.ts';

/** The Arrow parts of one FlightData message. */
export interface FlightFrame {
  /** The flatbuffer `Message`; empty when the frame carries only application metadata. */
  readonly header: Uint8Array;
  /** The message body, at any address; must stay unchanged until its message is released. */
  readonly body: Uint8Array;
  /** The memory of the body, at an aligned address; whoever takes the frame releases it. Without one the body is copied. */
  readonly lease?: BodyLease | null;
}

/**
 * Opens a stream of Flight frames, the first of which carries the schema. A body with a lease is used in place;
 * another one is copied into memory of `resources.allocator`. Errors of `frames` pass through unchanged.
 * Throws IPC_MALFORMED, IPC_TRUNCATED, CODEC_UNSUPPORTED, TYPE_UNSUPPORTED, BODY_TOO_LARGE, and what the allocator
 * throws.
 * @see https://arrow.apache.org/docs/format/Flight.html
 */
export async function openFlightStream(
  frames: AsyncIterable<FlightFrame>,
  resources: StreamResources,
): Promise<IpcStream> {
  const reader = new FlightReader(frames[Symbol.asyncIterator](), resources);
  try {
    const first = await reader.nextFrame();
    if (first === null) throw truncated('The stream ends before its schema.');
    first.lease?.release();
    const schema = requireSchema(readMessageMetadata(first.header));
    return { schema, schemaMetadata: first.header, messages: iterateMessages(reader) };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

class FlightReader implements MessageReader {
  readonly #frames: AsyncIterator<FlightFrame>;
  readonly #resources: StreamResources;
  #ended = false;

  constructor(frames: AsyncIterator<FlightFrame>, resources: StreamResources) {
    this.#frames = frames;
    this.#resources = resources;
  }

  /** Resolves with the next frame that has a header; null at the end. */
  async nextFrame(): Promise<FlightFrame | null> {
    while (!this.#ended) {
      const result = await this.#frames.next();
      if (result.done === true) {
        this.#ended = true;
        break;
      }
      const frame = result.value;
      if (frame.header.byteLength > 0 && frame.header.byteLength <= MAX_METADATA_BYTES) return frame;
      frame.lease?.release();
      if (frame.header.byteLength > MAX_METADATA_BYTES) {
        throw malformed(
          `A message has ${frame.header.byteLength} bytes of metadata; ${MAX_METADATA_BYTES} is the most.`,
        );
      }
      if (frame.body.byteLength > 0) throw malformed('A frame has a body but no header.');
    }
    return null;
  }

  async next(): Promise<IpcMessage | null> {
    const frame = await this.nextFrame();
    if (frame === null) return null;
    try {
      return await this.#readBatch(frame);
    } catch (error) {
      frame.lease?.release();
      throw error;
    }
  }

  async #readBatch(frame: FlightFrame): Promise<IpcMessage> {
    const batch = requireBatch(readMessageMetadata(frame.header));
    const { maxMessageBytes } = this.#resources.limits;
    const bytes = frame.header.byteLength + batch.bodyLength;
    if (bytes > maxMessageBytes) throw messageTooLarge(bytes, maxMessageBytes);
    if (frame.body.byteLength < batch.bodyLength) {
      throw malformed(
        `A frame has ${frame.body.byteLength} of the ${batch.bodyLength} bytes that its header declares.`,
      );
    }
    const body = frame.body.subarray(0, batch.bodyLength);
    if (frame.lease != null) return assembleMessage(batch, frame.header, body, frame.lease);
    if (body.byteLength === 0) return assembleMessage(batch, frame.header, body, null);
    const lease = await this.#resources.allocator.allocate(batch.bodyLength);
    const copy = lease.bytes.subarray(0, batch.bodyLength);
    copy.set(body);
    return assembleMessage(batch, frame.header, copy, lease);
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#frames.return?.();
    } catch {
      // Whoever stops a stream early has a reason that matters more than how the stream takes it.
    }
  }
}
