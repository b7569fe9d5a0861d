import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ArrowBatch } from '../../../core/query.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError, type ErrorCode } from '../../../errors.ts';
import type { GatheringSize } from './batch-gathering.ts';

/** A result as a worker needs it: addresses that stay valid until it has answered the last batch. */
export interface OpenedResult {
  /** Of the `duckdb_result`. */
  readonly result: bigint;
  /** The `duckdb_arrow_options`. */
  readonly options: bigint;
  readonly fields: readonly ArrowField[];
  readonly size: GatheringSize;
}

/** Asks for the next batch, the first request of a result with the result; or to let go of what is open of it. */
export type BatchRequest =
  | { readonly kind: 'next'; readonly open: OpenedResult | null }
  | { readonly kind: 'close' };

/** The next batch, null at the end and after closing, or what went wrong. */
export interface BatchAnswer {
  readonly batch: ArrowBatch | null;
  /** What was handed over with the batch. */
  readonly memory: readonly ArrayBuffer[];
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly cause: string | null;
  } | null;
}

/** A thread that fetches one result at a time, whole batches in a row. */
export interface BatchWorker {
  /** Resolves with the next batch, in memory of its own; null at the end. Calls may not overlap. */
  next(open: OpenedResult | null): Promise<ArrowBatch | null>;
  /**
   * Gives the worker back; no call may be under way. When it resolves, nothing of the result is used any more.
   */
  release(): Promise<void>;
}

/** Workers at most: each holds a thread, and beyond the cores they only take turns. */
const mostWorkers = 4;
const idle: Worker[] = [];
let count = 0;

/** A worker, if one is free or may be started; otherwise null, and the result is read without. */
export function acquireBatchWorker(): BatchWorker | null {
  const worker = idle.pop() ?? startWorker();
  if (worker === null) return null;
  worker.ref();
  let broken = false;
  let isOpen = false;
  const ask = async (request: BatchRequest): Promise<BatchAnswer> => {
    const answered = once(worker, 'message');
    worker.postMessage(request);
    try {
      const [answer] = (await answered) as [BatchAnswer];
      isOpen = answer.batch !== null;
      return answer;
    } catch (cause) {
      broken = true;
      throw new ArrowportError('INTERNAL', 'A thread that reads results has ended.', { cause });
    }
  };
  return {
    async next(open) {
      const { batch, memory, error } = await ask({ kind: 'next', open });
      if (error !== null)
        throw new ArrowportError(
          error.code,
          error.message,
          error.cause === null ? {} : { cause: error.cause },
        );
      return batch === null ? null : withRelease(batch, memory);
    },
    async release() {
      if (isOpen && !broken) await ask({ kind: 'close' }).catch(() => undefined);
      worker.unref();
      if (!broken) idle.push(worker);
    },
  };
}

/** Memory that is only waiting for the garbage collector makes it run, at the cost of everything else. */
function withRelease(batch: ArrowBatch, memory: readonly ArrayBuffer[]): ArrowBatch {
  return {
    ...batch,
    release() {
      for (const buffer of memory) if (!buffer.detached) buffer.transfer(0);
    },
  };
}

function startWorker(): Worker | null {
  if (count >= mostWorkers) return null;
  count += 1;
  const file = import.meta.url.endsWith('.ts') ? './batch-worker.ts' : './batch-worker.js';
  const worker = new Worker(new URL(file, import.meta.url));
  worker.once('exit', () => {
    count -= 1;
    const index = idle.indexOf(worker);
    if (index >= 0) idle.splice(index, 1);
  });
  // Whoever waits for an answer is told; a worker that breaks while nobody does is forgotten.
  worker.on('error', () => undefined);
  worker.unref();
  return worker;
}
