const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;

type Phase = 'frame' | 'block' | 'skippable' | 'unknown';

/**
 * Cuts zstd data where one frame ends and the next begins. A body may be several frames one after another, but a
 * zlib stream drops what stands behind the end of a frame in the same chunk. What is not zstd passes as it is.
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export class ZstdFrameCutter {
  /** Bytes that the frames which have ended declare to hold; a frame with others in it does not decode. */
  declaredBytes = 0;
  readonly #gathered = new Uint8Array(18);
  #gatheredLength = 0;
  #needed = 4;
  #phase: Phase = 'frame';
  #hasChecksum = false;
  #isLast = false;
  #skip = 0;
  #frameBytes = 0;

  /** The chunk in pieces, each of one frame alone. */
  cut(chunk: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let start = 0;
    let position = 0;
    while (position < chunk.byteLength && this.#phase !== 'unknown') {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, chunk.byteLength - position);
        this.#skip -= count;
        position += count;
      } else {
        this.#gathered[this.#gatheredLength++] = chunk[position++] as number;
        if (this.#gatheredLength === this.#needed) this.#interpret();
      }
      if (this.#skip > 0 || !this.#isLast) continue;
      pieces.push(chunk.subarray(start, position));
      start = position;
      this.#expect('frame', 4);
      this.#isLast = false;
      this.declaredBytes += this.#frameBytes;
      this.#frameBytes = 0;
    }
    if (start < chunk.byteLength) pieces.push(chunk.subarray(start));
    return pieces;
  }

  #expect(phase: Phase, bytes: number): void {
    this.#phase = phase;
    this.#needed = bytes;
    this.#gatheredLength = 0;
  }

  #interpret(): void {
    const view = new DataView(this.#gathered.buffer);
    if (this.#phase === 'block') this.#readBlockHeader(view);
    else if (this.#phase === 'skippable') {
      this.#skip = view.getUint32(4, true);
      this.#isLast = true;
    } else this.#readFrameHeader(view);
  }

  #readFrameHeader(view: DataView): void {
    const magic = view.getUint32(0, true);
    if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) {
      this.#phase = 'skippable';
      this.#needed = 8;
    } else if (magic !== FRAME_MAGIC) this.#phase = 'unknown';
    else if (this.#needed === 4) this.#needed = 5;
    else if (this.#needed === 5) {
      this.#needed = frameHeaderBytes(view.getUint8(4));
      this.#hasChecksum = (view.getUint8(4) & 4) !== 0;
    } else {
      this.#frameBytes = contentSize(view, this.#needed);
      this.#expect('block', 3);
    }
  }

  #readBlockHeader(view: DataView): void {
    const header = view.getUint16(0, true) | (view.getUint8(2) << 16);
    const isRun = ((header >> 1) & 3) === RLE_BLOCK;
    this.#skip = isRun ? 1 : header >> 3;
    this.#isLast = (header & 1) === 1;
    if (this.#isLast && this.#hasChecksum) this.#skip += 4;
    this.#expect('block', 3);
  }
}

/** The content size at the end of a frame header of `length` bytes; 0 where it says none. */
function contentSize(view: DataView, length: number): number {
  const descriptor = view.getUint8(4);
  const bytes = contentSizeBytes(descriptor);
  if (bytes === 0) return 0;
  if (bytes === 1) return view.getUint8(length - 1);
  if (bytes === 2) return view.getUint16(length - 2, true) + 256;
  if (bytes === 4) return view.getUint32(length - 4, true);
  return Number(view.getBigUint64(length - 8, true));
}

function contentSizeBytes(descriptor: number): number {
  const sizeFlag = descriptor >> 6;
  return sizeFlag === 0 ? Number((descriptor & 32) !== 0) : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
}

/** Bytes of a frame header, the magic included; always more than 5. */
function frameHeaderBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 32) !== 0;
  const windowBytes = Number(!isSingleSegment);
  return 5 + windowBytes + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + contentSizeBytes(descriptor);
}
