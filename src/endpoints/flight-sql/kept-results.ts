import { randomUUID } from 'node:crypto';
import { byteSize } from '../../arrow/array-layout.ts';
import type { ArrowBatch, QueryResult } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';

/** Rows that are there before they are asked for: what a statement that changes rows has answered. */
export interface KeptResult {
  readonly schema: ArrowSchema;
  readonly batches: readonly ArrowBatch[];
  readonly rows: number;
  readonly bytes: number;
}

/** Keeps results until their tickets have expired. */
export interface KeptResults {
  /** Reads a result to its end and keeps it; returns its id. Throws RESULT_TOO_LARGE. */
  keep(result: QueryResult, keepMs: number): Promise<{ readonly id: string; readonly result: KeptResult }>;
  /** Throws TICKET_INVALID for one that is not kept any more. */
  find(id: string): KeptResult;
  drop(id: string): void;
  clear(): void;
}

const MAX_RESULT_BYTES = 64 * 1024 * 1024;
const MAX_KEPT_BYTES = 256 * 1024 * 1024;

/** Makes an empty store of results. */
export function createKeptResults(): KeptResults {
  const kept = new Map<string, { readonly result: KeptResult; readonly timer: NodeJS.Timeout }>();
  let keptBytes = 0;

  const drop = (id: string) => {
    const entry = kept.get(id);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    keptBytes -= entry.result.bytes;
    kept.delete(id);
  };

  return {
    async keep(result, keepMs) {
      const read = await readAll(result, Math.min(MAX_RESULT_BYTES, MAX_KEPT_BYTES - keptBytes));
      const id = randomUUID();
      const timer = setTimeout(() => drop(id), keepMs);
      timer.unref();
      keptBytes += read.bytes;
      kept.set(id, { result: read, timer });
      return { id, result: read };
    },
    find(id) {
      const entry = kept.get(id);
      if (entry === undefined)
        throw new ArrowportError('TICKET_INVALID', 'The rows of the ticket are not kept any more.');
      return entry.result;
    },
    drop,
    clear() {
      for (const id of [...kept.keys()]) drop(id);
    },
  };
}

async function readAll(result: QueryResult, maxBytes: number): Promise<KeptResult> {
  const batches: ArrowBatch[] = [];
  let rows = 0;
  let bytes = 0;
  try {
    for await (const batch of result.batches) {
      batches.push(batch);
      rows += batch.rows;
      bytes += batch.columns.reduce((sum, column) => sum + byteSize(column), 0);
      if (bytes > maxBytes) {
        throw new ArrowportError(
          'RESULT_TOO_LARGE',
          `A statement that changes rows may answer ${Math.floor(maxBytes / 1024 / 1024)} MiB of them at most: leave RETURNING out, or change fewer rows at once.`,
        );
      }
    }
  } finally {
    await result.close();
  }
  return { schema: result.schema, batches, rows, bytes };
}
