import type {
  Backend,
  CommitResult,
  Load,
  LoadOptions,
  LoadRequest,
  ReplayedCommit,
} from '../core/backend.ts';
import type { IngestRequest } from '../core/ingest.ts';
import type { IpcLimits, IpcMessage, IpcStream } from '../core/ipc-message.ts';
import type { IngestObserver, LoadIdentity } from '../core/observer.ts';
import type { CommitReceipt } from '../core/receipt.ts';
import type { CommitPolicy, Route } from '../core/route.ts';
import { ArrowportError, toArrowportError } from '../errors.ts';
import type { Place } from './admission.ts';
import { createKeptDictionaries } from './kept-dictionaries.ts';
import { createLoadHoldings, type LoadHoldings } from './load-holdings.ts';
import type { LoadPlan } from './load-plan.ts';
import { createReceipt } from './receipt.ts';
import { beginAsWanted } from './table-options.ts';

/** What one load runs with. */
export interface LoadSessionOptions {
  readonly request: IngestRequest;
  readonly plan: LoadPlan;
  readonly identity: LoadIdentity;
  readonly place: Place;
  readonly limits: IpcLimits;
  readonly observer: IngestObserver;
  /** Resolves with the backend of the plan's route. */
  openBackend(): Promise<Backend>;
}

/**
 * Runs a load from the opening of its stream to its last commit, and resolves with the receipt of that. Where the
 * route splits it, each part is a transaction of its own that begins with the first batch behind the commit before.
 * Throws ArrowportError; the open transaction is aborted then.
 */
export function runLoad(options: LoadSessionOptions): Promise<CommitReceipt> {
  return new LoadSession(options).run();
}

/** What has been received since the last commit. */
interface Part {
  rows: number;
  batches: number;
  bytes: number;
  readonly startedAt: number;
  /** When the first batch came; null before it. */
  firstBatchAt: number | null;
}

class LoadSession {
  readonly #options: LoadSessionOptions;
  readonly #route: Route;
  /** Null where the whole stream is one commit. */
  readonly #policy: CommitPolicy | null;
  readonly #dictionaries = createKeptDictionaries();
  readonly #holdings: LoadHoldings;
  readonly #total = { rows: 0, batches: 0, bytes: 0 };
  #load: Load | null = null;
  #part: Part = startPart();
  #lastReceipt: CommitReceipt | null = null;
  /** Parts committed so far. */
  #parts = 0;
  /** Bytes of dictionaries, which the observer hears of with the record batch behind them. */
  #untoldBytes = 0;

  constructor(options: LoadSessionOptions) {
    this.#options = options;
    this.#route = options.plan.route;
    const { place, limits } = options;
    this.#holdings = createLoadHoldings({
      memory: place.memory,
      limits,
      wireBytes: options.request.wireBytes,
    });
    this.#policy = options.request.onPartialCommit === undefined ? null : this.#route.commit;
  }

  async run(): Promise<CommitReceipt> {
    const { request, place, limits } = this.#options;
    place.watchPressure(() => this.#load?.flush?.());
    try {
      const stream = await this.#receive(request.open({ allocator: place.allocator, limits }));
      await this.#writeAll(stream);
      return await this.#finish();
    } catch (error) {
      await this.#load?.abort();
      throw this.#withTotals(toArrowportError(error));
    } finally {
      this.#dictionaries.release();
      this.#holdings.close();
    }
  }

  /** Waits for the client, which others may have to wait for. */
  async #receive<T>(coming: Promise<T>): Promise<T> {
    const { place } = this.#options;
    place.setReceiving(true);
    try {
      return await coming;
    } finally {
      place.setReceiving(false);
    }
  }

  async #writeAll(stream: IpcStream): Promise<void> {
    const messages = stream.messages[Symbol.asyncIterator]();
    try {
      const begin = await this.#prepare(stream);
      this.#load = await begin();
      for (;;) {
        const next = messages.next();
        await this.#commitWhileWaiting(next);
        const result = await this.#receive(next);
        if (result.done === true) return;
        if (this.#isReplayedWhole()) await this.#commitBefore(result.value);
        await this.#write(result.value, begin);
        if (this.#isFull()) await this.#commitPart();
      }
    } catch (error) {
      // Not awaited: a source that is being read ends with its next bytes, which may be long in coming.
      void messages.return?.().catch(() => undefined);
      throw error;
    }
  }

  /** Returns what begins a transaction on this stream. */
  async #prepare(stream: IpcStream): Promise<() => Promise<Load>> {
    const { plan, request, place, observer, identity, openBackend } = this.#options;
    const wanted = beginAsWanted(await openBackend(), request);
    const begin = (load: LoadRequest) => request.beginLoad?.(load) ?? wanted(load);
    return () =>
      begin({
        route: this.#route,
        schema: stream.schema,
        schemaMetadata: stream.schemaMetadata,
        options: this.#parts === 0 ? plan.options : continueWith(plan.options, this.#parts),
        requestId: request.requestId,
        signal: request.signal,
        holdMemory: (bytes) => place.memory.hold(bytes),
        onBatchDecoded: (bytesDecoded) => observer.batchDecoded(identity, bytesDecoded),
      });
  }

  async #write(message: IpcMessage, begin: () => Promise<Load>): Promise<void> {
    let unwritten: IpcMessage[] = [message];
    try {
      throwIfAborted(this.#options.request.signal);
      this.#count(message);
      if (this.#policy !== null && message.kind === 'dictionary-batch') {
        unwritten = [this.#dictionaries.keep(message)];
        // Nothing is open: the next transaction begins with all dictionaries that are kept.
        if (this.#load === null) return;
      }
      if (this.#load === null) {
        this.#load = await begin();
        unwritten.unshift(...this.#dictionaries.share());
      }
      for (let next = unwritten[0]; next !== undefined; next = unwritten[0]) {
        const covered = await this.#holdings.cover(next);
        unwritten.shift();
        await this.#load.write(covered);
      }
      if (this.#options.place.isPressed()) this.#load.flush?.();
    } finally {
      for (const left of unwritten) left.release();
    }
  }

  #count(message: IpcMessage): void {
    const { observer, identity } = this.#options;
    const part = this.#part;
    part.bytes += message.bytes;
    if (message.kind === 'dictionary-batch') {
      this.#untoldBytes += message.bytes;
      return;
    }
    const rows = message.header.length;
    part.rows += rows;
    part.batches += 1;
    part.firstBatchAt ??= performance.now();
    observer.batchReceived(identity, { rows, bytesReceived: message.bytes + this.#untoldBytes });
    this.#untoldBytes = 0;
  }

  #isFull(): boolean {
    if (this.#policy === null || this.#part.batches === 0) return false;
    const { rows, bytes, intervalMs } = this.#policy;
    const isOverBound =
      (rows !== null && this.#part.rows >= rows) || (bytes !== null && this.#part.bytes >= bytes);
    if (this.#load?.replays === undefined) return isOverBound;
    // What no bound ended the first time was the end of the stream, and is most likely to be that again.
    return this.#isReplayedWhole() && (isOverBound || intervalMs !== null);
  }

  /** A part that is durable already ends where it ended the first time. */
  #isReplayedWhole(): boolean {
    const replays = this.#policy === null ? undefined : this.#load?.replays;
    return replays !== undefined && this.#part.batches > 0 && this.#part.batches >= replays.batches;
  }

  /** Commits what a slow producer has sent when its time is over, while the next message is on its way. */
  async #commitWhileWaiting(next: Promise<IteratorResult<IpcMessage>>): Promise<void> {
    const intervalMs = this.#policy?.intervalMs ?? null;
    if (intervalMs === null || this.#part.firstBatchAt === null || this.#load?.replays !== undefined) return;
    if (await settlesBefore(next, this.#part.firstBatchAt + intervalMs - performance.now())) return;
    try {
      await this.#commitPart();
    } catch (error) {
      next.then(({ done, value }) => done !== true && value.release()).catch(() => undefined);
      throw error;
    }
  }

  async #commitBefore(message: IpcMessage): Promise<void> {
    try {
      await this.#commitPart();
    } catch (error) {
      message.release();
      throw error;
    }
  }

  async #commitPart(): Promise<void> {
    const load = this.#load;
    if (load === null) return;
    await this.#options.request.onPartialCommit?.(await this.#commit(load));
  }

  async #finish(): Promise<CommitReceipt> {
    const load = this.#load;
    if (load !== null) return this.#commit(load);
    const last = this.#lastReceipt;
    if (last === null) throw new Error('The load ended without a transaction.');
    // The stream ended at a split: all is durable, and the last receipt says so.
    const part = { ...this.#part, durationMs: performance.now() - this.#part.startedAt };
    const result = { rows: 0, version: last.version, commitId: last.commit_id };
    return { ...createReceipt(this.#route, result, part, this.#total), replayed: last.replayed };
  }

  async #commit(load: Load): Promise<CommitReceipt> {
    const { request, observer, identity } = this.#options;
    throwIfAborted(request.signal);
    this.#load = null;
    const part = this.#part;
    if (this.#policy !== null && load.replays !== undefined) await refuseShorter(load, load.replays, part);
    const commitStart = performance.now();
    const result = await commitOrAbort(load);
    const now = performance.now();
    if (this.#options.plan.options.mode !== 'merge') checkRows(result, part);
    this.#total.rows += result.rows;
    this.#total.batches += result.replay?.batches ?? part.batches;
    this.#total.bytes += result.replay?.bytes ?? part.bytes;
    const totals = this.#policy === null ? null : this.#total;
    const figures = { ...part, durationMs: now - part.startedAt };
    const receipt = createReceipt(this.#route, result, figures, totals);
    this.#lastReceipt = receipt;
    this.#parts += 1;
    this.#part = startPart();
    observer.loadCommitted(identity, receipt, { commitSeconds: (now - commitStart) / 1000 });
    return receipt;
  }

  /** Tells the client of a split load what it need not send again. */
  #withTotals(error: ArrowportError): ArrowportError {
    if (this.#lastReceipt === null) return error;
    return new ArrowportError(
      error.code,
      `${error.message} Of this stream ${this.#total.rows} rows in ${this.#total.batches} batches are durable.`,
      { cause: error.cause ?? error, details: error.details },
    );
  }
}

function startPart(): Part {
  return { rows: 0, batches: 0, bytes: 0, startedAt: performance.now(), firstBatchAt: null };
}

/** A part under a key that is durable already must be sent again whole: a shorter one is another stream. */
async function refuseShorter(load: Load, replays: ReplayedCommit, part: Part): Promise<void> {
  if (part.batches === replays.batches) return;
  await load.abort();
  throw new ArrowportError(
    'IDEMPOTENCY_CONFLICT',
    `Under this key a part of ${replays.batches} batches is durable, and the stream ends after ${part.batches} of them: send the same stream again.`,
  );
}

/** A further part adds to what the first one wrote, under a key of its own. No client can send its separator. */
function continueWith(options: LoadOptions, part: number): LoadOptions {
  return {
    ...options,
    idempotencyKey: options.idempotencyKey === null ? null : `${options.idempotencyKey}\u001f${part}`,
    mode: options.mode === 'overwrite' ? 'append' : options.mode,
    schemaMode: options.schemaMode === 'overwrite' ? 'strict' : options.schemaMode,
  };
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason;
}

async function commitOrAbort(load: Load): Promise<CommitResult> {
  try {
    return await load.commit();
  } catch (error) {
    await load.abort();
    throw error;
  }
}

/** The backend has checked its rows before the commit; this is the last look, when they may be durable already. */
function checkRows(result: CommitResult, part: Part): void {
  if (result.rows === part.rows || (result.replay ?? null) !== null) return;
  throw new ArrowportError(
    'COMMIT_UNKNOWN',
    `The backend committed ${result.rows} rows where ${part.rows} were sent; look at the table before sending again.`,
  );
}

async function settlesBefore(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  const { promise: timeout, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, Math.max(withinMs, 0), false);
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
