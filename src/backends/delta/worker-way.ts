import { declaredBytes } from '../../arrow/body-compression.ts';
import { freeBuffers } from '../../arrow/free-buffers.ts';
import type { ArrayData } from '../../core/array-data.ts';
import type { LoadRequest } from '../../core/backend.ts';
import type { IpcLimits, IpcMessage } from '../../core/ipc-message.ts';
import { canHandArrays, countArrays, layOutBatch } from './array-layout.ts';
import { frameMessage } from './ipc-framing.ts';
import type { LoadWay } from './load-way.ts';
import { createMessageChecker, type MessageChecker } from './message-checker.ts';
import { findPackedColumns } from './packed-columns.ts';
import type { ArenaShare } from './shared-arena.ts';
import { streamSchema } from './stream-schema.ts';
import type { WireObject } from './wire-values.ts';
import type { LoadStream } from './worker-client.ts';
import { createWorkerShare, type WorkerShare } from './worker-share.ts';

/** What the worker's way of a load is made of. */
export interface WorkerWayOptions {
  readonly stream: LoadStream;
  readonly request: LoadRequest;
  /** The columns that the table is partitioned by. */
  readonly partitionBy: readonly string[];
  readonly limits: IpcLimits;
  /** Whether the plan lets the worker write files before it commits: only then it takes columns. */
  readonly adopts: boolean;
}

/** Rows up to so many bytes cost less in one piece with their commit. */
export const smallLoadBytes = 8 * 1024 * 1024;
/** Under pressure for memory, rows from here on are worth a data file. */
export const worthwhileBytes = 1024 * 1024;
/** Arrays of fewer bytes in the mean cost more to describe than to decode. */
const worthwhileArrayBytes = 32 * 1024;

/** A message that waits; its columns, where they are views of it. */
interface Waiting {
  readonly message: IpcMessage;
  readonly columns: readonly ArrayData[] | null;
}

/**
 * The worker writes the files. A small load, and what has dictionaries or views, reaches it as the stream's own bytes;
 * of other loads it gets the columns that were decoded here to be checked, so that nothing is unfolded or decoded twice.
 */
export class WorkerWay implements LoadWay {
  readonly #stream: LoadStream;
  readonly #request: LoadRequest;
  readonly #checker: MessageChecker;
  readonly #schema: Uint8Array;
  readonly #share: WorkerShare;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #form: 'undecided' | 'bytes' | 'columns';
  #deciding: Promise<void> | null = null;
  #arena: ArenaShare | null = null;
  #begun = false;
  /** Whether a batch was handed on as columns. */
  #handed = false;
  /** The message before, on its way to the worker while the next one is received and checked. */
  #sending: Promise<void> = Promise.resolve();

  constructor({ stream, request, partitionBy, limits, adopts }: WorkerWayOptions) {
    this.#stream = stream;
    this.#request = request;
    this.#checker = createMessageChecker(request, partitionBy, limits);
    this.#schema = streamSchema(request);
    this.#share = createWorkerShare(request.holdMemory);
    this.#form = adopts && canHandArrays(request.schema.fields) ? 'undecided' : 'bytes';
  }

  /** Whether a load that begins with these messages reaches the worker as columns. Throws IPC_MALFORMED. */
  takesColumns(messages: readonly IpcMessage[]): boolean {
    if (this.#form === 'bytes') return false;
    const bytes = messages.reduce((sum, message) => sum + declaredBytes(message), 0);
    return bytes >= worthwhileArrayBytes * messages.length * countArrays(this.#request.schema.fields);
  }

  async write(message: IpcMessage): Promise<void> {
    let columns: readonly ArrayData[] | null = null;
    try {
      await this.#deciding;
      // What is wrong is said at once, but nothing stays unfolded while it waits.
      if (this.#form !== 'undecided' || message.header.codec === null) columns = await this.#check(message);
    } catch (error) {
      message.release();
      throw error;
    }
    if (this.#form !== 'undecided') return this.#send(message, columns);
    this.#waiting.push({ message, columns });
    this.#waitingBytes += message.bytes;
    if (this.#waitingBytes > smallLoadBytes) await this.#decide(true);
  }

  flush(): void {
    this.#arena?.shrink();
    if (this.#form !== 'undecided' || this.#waitingBytes === 0) return;
    this.#decide(this.#waitingBytes >= worthwhileBytes).catch(() => undefined);
  }

  async finish(meta: WireObject): Promise<WireObject> {
    await this.#decide(false);
    await this.#begin();
    await this.#sending;
    try {
      return await this.#stream.finish(meta);
    } finally {
      this.#share.end();
    }
  }

  async abort(): Promise<void> {
    await this.#stream.abort();
    await this.#deciding?.catch(() => undefined);
    this.#releaseWaiting();
    await this.#sending.catch(() => undefined);
    this.#share.end();
  }

  /** Chooses the form, once, and sends what has waited for it. */
  #decide(isLarge: boolean): Promise<void> {
    this.#deciding ??= this.#sendWaiting(isLarge);
    this.#deciding.catch(() => undefined);
    return this.#deciding;
  }

  async #sendWaiting(isLarge: boolean): Promise<void> {
    if (this.#form === 'undecided') {
      const messages = this.#waiting.map(({ message }) => message);
      this.#form = isLarge && this.takesColumns(messages) ? 'columns' : 'bytes';
    }
    if (this.#form === 'columns') this.#arena = await this.#stream.openArena();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      await this.#send(next.message, next.columns);
    }
  }

  #releaseWaiting(): void {
    for (const { message } of this.#waiting.splice(0)) message.release();
  }

  async #check(message: IpcMessage): Promise<readonly ArrayData[]> {
    const columns = await this.#checker.check(message);
    if (this.#form === 'bytes' && message.header.codec !== null) freeBuffers(columns);
    return columns;
  }

  async #send(message: IpcMessage, checked: readonly ArrayData[] | null): Promise<void> {
    let columns: readonly ArrayData[];
    try {
      columns = checked ?? (await this.#check(message));
      await this.#begin();
      await this.#sending;
    } catch (error) {
      message.release();
      throw error;
    }
    const sending = this.#form === 'columns' ? this.#sendColumns(message, columns) : this.#sendBytes(message);
    this.#sending = sending.finally(() => message.release());
    // It is awaited with the next message or at the end, and may fail before.
    this.#sending.catch(() => undefined);
  }

  async #sendBytes(message: IpcMessage): Promise<void> {
    await this.#stream.send(frameMessage(message.metadata, message.body));
    this.#share.add(declaredBytes(message));
  }

  async #sendColumns({ header }: IpcMessage, columns: readonly ArrayData[]): Promise<void> {
    const batch = layOutBatch(columns, header.length);
    try {
      const packed = this.#handed ? [] : findPackedColumns(columns);
      this.#handed = true;
      const place = await this.#placeShared(batch.parts, batch.bytes);
      await this.#stream.sendBatch({ ...batch.header, ...place }, place === null ? batch.parts : [], packed);
      if (place === null) this.#share.add(batch.bytes);
    } finally {
      if (header.codec !== null) freeBuffers(columns);
    }
  }

  /** Counts what stands in the arena as held by the load until the worker has written it. */
  async #placeShared(parts: readonly Uint8Array[], bytes: number): Promise<WireObject | null> {
    if (this.#arena === null) return null;
    let end = this.#request.holdMemory?.(bytes);
    const endOnce = () => {
      end?.();
      end = undefined;
    };
    const place = await this.#arena.write(parts, bytes, endOnce);
    if (place === null) endOnce();
    return place;
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#stream.send(frameMessage(this.#schema, null));
  }
}
