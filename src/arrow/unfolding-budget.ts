import type { IpcLimits } from '../core/ipc-message.ts';
import { ratioTooLarge, unfoldedTooLarge } from './ipc-error.ts';

/** Output up to here is never held against a ratio, so that honest constant columns pass. */
export const RATIO_FREE_BYTES = 64 * 1024 * 1024;

/**
 * Counts what the compressed buffers of one stream unfold to, and says when that is too much. One for each stream;
 * its dictionary store carries it.
 */
export class UnfoldingBudget {
  #input = 0;
  #output = 0;

  /**
   * Admits a message whose body of `input` bytes unfolds to `output`, before that memory is taken.
   * Throws DECOMPRESSED_TOO_LARGE.
   */
  admitMessage(input: number, output: number, limits: IpcLimits): void {
    if (output > limits.maxMessageBytes) throw unfoldedTooLarge('A message', output, limits.maxMessageBytes);
    this.#input += input;
    this.#output += output;
    admitRatio('The stream', this.#input, this.#output, limits);
  }
}

/**
 * Admits `what`, which unfolds from `input` to `output` bytes; the ratio counts only past {@link RATIO_FREE_BYTES}.
 * Throws DECOMPRESSED_TOO_LARGE.
 */
export function admitRatio(what: string, input: number, output: number, limits: IpcLimits): void {
  if (output > RATIO_FREE_BYTES && output > input * limits.maxDecompressedRatio) {
    throw ratioTooLarge(what, limits.maxDecompressedRatio);
  }
}
