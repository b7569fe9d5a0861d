import { ulid } from 'ulid';
import { ArrowportError } from '../../errors.ts';
import type { DeltaStruct } from './delta-schema.ts';
import type { LoadSettings } from './load-plan.ts';
import type { TableRoot } from './locations.ts';
import { checkPredicate } from './predicate.ts';
import { parseDeltaSchema } from './table-state.ts';
import {
  isWireObject,
  readFlag,
  readList,
  readNumber,
  readNumberOrNull,
  readObject,
  readText,
  readTextMap,
  readTexts,
  type WireObject,
} from './wire-values.ts';
import type { CallContext, RowStream, WorkerClient } from './worker-client.ts';

/** A table as `GET /delta` lists it; figures are null for a table that cannot be read. */
export interface DeltaTableSummary {
  readonly name: string;
  readonly version: number | null;
  readonly files: number | null;
  readonly bytes: number | null;
  readonly rows: number | null;
}

/** A table as `GET /delta/{table}` shows it. */
export interface DeltaTableInfo {
  readonly table: string;
  readonly version: number;
  readonly file_count: number;
  readonly total_size_bytes: number;
  readonly row_count: number;
  /** The partition columns. */
  readonly partitions: readonly string[];
  readonly schema: DeltaStruct;
  readonly properties: Readonly<Record<string, string>>;
}

/** A table's commits, newest first, as the log has them. */
export interface DeltaHistory {
  readonly table: string;
  readonly history: readonly WireObject[];
}

/** Formats that rows go out in. */
export type RowFormat = 'arrow' | 'ndjson' | 'csv' | 'parquet';

/** Which rows of a table to read. Give `version` or `timestamp` (RFC 3339), or neither for the latest. */
export interface ReadOptions {
  readonly version?: number;
  readonly timestamp?: string;
  readonly columns?: readonly string[];
  /** A SQL predicate over the columns. */
  readonly filter?: string;
  readonly limit?: number;
  readonly format?: RowFormat;
  /** Compression of Arrow buffers. */
  readonly compression?: 'zstd' | 'lz4';
}

/** Which changes to read: versions `from` to `to`, both included. */
export interface ChangesOptions {
  readonly from?: number;
  readonly to?: number;
  readonly columns?: readonly string[];
  readonly filter?: string;
  readonly limit?: number;
  readonly format?: RowFormat;
}

export interface VacuumOptions {
  /** Default: the table's own retention. */
  readonly retention_hours?: number;
  /** Default true. */
  readonly dry_run?: boolean;
  /** Allows less than the table's retention. */
  readonly force?: boolean;
}

export interface VacuumResult {
  readonly files: readonly string[];
  readonly deleted: number;
  readonly dry_run: boolean;
}

export interface OptimizeOptions {
  /** Bytes that files are aimed at. */
  readonly target_size?: number;
  /** Partition column → value; only these partitions. */
  readonly partition?: Readonly<Record<string, string>>;
}

export interface ZOrderOptions {
  readonly columns: readonly string[];
  readonly target_size?: number;
}

export interface RestoreOptions {
  readonly version?: number;
  readonly timestamp?: string;
}

/** How a change went: the version after it, whether there was anything to change, and the engine's figures. */
export interface ChangeResult {
  readonly version: number;
  readonly changed: boolean;
  readonly metrics: WireObject;
}

/** A restore also tells which version it restored. */
export interface RestoreResult extends ChangeResult {
  readonly restored_version: number;
}

/** Everything that is done to Delta tables besides loads. Every method throws ArrowportError. */
export interface DeltaTables {
  list(context: CallContext): Promise<readonly DeltaTableSummary[]>;
  info(table: string, context: CallContext): Promise<DeltaTableInfo>;
  history(table: string, limit: number | null, context: CallContext): Promise<DeltaHistory>;
  read(table: string, options: ReadOptions, context: CallContext): Promise<RowStream>;
  changes(table: string, options: ChangesOptions, context: CallContext): Promise<RowStream>;
  delete(table: string, options: { readonly predicate: string }, context: CallContext): Promise<ChangeResult>;
  update(
    table: string,
    options: { readonly updates: Readonly<Record<string, string>>; readonly predicate?: string },
    context: CallContext,
  ): Promise<ChangeResult>;
  vacuum(table: string, options: VacuumOptions, context: CallContext): Promise<VacuumResult>;
  optimize(table: string, options: OptimizeOptions, context: CallContext): Promise<ChangeResult>;
  zOrder(table: string, options: ZOrderOptions, context: CallContext): Promise<ChangeResult>;
  restore(table: string, options: RestoreOptions, context: CallContext): Promise<RestoreResult>;
  checkpoint(table: string, context: CallContext): Promise<{ readonly version: number }>;
  cleanLog(table: string, context: CallContext): Promise<{ readonly version: number }>;
  setProperties(
    table: string,
    properties: Readonly<Record<string, string>>,
    context: CallContext,
  ): Promise<{ readonly version: number; readonly properties: Readonly<Record<string, string>> }>;
  /** Resident bytes of the worker. */
  workerMemoryBytes(): Promise<number>;
}

/** Makes the verbs over a worker. */
export function createDeltaTables(
  client: WorkerClient,
  root: TableRoot,
  settings: LoadSettings,
): DeltaTables {
  return new WorkerTables(client, root, settings);
}

class WorkerTables implements DeltaTables {
  readonly #client: WorkerClient;
  readonly #root: TableRoot;
  readonly #settings: LoadSettings;

  constructor(client: WorkerClient, root: TableRoot, settings: LoadSettings) {
    this.#client = client;
    this.#root = root;
    this.#settings = settings;
  }

  async list(context: CallContext): Promise<readonly DeltaTableSummary[]> {
    const result = await this.#client.call('list', this.#root.location, {}, context, false);
    return readList(result, 'tables').filter(isWireObject).map(readSummary);
  }

  async info(table: string, context: CallContext): Promise<DeltaTableInfo> {
    const result = await this.#read('info', table, {}, context);
    return {
      table: readText(result, 'table'),
      version: readNumber(result, 'version'),
      file_count: readNumber(result, 'file_count'),
      total_size_bytes: readNumber(result, 'total_size_bytes'),
      row_count: readNumber(result, 'row_count'),
      partitions: readTexts(result, 'partitions'),
      schema: parseDeltaSchema(JSON.stringify(readObject(result, 'schema'))),
      properties: readTextMap(result, 'properties'),
    };
  }

  async history(table: string, limit: number | null, context: CallContext): Promise<DeltaHistory> {
    checkCount('limit', limit);
    const result = await this.#read('history', table, { limit }, context);
    return { table: readText(result, 'table'), history: readList(result, 'history').filter(isWireObject) };
  }

  read(table: string, options: ReadOptions, context: CallContext): Promise<RowStream> {
    checkFilter(options.filter);
    checkCount('limit', options.limit);
    checkCount('version', options.version);
    return this.#client.openRows('read', this.#root.table(table), { ...options }, context);
  }

  changes(table: string, options: ChangesOptions, context: CallContext): Promise<RowStream> {
    checkFilter(options.filter);
    checkCount('from', options.from);
    checkCount('to', options.to);
    checkCount('limit', options.limit);
    return this.#client.openRows('changes', this.#root.table(table), { ...options }, context);
  }

  delete(
    table: string,
    options: { readonly predicate: string },
    context: CallContext,
  ): Promise<ChangeResult> {
    checkPredicate('predicate', options.predicate);
    return this.#change('delete', table, { predicate: options.predicate }, context);
  }

  update(
    table: string,
    options: { readonly updates: Readonly<Record<string, string>>; readonly predicate?: string },
    context: CallContext,
  ): Promise<ChangeResult> {
    const updates = Object.entries(options.updates);
    if (updates.length === 0)
      throw new ArrowportError('OPTION_INVALID', 'updates must name at least one column.');
    for (const [column, expression] of updates) checkPredicate(`updates.${column}`, expression);
    if (options.predicate !== undefined) checkPredicate('predicate', options.predicate);
    return this.#change('update', table, { ...options }, context);
  }

  async vacuum(table: string, options: VacuumOptions, context: CallContext): Promise<VacuumResult> {
    const args = { ...options, version_retention_hours: this.#settings.versionRetentionHours };
    const result = await this.#read('vacuum', table, args, context);
    return {
      files: readTexts(result, 'files'),
      deleted: readNumber(result, 'deleted'),
      dry_run: readFlag(result, 'dry_run'),
    };
  }

  optimize(table: string, options: OptimizeOptions, context: CallContext): Promise<ChangeResult> {
    return this.#change('optimize', table, { ...options }, context);
  }

  zOrder(table: string, options: ZOrderOptions, context: CallContext): Promise<ChangeResult> {
    return this.#change('z-order', table, { ...options }, context);
  }

  async restore(table: string, options: RestoreOptions, context: CallContext): Promise<RestoreResult> {
    checkCount('version', options.version);
    const result = await this.#call('restore', table, { ...options }, context);
    return { ...readChange(result), restored_version: readNumber(result, 'restored_version') };
  }

  async checkpoint(table: string, context: CallContext): Promise<{ readonly version: number }> {
    return { version: readNumber(await this.#read('checkpoint', table, {}, context), 'version') };
  }

  async cleanLog(table: string, context: CallContext): Promise<{ readonly version: number }> {
    return { version: readNumber(await this.#read('clean-log', table, {}, context), 'version') };
  }

  async setProperties(table: string, properties: Readonly<Record<string, string>>, context: CallContext) {
    const result = await this.#call('properties', table, { properties }, context);
    return { version: readNumber(result, 'version'), properties: readTextMap(result, 'properties') };
  }

  async workerMemoryBytes(): Promise<number> {
    const result = await this.#client.call('memory', null, {}, { requestId: 'memory' }, false);
    return readNumber(result, 'rss');
  }

  async #change(
    operation: string,
    table: string,
    args: WireObject,
    context: CallContext,
  ): Promise<ChangeResult> {
    return readChange(await this.#call(operation, table, args, context));
  }

  #call(operation: string, table: string, args: WireObject, context: CallContext): Promise<WireObject> {
    const all = { ...args, commit_id: ulid(), checkpoint_interval: this.#settings.checkpointInterval };
    return this.#client.call(operation, this.#root.table(table), all, context, true);
  }

  #read(operation: string, table: string, args: WireObject, context: CallContext): Promise<WireObject> {
    return this.#client.call(operation, this.#root.table(table), args, context, false);
  }
}

function readSummary(from: WireObject): DeltaTableSummary {
  return {
    name: readText(from, 'name'),
    version: readNumberOrNull(from, 'version'),
    files: readNumberOrNull(from, 'files'),
    bytes: readNumberOrNull(from, 'bytes'),
    rows: readNumberOrNull(from, 'rows'),
  };
}

function readChange(result: WireObject): ChangeResult {
  return {
    version: readNumber(result, 'version'),
    changed: readFlag(result, 'changed'),
    metrics: readObject(result, 'metrics'),
  };
}

function checkFilter(filter: string | undefined): void {
  if (filter !== undefined) checkPredicate('filter', filter);
}

function checkCount(option: string, value: number | null | undefined): void {
  if (value === null || value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw new ArrowportError('OPTION_INVALID', `${option} must be a whole number from 0 on.`);
}
