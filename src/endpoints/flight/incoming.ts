import type { FlightFrame } from '../../arrow/flight-reader.ts';
import type { BodyAllocator, IpcLimits } from '../../core/ipc-message.ts';
import type { FrameLimits, FrameSource } from './frame-source.ts';
import type { IncomingStream } from './producer.ts';

const NO_BYTES = new Uint8Array(0);
/** How much more than its own size a small message may unfold to; see `limits.max_decompressed_ratio`. */
const MAX_DECOMPRESSED_RATIO = 200;

/** The client's side of a call whose first message was read, for a handler of its own. */
export function openIncoming(
  firstHeader: Uint8Array,
  frames: FrameSource,
  limits: FrameLimits,
): IncomingStream {
  const { maxMessageBytes } = limits;
  const ipcLimits: IpcLimits = { maxMessageBytes, maxDecompressedRatio: MAX_DECOMPRESSED_RATIO };
  return {
    firstHeader,
    limits: ipcLimits,
    readFrames: (allocator) => readFrames(firstHeader, frames, allocator),
  };
}

/** The messages that carry Arrow data, from the one on that was read already; those with application metadata only say nothing of the rows. */
export async function* readFrames(
  firstHeader: Uint8Array,
  source: FrameSource,
  allocator: BodyAllocator,
): AsyncGenerator<FlightFrame> {
  let frame: FlightFrame | undefined = { header: firstHeader, body: NO_BYTES };
  while (frame !== undefined) {
    if (frame.header.byteLength > 0) yield frame;
    frame = await source.next(allocator);
  }
}
