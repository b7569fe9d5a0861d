import { rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LoadRequest } from '../../core/backend.ts';
import type { IpcLimits, IpcMessage } from '../../core/ipc-message.ts';
import type { ParquetLoad, ParquetWriter } from '../../core/parquet-writer.ts';
import type { ArrowField } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import { findArrowField } from './arrow-fields.ts';
import { type DeltaField, holdsFloat } from './delta-schema.ts';
import type { FilePlan } from './file-plan.ts';
import { describeStatistics, refuseUnknownDays } from './file-statistics.ts';
import type { LoadWay } from './load-way.ts';
import { partitionFolder } from './partition-folder.ts';
import type { WireObject } from './wire-values.ts';
import type { LoadStream, TableLocation } from './worker-client.ts';
import { smallLoadBytes, WorkerWay, worthwhileBytes } from './worker-way.ts';

/** The writer of data files that a backend was given. */
export interface WriterAccess {
  /** Makes the writer, or returns the one there is; null where there is none. */
  readonly open: (() => Promise<ParquetWriter>) | null;
  /** To be told when the writer could not begin, and delta-rs writes instead. */
  onFallback(error: unknown): void;
}

/** What the ways of one load are made of. */
export interface LoadWayOptions {
  readonly stream: LoadStream;
  readonly request: LoadRequest;
  readonly location: TableLocation;
  readonly partitionBy: readonly string[];
  /** Whether the plan lets files be written before the commit. */
  readonly adopts: boolean;
  /** Null where delta-rs has to write. */
  readonly files: FilePlan | null;
  readonly writer: WriterAccess;
  readonly limits: IpcLimits;
}

/** Below the folder that the worker keeps for a load. */
const filesFolder = '0';

/** Makes the way of a load: chosen when it is known whether the load is a small one. */
export function createLoadWay(options: LoadWayOptions): LoadWay {
  const worker = new WorkerWay(options);
  const { writer = 'auto' } = options.request.route.delta;
  const { open } = options.writer;
  if (writer === 'delta-rs' || options.files === null || open === null) return worker;
  const plain = isLocal(options.location) && options.files.partition.length === 0;
  if (writer === 'auto' && !plain) return worker;
  return new ChosenWay(options, options.files, open, worker, writer === 'duckdb');
}

/** Files are written beside the table's own, where no reader looks, and the worker puts them in place and commits them. */
class FilesWay implements LoadWay {
  readonly #load: ParquetLoad;
  readonly #plan: FilePlan;
  readonly #worker: LoadWay;
  readonly #stream: LoadStream;
  readonly #staged: StagedFolder;

  constructor(
    load: ParquetLoad,
    plan: FilePlan,
    worker: LoadWay,
    options: LoadWayOptions,
    staged: StagedFolder,
  ) {
    this.#load = load;
    this.#plan = plan;
    this.#worker = worker;
    this.#stream = options.stream;
    this.#staged = staged;
  }

  write(message: IpcMessage): Promise<void> {
    return this.#load.write(message);
  }

  flush(): void {
    this.#load.flush();
  }

  async finish(meta: WireObject): Promise<WireObject> {
    const files = await this.#load.finish();
    if (files.length === 0) return this.#worker.finish(meta);
    for (const file of files) refuseUnknownDays(file, this.#plan.columns);
    const { schema, partition, configuration } = this.#plan;
    return this.#stream.finish(
      meta,
      files.map((file) => ({
        path: `${filesFolder}/${file.name}`,
        partition_values: Object.fromEntries(
          partition.map(({ name }, index) => [name, file.partition[index] ?? null]),
        ),
        size: file.bytes,
        stats: describeStatistics(file, schema, configuration),
      })),
    );
  }

  async abort(): Promise<void> {
    await this.#load.abort();
    await this.#stream.abort();
    const { folder, table } = this.#staged;
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    if (table === null) return;
    // Both stay where another load, or the table itself, has something in them.
    await rmdir(dirname(folder)).catch(() => undefined);
    await rmdir(table).catch(() => undefined);
  }
}

/** Gathers a small load's compressed messages; the way is chosen when there are more, when memory is wanted, or at the end. */
class ChosenWay implements LoadWay {
  readonly #options: LoadWayOptions;
  readonly #plan: FilePlan;
  readonly #openWriter: () => Promise<ParquetWriter>;
  readonly #worker: WorkerWay;
  readonly #always: boolean;
  readonly #pending: IpcMessage[] = [];
  #pendingBytes = 0;
  #choosing: Promise<LoadWay> | null = null;
  #files: FilesWay | null = null;
  #aborted = false;

  constructor(
    options: LoadWayOptions,
    plan: FilePlan,
    openWriter: () => Promise<ParquetWriter>,
    worker: WorkerWay,
    always: boolean,
  ) {
    this.#options = options;
    this.#plan = plan;
    this.#openWriter = openWriter;
    this.#worker = worker;
    this.#always = always;
  }

  async write(message: IpcMessage): Promise<void> {
    if (this.#choosing === null) {
      this.#pending.push(message);
      this.#pendingBytes += message.bytes;
      if (!this.#always && message.header.codec === null) await this.#choose(false);
      else if (this.#pendingBytes > smallLoadBytes) await this.#choose(this.#prefersFiles());
      return;
    }
    let way: LoadWay;
    try {
      way = await this.#choosing;
    } catch (error) {
      message.release();
      throw error;
    }
    await way.write(message);
  }

  flush(): void {
    if (this.#choosing === null && this.#pendingBytes === 0) return;
    const isLarge = this.#pendingBytes >= worthwhileBytes;
    const chosen = this.#choosing ?? this.#choose(isLarge && this.#prefersFiles());
    chosen.then(
      (way) => way.flush(),
      () => undefined,
    );
  }

  async finish(meta: WireObject): Promise<WireObject> {
    const way = await (this.#choosing ?? this.#choose(this.#always && this.#pendingBytes > 0));
    return way.finish(meta);
  }

  async abort(): Promise<void> {
    this.#aborted = true;
    this.#releasePending();
    await (this.#files ?? this.#worker).abort();
    // A file that was being opened meanwhile is known now.
    await this.#choosing?.catch(() => undefined);
    this.#releasePending();
    await (this.#files ?? this.#worker).abort();
  }

  /**
   * delta-rs encodes for less, and what it is handed was unfolded here anyway; else it would have to be unfolded twice.
   * Beside floats DuckDB keeps the sign of zero only where it makes no dictionaries, and so larger files.
   */
  #prefersFiles(): boolean {
    if (this.#always) return true;
    return (
      !this.#plan.columns.some(({ type }) => holdsFloat(type)) && !this.#worker.takesColumns(this.#pending)
    );
  }

  #choose(large: boolean): Promise<LoadWay> {
    const choosing = this.#start(large);
    choosing.catch(() => undefined);
    this.#choosing = choosing;
    return choosing;
  }

  async #start(large: boolean): Promise<LoadWay> {
    if (large) this.#files = await this.#openFiles();
    const way = this.#files ?? this.#worker;
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      await way.write(next);
    }
    return way;
  }

  /** Null where the writer does not cover the columns, or cannot begin. */
  async #openFiles(): Promise<FilesWay | null> {
    const { stream, request, location, writer: access } = this.#options;
    const columns = findArrowFields(this.#plan.columns);
    const partition = findArrowFields(this.#plan.partition);
    if (columns === null || partition === null) return null;
    try {
      const writer = await this.#openWriter();
      if (!writer.covers(request, columns, partition)) return null;
      const folder = await stream.stage();
      const names = partition.map(({ name }) => name);
      const load = await writer.open({
        request,
        columns,
        partition:
          partition.length === 0
            ? null
            : { columns: partition, folderOf: (values) => partitionFolder(names, values) },
        folder: join(folder, filesFolder),
        compression: request.route.delta.compression,
        targetFileBytes: request.route.delta.targetFileSize,
      });
      const staged = { folder, table: isLocal(location) ? location.uri : null };
      const files = new FilesWay(load, this.#plan, this.#worker, this.#options, staged);
      if (!this.#aborted) return files;
      await files.abort();
      throw new ArrowportError('CANCELLED', 'The load was cancelled; nothing was written.');
    } catch (error) {
      if (this.#aborted) throw error;
      access.onFallback(error);
      return null;
    }
  }

  #releasePending(): void {
    for (const message of this.#pending.splice(0)) message.release();
  }
}

/** The folder that the worker keeps for a load, and the folder of its table where that is a local one. */
interface StagedFolder {
  readonly folder: string;
  readonly table: string | null;
}

function isLocal({ uri }: TableLocation): boolean {
  return !uri.includes('://');
}

function findArrowFields(columns: readonly DeltaField[]): readonly ArrowField[] | null {
  const fields = columns.map(findArrowField).filter((field) => field !== undefined);
  return fields.length === columns.length ? fields : null;
}
