import { setTimeout as sleep } from 'node:timers/promises';
import type { DeltaCallContext, DeltaRowStream } from '../../core/delta.ts';
import { ArrowportError } from '../../errors.ts';
import type { Frame } from '../../processes/frame-codec.ts';
import type { FrameConnection } from '../../processes/frame-connection.ts';
import { fromWorkerError, workerGone } from './errors.ts';
import { type ArenaShare, arenaArguments, openSharedArena, type SharedArena } from './shared-arena.ts';
import {
  isWireObject,
  readNumber,
  readObject,
  readObjectOrNull,
  readText,
  type WireObject,
} from './wire-values.ts';
import type { WorkerProcess } from './worker-process.ts';

const PROTOCOL_VERSION = 1;
const never = () => false;
/** How long an abort waits for the worker to have tidied up. */
const ABORT_PATIENCE_MS = 1000;

/** A table's place: a path or an object-store URI, and the options of its store. */
export interface TableLocation {
  readonly uri: string;
  readonly options: Readonly<Record<string, string>>;
}

/** What the worker knows of a table when a load begins. */
export interface OpenedLoad {
  /** The table's state, null while there is no table. */
  readonly table: WireObject | null;
  /** The commit that the load's key already made, null where it made none. */
  readonly replay: { readonly version: number; readonly info: WireObject } | null;
  readonly stream: LoadStream;
}

/** A load's way into the worker, after {@link OpenedLoad}: a plan, messages, then an end or an abort. */
export interface LoadStream {
  /** Tells how the load is written. */
  plan(plan: WireObject): Promise<void>;
  /** Sends bytes of the IPC stream; resolves when their memory may be used again. Throws what the worker found wrong. */
  send(parts: readonly Uint8Array[]): Promise<void>;
  /** The load's part of the memory that the worker reads in place; null where there is none. */
  openArena(): Promise<ArenaShare | null>;
  /**
   * Hands on a decoded batch, described by `header`, which names its place in the arena or is followed by its bytes.
   * `packed` counts with the first one: the columns whose integers are best written as packed differences.
   */
  sendBatch(header: WireObject, parts: readonly Uint8Array[], packed: readonly string[]): Promise<void>;
  /**
   * Keeps a local folder from everybody else, for files that {@link finish} names: beside the table, or somewhere else
   * for a table in an object store. Resolves with its path. It is the worker's to remove, after an abort as well.
   */
  stage(): Promise<string>;
  /**
   * Ends the stream and waits for the commit. `meta` is kept in the commit. `files` are in the folder of {@link stage} and
   * take the stream's place, of which nothing was sent. Throws COMMIT_UNKNOWN when the worker dies meanwhile.
   */
  finish(meta: WireObject, files?: readonly WireObject[]): Promise<WireObject>;
  /** Breaks the load off; the worker removes what it has written. Never throws. */
  abort(): Promise<void>;
}

/** Typed calls to the Delta worker. Every method throws ArrowportError. */
export interface WorkerClient {
  /** One operation with one answer. `commits` says that a lost answer may hide a commit. */
  call(
    operation: string,
    location: TableLocation | null,
    args: WireObject,
    context: DeltaCallContext,
    commits: boolean,
  ): Promise<WireObject>;
  openLoad(location: TableLocation, args: WireObject, context: DeltaCallContext): Promise<OpenedLoad>;
  openRows(
    operation: 'read' | 'changes' | 'read-part' | 'read-files',
    location: TableLocation,
    args: WireObject,
    context: DeltaCallContext,
  ): Promise<DeltaRowStream>;
}

/** Makes a client of a worker process. */
export function createWorkerClient(worker: WorkerProcess): WorkerClient {
  const arena = createArenaKeeper(worker);
  return {
    call: (operation, location, args, context, commits) =>
      call(worker, operation, location, args, context, commits),
    openLoad: (location, args, context) => openLoad(worker, location, args, context, arena),
    openRows: (operation, location, args, context) => openRows(worker, operation, location, args, context),
  };
}

/** The arena of the worker that runs. */
interface ArenaKeeper {
  /** Null where there is none. Never throws. */
  open(): Promise<SharedArena | null>;
}

/** A worker is asked for its arena once; one that has none is not asked again. */
function createArenaKeeper(worker: WorkerProcess): ArenaKeeper {
  let opening: Promise<SharedArena | null> | null = null;
  let pid: number | undefined;
  return {
    async open() {
      if (opening !== null && pid === worker.pid) {
        const opened = await opening;
        if (opened?.isClosed !== true) return opened;
      }
      pid = worker.pid;
      opening = request(worker, 'arena', null, arenaArguments, { requestId: 'arena' })
        .then(openSharedArena)
        .catch(() => null);
      return opening;
    },
  };
}

async function connect(worker: WorkerProcess): Promise<FrameConnection> {
  try {
    return await worker.connect();
  } catch (error) {
    if (error instanceof ArrowportError) throw error;
    // A server that stops breaks the start off; anything else is a worker that cannot be had, whatever hinders it.
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw new ArrowportError(
      'BACKEND_UNAVAILABLE',
      'The Delta worker could not be started; the log says why.',
      {
        cause: error,
        details: { retryAfterMs: 1000 },
      },
    );
  }
}

async function request(
  worker: WorkerProcess,
  operation: string,
  location: TableLocation | null,
  args: WireObject,
  context: DeltaCallContext,
): Promise<FrameConnection> {
  const connection = await connect(worker);
  const header = {
    v: PROTOCOL_VERSION,
    op: operation,
    ...(location === null ? {} : { table: { uri: location.uri, options: location.options } }),
    args,
    request_id: context.requestId,
  };
  try {
    await connection.send(header);
  } catch (error) {
    connection.close();
    throw workerGone(false, error);
  }
  return connection;
}

/** The next frame. Throws what an error frame stands for, or what the worker's end means at this point. */
async function expectFrame(
  connection: FrameConnection,
  committing: () => boolean,
  table: string | null,
): Promise<Frame> {
  let frame: Frame | undefined;
  try {
    frame = await connection.receive();
  } catch (error) {
    throw workerGone(committing(), error);
  }
  if (frame === undefined)
    throw workerGone(committing(), new Error('the connection ended without an answer'));
  const { error } = frame.header;
  if (isWireObject(error)) {
    const { kind, message, column } = error;
    const named = typeof column === 'string' ? { column } : {};
    throw fromWorkerError({ kind: String(kind), message: String(message), ...named }, table);
  }
  return frame;
}

/** A table is called as its folder is. */
function nameOf(location: TableLocation | null): string | null {
  return location?.uri.split('/').at(-1) ?? null;
}

async function call(
  worker: WorkerProcess,
  operation: string,
  location: TableLocation | null,
  args: WireObject,
  context: DeltaCallContext,
  commits: boolean,
): Promise<WireObject> {
  context.signal?.throwIfAborted();
  const connection = await request(worker, operation, location, args, context);
  const onAbort = () => connection.close();
  context.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const frame = await expectFrame(connection, () => commits, nameOf(location));
    return readObject(frame.header, 'result');
  } catch (error) {
    context.signal?.throwIfAborted();
    throw error;
  } finally {
    context.signal?.removeEventListener('abort', onAbort);
    connection.close();
  }
}

async function openLoad(
  worker: WorkerProcess,
  location: TableLocation,
  args: WireObject,
  context: DeltaCallContext,
  arena: ArenaKeeper,
): Promise<OpenedLoad> {
  const connection = await request(worker, 'load', location, args, context);
  try {
    const { header } = await expectFrame(connection, never, nameOf(location));
    const replay = readObjectOrNull(header, 'replay');
    return {
      table: readObjectOrNull(header, 'table'),
      replay:
        replay === null ? null : { version: readNumber(replay, 'version'), info: readObject(replay, 'info') },
      stream: new ConnectionLoadStream(connection, nameOf(location), arena),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

class ConnectionLoadStream implements LoadStream {
  readonly #connection: FrameConnection;
  readonly #table: string | null;
  readonly #arena: ArenaKeeper;
  #hasBatches = false;
  #answer: Promise<WireObject> | undefined;
  #failure: unknown;
  #committing = false;
  #closed = false;
  readonly #staged = Promise.withResolvers<string>();

  constructor(connection: FrameConnection, table: string | null, arena: ArenaKeeper) {
    this.#connection = connection;
    this.#table = table;
    this.#arena = arena;
  }

  async plan(plan: WireObject): Promise<void> {
    await this.#send({ plan }, []);
    // The worker speaks next when the load is committed, or when it cannot go on.
    this.#answer = this.#awaitAnswer();
    this.#answer.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    await this.#send({ data: true }, parts);
  }

  async openArena(): Promise<ArenaShare | null> {
    return (await this.#arena.open())?.openShare() ?? null;
  }

  async sendBatch(
    header: WireObject,
    parts: readonly Uint8Array[],
    packed: readonly string[],
  ): Promise<void> {
    this.#hasBatches = true;
    await this.#send({ batch: header, ...(packed.length === 0 ? {} : { packed }) }, parts);
  }

  async stage(): Promise<string> {
    await this.#send({ stage: true }, []);
    const folder = await Promise.race([this.#staged.promise, this.#answer]);
    if (typeof folder === 'string') return folder;
    throw new Error('the Delta worker ended a load that was about to begin');
  }

  async finish(meta: WireObject, files?: readonly WireObject[]): Promise<WireObject> {
    this.#committing = true;
    try {
      await this.#send({ end: true, meta, ...(files === undefined ? {} : { files }) }, []);
      if (this.#answer === undefined) throw new Error('a load was finished before it was planned');
      return await this.#answer;
    } finally {
      this.#close();
    }
  }

  async abort(): Promise<void> {
    if (this.#closed) return;
    await this.#connection.send({ abort: true }).catch(() => {});
    // Files of what it was handed are there already: it answers when it has removed them.
    if (this.#hasBatches) await this.#answered(ABORT_PATIENCE_MS);
    this.#close();
  }

  async #answered(patienceMs: number): Promise<void> {
    const waited = new AbortController();
    const answer = this.#answer?.then(
      () => undefined,
      () => undefined,
    );
    const patience = sleep(patienceMs, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([answer, patience]);
    waited.abort();
  }

  async #awaitAnswer(): Promise<WireObject> {
    for (;;) {
      const frame = await expectFrame(this.#connection, () => this.#committing, this.#table);
      if (frame.header['staged'] !== true) return readObject(frame.header, 'result');
      this.#staged.resolve(readText(frame.header, 'folder'));
    }
  }

  async #send(header: WireObject, parts: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await this.#connection.send(header, parts);
    } catch (error) {
      // What the worker found wrong explains more than the broken pipe that followed it.
      if (this.#answer !== undefined) await this.#answer.then(() => {});
      throw workerGone(false, error);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #close(): void {
    this.#closed = true;
    this.#connection.close();
  }
}

async function openRows(
  worker: WorkerProcess,
  operation: 'read' | 'changes' | 'read-part' | 'read-files',
  location: TableLocation,
  args: WireObject,
  context: DeltaCallContext,
): Promise<DeltaRowStream> {
  const connection = await request(worker, operation, location, args, context);
  const onAbort = () => connection.close();
  context.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const { header } = await expectFrame(connection, never, nameOf(location));
    return { version: readNumber(header, 'version'), bytes: rowBytes(connection, nameOf(location)) };
  } catch (error) {
    connection.close();
    context.signal?.throwIfAborted();
    throw error;
  }
}

async function* rowBytes(connection: FrameConnection, table: string | null): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const frame = await expectFrame(connection, never, table);
      if (frame.header['result'] !== undefined) return;
      yield frame.payload;
    }
  } finally {
    connection.close();
  }
}
