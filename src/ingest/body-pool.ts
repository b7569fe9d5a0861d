import type { BodyLease } from '../core/ipc-message.ts';

/** How much memory a pool keeps for its next bodies, and for how long. */
export interface BodyPoolOptions {
  /** Most idle bytes that are kept. */
  readonly retainBytes: number;
  /** Fewer of them, where memory is short at the moment. */
  spareBytes?(): number;
  /** How long memory stays idle before it is let go; 10 s by default. */
  readonly idleMs?: number;
}

/** Memory of a pool. */
export interface PooledLease extends BodyLease {
  /** Whether the memory was used before, and so is there in full; fresh memory comes as it is written to. */
  readonly isUsed: boolean;
}

/** Memory for message bodies that is used again: fresh buffers of this size cost page faults and collections. */
export interface BodyPool {
  /** Hands out `length` writable bytes, not zeroed; their address is that of an ArrayBuffer, so a multiple of 8. */
  take(length: number): PooledLease;
  /** Bytes that are kept idle. */
  idleBytes(): number;
  /** Lets go of all idle memory, and of the rest as it comes back. */
  close(): void;
}

/** Bodies below this size are not worth keeping: their memory goes back to the heap's own free lists at once. */
const SMALLEST_POOLED = 64 * 1024;
/** Readers of bitmaps may touch whole words behind the end of a body. */
const SLACK_BYTES = 64;
/** How many size classes above the wanted one are looked through: at most twice the memory that is asked for. */
const CLASSES_ABOVE = 3;
const IDLE_MS = 10_000;

interface IdleBuffer {
  readonly buffer: Buffer<ArrayBuffer>;
  readonly since: number;
}

/** Makes an empty pool. */
export function createBodyPool(options: BodyPoolOptions): BodyPool {
  const { retainBytes, idleMs = IDLE_MS } = options;
  const mayKeep = () => Math.min(retainBytes, options.spareBytes?.() ?? retainBytes);
  const idle = new Map<number, IdleBuffer[]>();
  let idleBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const find = (wanted: number): Buffer<ArrayBuffer> | undefined => {
    let size = wanted;
    for (let step = 0; step <= CLASSES_ABOVE; step++, size = sizeClass(size + 1)) {
      const found = idle.get(size)?.pop();
      if (found === undefined) continue;
      idleBytes -= size;
      return found.buffer;
    }
    return undefined;
  };

  const trim = (): void => {
    timer = undefined;
    const before = performance.now() - idleMs;
    for (const [size, buffers] of idle) {
      const kept = buffers.filter(({ since }) => since > before);
      for (const { buffer, since } of buffers) if (since <= before) free(buffer);
      idleBytes -= (buffers.length - kept.length) * size;
      if (kept.length === 0) idle.delete(size);
      else idle.set(size, kept);
    }
    watch();
  };

  const watch = (): void => {
    if (idleBytes > 0) timer ??= setTimeout(trim, idleMs).unref();
  };

  const keep = (buffer: Buffer<ArrayBuffer>): void => {
    const size = buffer.byteLength;
    if (closed || idleBytes + size > mayKeep()) {
      if (!closed) free(buffer);
      return;
    }
    const entry = { buffer, since: performance.now() };
    const buffers = idle.get(size);
    if (buffers === undefined) idle.set(size, [entry]);
    else buffers.push(entry);
    idleBytes += size;
    watch();
  };

  /** Lets go of idle memory that is of no use for what is wanted now. */
  const shrink = (most: number): void => {
    for (const [size, buffers] of idle) {
      while (idleBytes > most) {
        const last = buffers.pop();
        if (last === undefined) break;
        free(last.buffer);
        idleBytes -= size;
      }
      if (idleBytes <= most) return;
    }
  };

  return {
    take(length) {
      if (length + SLACK_BYTES < SMALLEST_POOLED)
        return lease(Buffer.allocUnsafeSlow(length + SLACK_BYTES), length, true, free);
      const wanted = sizeClass(length + SLACK_BYTES);
      const used = find(wanted);
      if (used === undefined) shrink(mayKeep());
      return lease(used ?? Buffer.allocUnsafeSlow(wanted), length, used !== undefined, keep);
    },
    idleBytes: () => idleBytes,
    close() {
      closed = true;
      clearTimeout(timer);
      idle.clear();
      idleBytes = 0;
    },
  };
}

/** Without a collection, which an idle server may not see for hours. */
function free(buffer: Buffer<ArrayBuffer>): void {
  buffer.buffer.transfer(0);
}

/** The size class of a body: powers of two in quarter steps, so that at most a fifth is left over. */
function sizeClass(bytes: number): number {
  const power = 2 ** Math.floor(Math.log2(bytes));
  const step = power / 4;
  return Math.ceil(bytes / step) * step;
}

function lease(
  buffer: Buffer<ArrayBuffer>,
  length: number,
  isUsed: boolean,
  giveBack?: (buffer: Buffer<ArrayBuffer>) => void,
): PooledLease {
  let held = true;
  return {
    bytes: buffer.subarray(0, length),
    isUsed,
    release() {
      if (!held) return;
      held = false;
      giveBack?.(buffer);
    },
  };
}
