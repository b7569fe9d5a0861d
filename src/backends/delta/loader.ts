import { createHash } from 'node:crypto';
import { ulid } from 'ulid';
import type { CommitResult, Load, LoadRequest, ReplayedCommit } from '../../core/backend.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import { createSteadyClock } from '../../core/steady-clock.ts';
import { ArrowportError } from '../../errors.ts';
import { findFilePlan } from './file-plan.ts';
import { type LoadSettings, planLoad } from './load-plan.ts';
import type { LoadWay } from './load-way.ts';
import { createLoadWay, type WriterAccess } from './load-ways.ts';
import { readTableState } from './table-state.ts';
import { isWireObject, readFlag, readNumber, readObject, readTexts, type WireObject } from './wire-values.ts';
import type { OpenedLoad, TableLocation, WorkerClient } from './worker-client.ts';

/** What a Delta commit tells besides its receipt, for metrics. */
export interface DeltaCommit {
  readonly table: string;
  readonly version: number;
  readonly rows: number;
  readonly batches: number;
  readonly files: number;
  /** Bytes of the data files; 0 where the engine does not tell. */
  readonly bytes: number;
  readonly retries: number;
  /** Whether the commit is that of another load as well, which was told with its files and retries. */
  readonly shared: boolean;
  /** From the begin of the load to its commit. */
  readonly writeSeconds: number;
  readonly commitSeconds: number;
}

/** Begins a load: opens the table, matches the schema, tells the worker how to write. Throws codes of the ingest path. */
export async function beginLoad(
  client: WorkerClient,
  location: TableLocation,
  request: LoadRequest,
  settings: LoadSettings,
  writer: WriterAccess,
  onCommit: (commit: DeltaCommit) => void,
): Promise<Load> {
  const commitId = ulid();
  const opened = await client.openLoad(
    location,
    {
      app_id: applicationId(request.options.idempotencyKey),
      commit_id: commitId,
      keys_since: Math.max(0, Math.floor(now() - settings.keyRetentionHours * HOUR_MS)),
    },
    { requestId: request.requestId },
  );
  const { stream } = opened;
  try {
    if (opened.replay !== null) {
      const replay = readReplay(opened.replay, request);
      await stream.abort();
      return new ReplayedLoad(replay.result, replay.first);
    }
    const state = opened.table === null ? null : readTableState(opened.table);
    const plan = planLoad(request, state, settings);
    await stream.plan(plan);
    const files = findFilePlan(plan, state);
    const way = createLoadWay({
      stream,
      request,
      location,
      partitionBy: readTexts(plan, 'partition_by'),
      adopts: readFlag(plan, 'adopt') && (plan['rewrite'] ?? null) === null,
      files,
      writer,
      limits: settings.limits(),
    });
    return new DeltaLoad(way, request, commitId, onCommit);
  } catch (error) {
    await stream.abort();
    throw error;
  }
}

class DeltaLoad implements Load {
  readonly #way: LoadWay;
  readonly #request: LoadRequest;
  readonly #commitId: string;
  readonly #onCommit: (commit: DeltaCommit) => void;
  readonly #startedAt = performance.now();
  #rows = 0;
  #batches = 0;
  #bytes = 0;

  constructor(way: LoadWay, request: LoadRequest, commitId: string, onCommit: (commit: DeltaCommit) => void) {
    this.#way = way;
    this.#request = request;
    this.#commitId = commitId;
    this.#onCommit = onCommit;
  }

  async write(message: IpcMessage): Promise<void> {
    this.#bytes += message.bytes;
    if (message.kind === 'record-batch') {
      this.#rows += message.header.length;
      this.#batches += 1;
    }
    await this.#way.write(message);
  }

  flush(): void {
    this.#way.flush();
  }

  async commit(): Promise<CommitResult> {
    const commitStartedAt = performance.now();
    const durationMs = Math.round((commitStartedAt - this.#startedAt) * 10) / 10;
    const result = await this.#way.finish({
      stream: this.#request.route.stream,
      mode: this.#request.options.mode,
      rows: this.#rows,
      batches: this.#batches,
      bytes: this.#bytes,
      duration_ms: durationMs,
      request_id: this.#request.requestId,
    });
    const version = readNumber(result, 'version');
    const info = readObject(result, 'info');
    if (readFlag(result, 'replayed')) return readReplay({ version, info }, this.#request).result;
    this.#report(version, info, readNumber(result, 'retries'), commitStartedAt);
    // Only what was known before the commit is kept with it, and a replay must answer the same as the first time.
    const kept = this.#request.options.idempotencyKey === null ? {} : { durationMs };
    return { rows: this.#rows, version, commitId: this.#commitId, replay: null, ...kept };
  }

  async abort(): Promise<void> {
    await this.#way.abort();
  }

  #report(version: number, info: WireObject, retries: number, commitStartedAt: number): void {
    const { added } = info;
    const figures = isWireObject(added) ? added : {};
    const shared = numberOf(figures, 'shared') > 0;
    this.#onCommit({
      table: this.#request.route.table.name,
      version,
      rows: this.#rows,
      batches: this.#batches,
      files: numberOf(figures, 'files'),
      bytes: numberOf(figures, 'bytes'),
      retries: shared ? 0 : retries,
      shared,
      writeSeconds: (commitStartedAt - this.#startedAt) / 1000,
      commitSeconds: (performance.now() - commitStartedAt) / 1000,
    });
  }
}

/** A load whose key was committed before: takes every message and writes none. */
class ReplayedLoad implements Load {
  readonly replays: ReplayedCommit;
  readonly #result: CommitResult;

  constructor(result: CommitResult, first: ReplayedCommit) {
    this.#result = result;
    this.replays = first;
  }

  async write(message: IpcMessage): Promise<void> {
    message.release();
  }

  async commit(): Promise<CommitResult> {
    return this.#result;
  }

  async abort(): Promise<void> {}
}

/** A key's name in the table's log: `txn` actions are kept by application id, and keys may be long. */
function applicationId(key: string | null): string | null {
  return key === null ? null : `arrowport-${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;
}

const HOUR_MS = 3_600_000;
/** A system clock that jumps forward must not make keys look old. */
const now = createSteadyClock();

/** The result of the key's first commit. Throws IDEMPOTENCY_CONFLICT. */
function readReplay(
  replay: NonNullable<OpenedLoad['replay']>,
  request: LoadRequest,
): { readonly result: CommitResult; readonly first: ReplayedCommit } {
  const { version, info } = replay;
  const stream = info['arrowport.stream'];
  const mode = info['arrowport.mode'];
  const sameStream = stream === undefined || stream === request.route.stream;
  if (!sameStream || (mode !== undefined && mode !== request.options.mode)) {
    throw new ArrowportError(
      'IDEMPOTENCY_CONFLICT',
      'The idempotency key belongs to a load of this table from another stream or with another mode.',
    );
  }
  const first: ReplayedCommit = {
    commitId: String(info['arrowport.commit_id'] ?? ''),
    batches: numberOf(info, 'arrowport.batches'),
    bytes: numberOf(info, 'arrowport.bytes'),
    durationMs: numberOf(info, 'arrowport.duration_ms'),
  };
  const rows = numberOf(info, 'arrowport.rows');
  return { result: { rows, version, commitId: first.commitId, replay: first }, first };
}

function numberOf(info: WireObject, name: string): number {
  const value = info[name];
  return typeof value === 'number' ? value : 0;
}
