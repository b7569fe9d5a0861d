import type { FlightFrame } from '../../arrow/flight-reader.ts';
import type { BodyAllocator, IpcLimits } from '../../core/ipc-message.ts';
import type { FrameLimits, FrameSource } from './frame-source.ts';
import type { IncomingStream } from './producer.ts';

const NO_BYTES = new Uint8Array(0);

/** The client's side of a call whose first message was read, for a handler of its own. */
export function openIncoming(
  firstHeader: Uint8Array,
  frames: FrameSource,
  limits: FrameLimits,
): IncomingStream {
  const { maxMessageBytes, maxDecompressedRatio } = limits;
  const ipcLimits: IpcLimits = { maxMessageBytes, maxDecompressedRatio };
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
