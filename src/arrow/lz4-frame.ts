import { malformed } from './ipc-error.ts';

const MAGIC = 0x184d2204;
const SLACK_BYTES = 4 * 1024 * 1024;

/**
 * Throws IPC_MALFORMED when an LZ4 frame is damaged in its framing or may unfold to much more than `declared` bytes.
 * The decoder takes whatever memory a frame asks for, so this is asked first; it takes no memory itself.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export function checkLz4Frame(frame: Uint8Array, declared: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const header = readHeader(view);
  if (header.contentSize !== null && header.contentSize !== BigInt(declared)) throw damaged();
  const allowed = declared * 2 + SLACK_BYTES;
  let bound = 0;
  for (const block of blocksOf(view, header)) {
    bound += block.stored ? block.size : Math.min(header.maxBlockBytes, block.size * 255);
    if (bound > allowed) {
      checkExactly(frame, view, header, declared);
      return;
    }
  }
}

interface FrameHeader {
  readonly length: number;
  readonly maxBlockBytes: number;
  readonly blockChecksums: boolean;
  readonly contentSize: bigint | null;
}

interface Block {
  readonly start: number;
  readonly size: number;
  readonly stored: boolean;
}

function damaged(): Error {
  return malformed('A compressed buffer is not a valid LZ4 frame.');
}

function readHeader(view: DataView): FrameHeader {
  if (view.byteLength < 7 || view.getUint32(0, true) !== MAGIC) throw damaged();
  const flags = view.getUint8(4);
  const sizeCode = (view.getUint8(5) >> 4) & 7;
  const hasContentSize = (flags & 8) !== 0;
  const length = 7 + (hasContentSize ? 8 : 0) + ((flags & 1) !== 0 ? 4 : 0);
  if (flags >> 6 !== 1 || sizeCode < 4 || view.byteLength < length) throw damaged();
  return {
    length,
    maxBlockBytes: 2 ** (8 + 2 * sizeCode),
    blockChecksums: (flags & 16) !== 0,
    contentSize: hasContentSize ? view.getBigUint64(6, true) : null,
  };
}

function* blocksOf(view: DataView, header: FrameHeader): Generator<Block> {
  let position = header.length;
  for (;;) {
    if (position + 4 > view.byteLength) throw damaged();
    const word = view.getUint32(position, true);
    if (word === 0) return;
    const size = word & 0x7fffffff;
    const start = position + 4;
    position = start + size + (header.blockChecksums ? 4 : 0);
    if (size > header.maxBlockBytes || position > view.byteLength) throw damaged();
    yield { start, size, stored: word >= 0x80000000 };
  }
}

/** Walks the sequences of every block; for frames of many small blocks, where the quick bound says too little. */
function checkExactly(frame: Uint8Array, view: DataView, header: FrameHeader, declared: number): void {
  let total = 0;
  for (const block of blocksOf(view, header)) {
    const end = block.start + block.size;
    total += block.stored ? block.size : unfoldedLength(frame, block.start, end, declared - total);
    if (total > declared) throw malformed('A compressed buffer unfolds to more than it declares.');
  }
}

function unfoldedLength(bytes: Uint8Array, start: number, end: number, limit: number): number {
  let position = start;
  let total = 0;
  while (position < end && total <= limit) {
    const token = bytes[position++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && position < end) {
        more = bytes[position++] as number;
        literals += more;
      }
    }
    position += literals;
    total += literals;
    if (position >= end) break;
    position += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      let more = 255;
      while (more === 255 && position < end) {
        more = bytes[position++] as number;
        match += more;
      }
    }
    total += match;
  }
  return total;
}
