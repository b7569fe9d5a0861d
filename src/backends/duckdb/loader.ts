import { monotonicFactory } from 'ulid';
import { decodeBatch } from '../../arrow/decode-batch.ts';
import { createDictionaryStore, type DictionaryStore } from '../../arrow/dictionary-store.ts';
import type { CommitResult, Load, LoadRequest, ReplayedCommit } from '../../core/backend.ts';
import type { IpcMessage, RecordBatchMessage } from '../../core/ipc-message.ts';
import type { ArrowField } from '../../core/schema.ts';
import { BatchQueue, countBytes } from './batch-queue.ts';
import { fromDuckDbError } from './errors.ts';
import { type LoadColumn, planColumn } from './load-column.ts';
import { LoadTarget } from './load-target.ts';
import type { LoaderContext } from './loader-context.ts';
import { refuseAmbiguousColumns } from './match-columns.ts';
import { notePressure } from './native/allocators.ts';

/** Bytes gathered that make an INSERT worth while even when rows are wide and few. */
const worthwhileBytes = 48 * 1024 * 1024;
/** Bytes that may wait for DuckDB before the producer has to. */
const gatherLimitBytes = 64 * 1024 * 1024;
/** Pieces of memory gathered (structs, tables of pointers) that make an INSERT worth while when batches are small and many. */
const worthwhilePieces = 16_384;
/** Row groups that the first INSERT starts with, so that DuckDB works early: it goes on with what arrives meanwhile. */
const chunksForFirstInsert = 2;
/** Row groups that a later one starts with: the producer is slower than DuckDB, and few leave its threads without work at the ends. */
const chunksPerInsert = 8;
/** Batches being decompressed at once, so that DuckDB, the codec and the socket work side by side. */
const decodesAhead = 3;

const createCommitId = monotonicFactory();

/** Plans the columns, shows the stream to DuckDB and compares it with the table. Throws SCHEMA_MISMATCH, TYPE_UNSUPPORTED. */
export async function beginLoad(request: LoadRequest, context: LoaderContext): Promise<Load> {
  refuseAmbiguousColumns(request.schema.fields.map((field) => field.name));
  const columns = request.schema.fields.map(planColumn);
  const session = await context.sessions.acquire(request.schemaMetadata, columns);
  try {
    const target = new LoadTarget(request, context, session);
    await target.precheck();
    return new DuckDbLoad(request, context, columns, target);
  } catch (thrown) {
    await context.sessions.release(session, true);
    throw fromDuckDbError(thrown, 'load');
  }
}

/** Where a load's rows go; see `LoadTarget`. */
export type RowTarget = Pick<LoadTarget, 'insert' | 'commit' | 'interrupt' | 'close'>;

/** Decodes a stream's batches and hands them to a target, statement by statement. */
export class DuckDbLoad implements Load {
  readonly #request: LoadRequest;
  readonly #context: Pick<LoaderContext, 'limits' | 'closed'>;
  readonly #columns: readonly LoadColumn[];
  readonly #target: RowTarget;
  readonly #dictionaries: DictionaryStore;
  readonly #decodesAhead: number;
  #decoding: Promise<void>[] = [];
  #lastDecoded: Promise<void> = Promise.resolve();
  readonly #queue: BatchQueue;
  #insertCount = 0;
  #room: (() => void) | null = null;
  #inserting: Promise<void> | null = null;
  #failure: unknown = null;
  #over = false;
  /** Some load waits for memory: what is gathered is handed on at once, and what is being decoded as soon as it is. */
  #pressed = false;
  #undecoded = 0;
  #batches = 0;
  #bytes = 0;
  readonly #startedAt = performance.now();

  constructor(
    request: LoadRequest,
    context: Pick<LoaderContext, 'limits' | 'closed'>,
    columns: readonly LoadColumn[],
    target: RowTarget,
  ) {
    this.#request = request;
    this.#context = context;
    this.#columns = columns;
    this.#target = target;
    this.#dictionaries = createDictionaryStore(request.schema, context.limits);
    const dictionaries = request.schema.fields.some(hasDictionary);
    this.#decodesAhead = dictionaries ? 0 : decodesAhead;
    const { holdMemory } = request;
    this.#queue = new BatchQueue(dictionaries, {
      onTaken: () => this.#room?.(),
      ...(holdMemory === undefined ? {} : { holdMemory }),
    });
    request.signal?.addEventListener('abort', this.#onGone, { once: true });
  }

  /** Ends the INSERT that is running; a COMMIT is never interrupted. */
  readonly #onGone = (): void => {
    this.#failure ??= this.#request.signal?.reason;
    if (this.#inserting !== null) this.#target.interrupt();
  };

  async write(message: IpcMessage): Promise<void> {
    this.#bytes += message.bytes;
    if (message.kind === 'record-batch') this.#batches += 1;
    if (this.#failure !== null) {
      message.release();
      throw this.#failure;
    }
    if (message.kind === 'dictionary-batch') {
      await this.#settleDecodes(0);
      await this.#dictionaries.apply(message);
      return;
    }
    this.#startDecode(message);
    await this.#settleDecodes(this.#decodesAhead);
    this.#insertIfWorthwhile();
    while (this.#queue.bytes >= gatherLimitBytes || this.#queue.pieces >= 2 * worthwhilePieces) {
      await Promise.race([this.#inserting, this.#untilTaken()]);
      this.#insertIfWorthwhile();
    }
  }

  flush(): void {
    notePressure();
    this.#pressed = true;
    this.#insertUnderPressure();
  }

  async commit(): Promise<CommitResult> {
    await this.#settleDecodes(0);
    await this.#insertAll();
    if (this.#failure !== null) throw this.#failure;
    const facts = this.#facts();
    const rows = await this.#target.commit(facts).catch((thrown: unknown) => {
      this.#failure = thrown;
      throw thrown;
    });
    await this.#close(null);
    return facts === null ? { rows, version: null } : { rows, version: null, ...facts };
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#failure ??= new Error('The load was aborted.');
    if (this.#inserting !== null) this.#target.interrupt();
    await this.#inserting?.catch(() => undefined);
    await Promise.allSettled(this.#decoding);
    await this.#close(this.#failure);
  }

  /** What is kept with an idempotency key; null without one. */
  #facts(): ReplayedCommit | null {
    if (this.#request.options.idempotencyKey === null) return null;
    const durationMs = performance.now() - this.#startedAt;
    return { commitId: createCommitId(), batches: this.#batches, bytes: this.#bytes, durationMs };
  }

  /** Starts decoding a batch; its rows join the group after those of the batches before it. */
  #startDecode(message: RecordBatchMessage): void {
    const before = this.#lastDecoded;
    this.#undecoded += 1;
    const decoded = this.#decode(message);
    const joined = decoded
      .then(async (columns) => {
        await before;
        const bytes = countBytes(columns);
        this.#request.onBatchDecoded?.(bytes);
        this.#queue.add(message, columns, bytes);
      })
      .catch((thrown: unknown) => {
        message.release();
        throw thrown;
      })
      .finally(() => {
        this.#undecoded -= 1;
      });
    joined.then(
      () => this.#insertUnderPressure(),
      (thrown: unknown) => {
        this.#failure ??= thrown;
      },
    );
    this.#lastDecoded = joined;
    this.#decoding.push(joined);
  }

  async #decode(message: RecordBatchMessage) {
    const arrays = await decodeBatch(
      message,
      this.#request.schema.fields,
      this.#dictionaries,
      this.#context.limits,
    );
    return arrays.map((array, index) => this.#columns[index]?.convert(array) ?? array);
  }

  async #settleDecodes(ahead: number): Promise<void> {
    while (this.#decoding.length > ahead) {
      const [first] = this.#decoding;
      await first;
      this.#decoding.shift();
    }
  }

  /** Inserts what is waiting, to the last row. */
  async #insertAll(): Promise<void> {
    this.#queue.seal();
    while (this.#failure === null && (this.#inserting !== null || this.#queue.rows > 0)) {
      if (this.#inserting === null) this.#startInsert();
      await this.#inserting;
    }
  }

  #insertIfWorthwhile(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#inserting !== null) return;
    const { rows, bytes, pieces } = this.#queue;
    const chunks = this.#insertCount === 0 ? chunksForFirstInsert : chunksPerInsert;
    const enoughRows = rows >= this.#request.route.chunkSize * chunks;
    if (enoughRows || bytes >= worthwhileBytes || pieces >= worthwhilePieces) this.#startInsert();
  }

  #insertUnderPressure(): void {
    if (!this.#pressed || this.#failure !== null || this.#over) return;
    if (this.#inserting !== null) {
      // What waits already keeps the statement busy; batches that are small are better laid out together.
      if (this.#queue.pieces === 0) this.#queue.seal();
    } else if (this.#queue.rows > 0) this.#startInsert();
    else if (this.#undecoded === 0) this.#pressed = false;
  }

  #startInsert(): void {
    this.#insertCount += 1;
    this.#inserting = this.#target
      .insert(this.#queue)
      .catch((thrown: unknown) => {
        this.#failure ??= thrown;
      })
      .finally(() => {
        this.#inserting = null;
        this.#insertUnderPressure();
      });
  }

  /** Resolves when a statement has taken a batch. */
  #untilTaken(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  async #close(failure: unknown): Promise<void> {
    this.#over = true;
    this.#request.signal?.removeEventListener('abort', this.#onGone);
    this.#queue.close();
    this.#dictionaries.close();
    await this.#target.close();
    this.#context.closed(failure);
  }
}

function hasDictionary(field: ArrowField): boolean {
  return field.dictionary !== null || field.children.some(hasDictionary);
}
