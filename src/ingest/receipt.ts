import { monotonicFactory } from 'ulid';
import type { CommitResult } from '../core/backend.ts';
import type { CommitReceipt } from '../core/receipt.ts';
import { describeTable, type Route } from '../core/route.ts';

/** Record batches received, their rows, and the Arrow bytes of all messages. */
export interface Figures {
  readonly rows: number;
  readonly batches: number;
  readonly bytes: number;
}

const createCommitId = monotonicFactory();

/** Makes the receipt of a commit; `totals` are given where the load is split. */
export function createReceipt(
  route: Route,
  result: CommitResult,
  part: Figures & { readonly durationMs: number },
  totals: Figures | null,
): CommitReceipt {
  const table = describeTable(route.table);
  const replay = result.replay ?? null;
  const what = `${result.rows} ${result.rows === 1 ? 'row' : 'rows'}`;
  return {
    status: 'success',
    stream: route.stream,
    table,
    storage_backend: route.backend,
    rows_processed: result.rows,
    batches: replay?.batches ?? part.batches,
    bytes: replay?.bytes ?? part.bytes,
    commit_id: replay?.commitId ?? result.commitId ?? createCommitId(),
    version: result.version,
    replayed: replay !== null,
    duration_ms: Math.round((replay?.durationMs ?? result.durationMs ?? part.durationMs) * 10) / 10,
    message: `${what} committed to ${table}`,
    ...(totals === null ? {} : { rows_total: totals.rows, batches_total: totals.batches }),
  };
}
