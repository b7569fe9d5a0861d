import { ArrowportError } from '../../errors.ts';

/** Counts the bytes of bodies that must be held whole, over all requests of the door. */
export interface HeldBytes {
  /**
   * Gathers a body of at most `maxBytes` while all bodies together stay under their bound; `give` returns the
   * bytes to the count. Throws BODY_TOO_LARGE, OVERLOADED, and what reading the chunks throws.
   */
  gather(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ bytes: Buffer; give(): void }>;
}

/** What one count bounds. */
export interface HeldBytesOptions {
  /** Bytes of all bodies together, by the bound of one. */
  maxHeldBytes(maxBytes: number): number;
  /** A body up to here is gathered however much is held. */
  readonly freeBytes: number;
  tooLarge(maxBytes: number): ArrowportError;
  overloaded(): ArrowportError;
}

const loads: HeldBytesOptions = {
  maxHeldBytes: (maxBytes) => 2 * maxBytes,
  freeBytes: 0,
  tooLarge,
  overloaded,
};

/** Makes a count; of loads where nothing else is said. */
export function createHeldBytes(options: HeldBytesOptions = loads): HeldBytes {
  let held = 0;
  return {
    async gather(chunks, maxBytes) {
      const parts: Uint8Array[] = [];
      let length = 0;
      const give = () => {
        held -= length;
        length = 0;
      };
      try {
        for await (const chunk of chunks) {
          length += chunk.byteLength;
          held += chunk.byteLength;
          if (length > maxBytes) throw options.tooLarge(maxBytes);
          if (length > options.freeBytes && held > options.maxHeldBytes(maxBytes)) throw options.overloaded();
          parts.push(chunk);
        }
        return { bytes: Buffer.concat(parts), give };
      } catch (error) {
        give();
        throw error;
      }
    },
  };
}

function tooLarge(maxBytes: number): ArrowportError {
  return new ArrowportError(
    'BODY_TOO_LARGE',
    `A body that must be held whole may have limits.max_message_bytes (${maxBytes}); send it as an Arrow stream instead.`,
    { details: { limit: 'limits.max_message_bytes' } },
  );
}

function overloaded(): ArrowportError {
  return new ArrowportError('OVERLOADED', 'Too many bodies that must be held whole are here at once.', {
    details: { limit: 'limits.max_message_bytes', retryAfterMs: 1000 },
  });
}
