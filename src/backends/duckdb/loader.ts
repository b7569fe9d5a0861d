import { monotonicFactory } from 'ulid';
import { decodeBatch } from '../../arrow/decode-batch.ts';
import { createDictionaryStore, type DictionaryStore } from '../../arrow/dictionary-store.ts';
import type { CommitResult, Load, LoadRequest, ReplayedCommit } from '../../core/backend.ts';
import type { IpcMessage, RecordBatchMessage } from '../../core/ipc-message.ts';
import type { ArrowField } from '../../core/schema.ts';
import { BatchGroup, countBytes } from './batch-group.ts';
import { fromDuckDbError } from './errors.ts';
import { type LoadColumn, planColumn } from './load-column.ts';
import { LoadTarget } from './load-target.ts';
import type { LoaderContext } from './loader-context.ts';
import { refuseAmbiguousColumns } from './match-columns.ts';

/** Bytes gathered that make an INSERT worth while even when rows are wide and few. */
const worthwhileBytes = 48 * 1024 * 1024;
/** Bytes gathered while an INSERT runs before the producer has to wait. */
const gatherLimitBytes = 64 * 1024 * 1024;
/** Pieces of memory gathered (structs, tables of pointers) that make an INSERT worth while when batches are small and many. */
const worthwhilePieces = 16_384;
/** Row groups that one INSERT should span: fewer leave DuckDB's threads without work at the ends. */
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

class DuckDbLoad implements Load {
  readonly #request: LoadRequest;
  readonly #context: LoaderContext;
  readonly #columns: readonly LoadColumn[];
  readonly #target: LoadTarget;
  readonly #dictionaries: DictionaryStore;
  readonly #decodesAhead: number;
  #decoding: Promise<void>[] = [];
  #lastDecoded: Promise<void> = Promise.resolve();
  #group = new BatchGroup();
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
    context: LoaderContext,
    columns: readonly LoadColumn[],
    target: LoadTarget,
  ) {
    this.#request = request;
    this.#context = context;
    this.#columns = columns;
    this.#target = target;
    this.#dictionaries = createDictionaryStore(request.schema, context.limits);
    this.#decodesAhead = request.schema.fields.some(hasDictionary) ? 0 : decodesAhead;
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
    while (this.#group.bytes >= gatherLimitBytes || this.#group.pieces >= 2 * worthwhilePieces) {
      await this.#inserting;
      this.#insertIfWorthwhile();
    }
  }

  flush(): void {
    this.#pressed = true;
    this.#insertUnderPressure();
  }

  async commit(): Promise<CommitResult> {
    await this.#settleDecodes(0);
    await this.#inserting;
    if (this.#group.rows > 0) this.#startInsert();
    await this.#inserting;
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
        this.#group.add(message, columns, bytes);
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

  #insertIfWorthwhile(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#inserting !== null) return;
    const { rows, bytes, pieces } = this.#group;
    const enoughRows = rows >= this.#request.route.chunkSize * chunksPerInsert;
    if (enoughRows || bytes >= worthwhileBytes || pieces >= worthwhilePieces) this.#startInsert();
  }

  #insertUnderPressure(): void {
    if (!this.#pressed || this.#inserting !== null || this.#failure !== null || this.#over) return;
    if (this.#group.rows > 0) this.#startInsert();
    else if (this.#undecoded === 0) this.#pressed = false;
  }

  #startInsert(): void {
    const group = this.#group;
    group.seal();
    this.#group = new BatchGroup();
    this.#inserting = this.#target
      .insert(group)
      .catch((thrown: unknown) => {
        this.#failure ??= thrown;
      })
      .finally(() => {
        group.release();
        this.#inserting = null;
        this.#insertUnderPressure();
      });
  }

  async #close(failure: unknown): Promise<void> {
    this.#over = true;
    this.#request.signal?.removeEventListener('abort', this.#onGone);
    this.#group.release();
    this.#dictionaries.close();
    await this.#target.close();
    this.#context.closed(failure);
  }
}

function hasDictionary(field: ArrowField): boolean {
  return field.dictionary !== null || field.children.some(hasDictionary);
}
