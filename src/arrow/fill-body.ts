import type { BodyLease } from '../core/ipc-message.ts';

/** Larger bodies are filled in pieces of this size, so that only what has come counts as held. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Fills the first `length` bytes of a lease by `read`, which fills its target unless the source ends; resolves with
 * how many came. Throws what `read` and the lease throw; the lease stays the caller's.
 */
export async function fillBody(
  lease: BodyLease,
  length: number,
  read: (target: Uint8Array) => Promise<number>,
): Promise<number> {
  if (length <= PIECE_BYTES || lease.admit === undefined) return read(lease.bytes.subarray(0, length));
  let filled = 0;
  while (filled < length) {
    const end = Math.min(filled + PIECE_BYTES, length);
    const wait = lease.admit(end);
    if (wait !== null) await wait;
    const count = await read(lease.bytes.subarray(filled, end));
    filled += count;
    if (filled < end) break;
  }
  return filled;
}
