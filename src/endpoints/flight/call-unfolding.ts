import { admitRatio } from '../../arrow/unfolding-budget.ts';

/**
 * Counts what the messages of one call came to over the wire and what they unfold to, where gRPC itself compresses
 * them, and says when that is too much.
 */
export class CallUnfolding {
  /** Bytes of the messages so far as they are sent, the one that is being read whole. */
  wireBytes = 0;
  readonly #limits: { readonly maxMessageBytes: number; readonly maxDecompressedRatio: number };
  #unfoldedBytes = 0;

  constructor(limits: { readonly maxMessageBytes: number; readonly maxDecompressedRatio: number }) {
    this.#limits = limits;
  }

  /** A message of so many bytes begins. */
  startMessage(wireBytes: number): void {
    this.wireBytes += wireBytes;
  }

  /**
   * Admits that the message being read reaches to `bytes`, which may only be what one of its fields declares.
   * Throws DECOMPRESSED_TOO_LARGE.
   */
  admit(bytes: number): void {
    admitRatio('The call', this.wireBytes, this.#unfoldedBytes + bytes, this.#limits);
  }

  /** The message was so many bytes long. */
  endMessage(bytes: number): void {
    this.#unfoldedBytes += bytes;
  }
}
