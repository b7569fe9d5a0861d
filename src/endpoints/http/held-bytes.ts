import { ArrowportError } from '../../errors.ts';

/** Counts the bytes of bodies that must be held whole, over all requests of the door. */
export interface HeldBytes {
  /**
   * Gathers a body of at most `maxBytes` while all bodies together stay under twice that; `give` returns the
   * bytes to the count. Throws BODY_TOO_LARGE, OVERLOADED, and what reading the chunks throws.
   */
  gather(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ bytes: Buffer; give(): void }>;
}

/** Makes the count of one door. */
export function createHeldBytes(): HeldBytes {
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
          if (length > maxBytes) throw tooLarge(maxBytes);
          if (held > 2 * maxBytes) throw overloaded();
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
