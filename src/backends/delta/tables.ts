import { ulid } from 'ulid';
import type {
  ChangeResult,
  ChangesOptions,
  DeltaCallContext,
  DeltaHistory,
  DeltaRowStream,
  DeltaTableInfo,
  DeltaTableSummary,
  DeltaTables,
  OptimizeOptions,
  ReadOptions,
  RestoreOptions,
  RestoreResult,
  VacuumOptions,
  VacuumResult,
  ZOrderOptions,
} from '../../core/delta.ts';
import { findPropertyProblem, normalizeProperties } from '../../core/delta-properties.ts';
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
import type { WorkerClient } from './worker-client.ts';

/** A table as the backend knows it, its schema with Delta's types. */
export interface DescribedTable extends DeltaTableInfo {
  readonly schema: DeltaStruct;
}

/** The verbs, and what the server asks besides. */
export interface WorkerTables extends DeltaTables {
  info(table: string, context: DeltaCallContext): Promise<DescribedTable>;
  /** Resident bytes of the worker. */
  workerMemoryBytes(): Promise<number>;
}

/** Makes the verbs over a worker. */
export function createDeltaTables(
  client: WorkerClient,
  root: TableRoot,
  settings: LoadSettings,
): WorkerTables {
  return new WorkerClientTables(client, root, settings);
}

class WorkerClientTables implements WorkerTables {
  readonly #client: WorkerClient;
  readonly #root: TableRoot;
  readonly #settings: LoadSettings;

  constructor(client: WorkerClient, root: TableRoot, settings: LoadSettings) {
    this.#client = client;
    this.#root = root;
    this.#settings = settings;
  }

  async list(context: DeltaCallContext): Promise<readonly DeltaTableSummary[]> {
    const result = await this.#client.call('list', this.#root.location, {}, context, false);
    return readList(result, 'tables').filter(isWireObject).map(readSummary);
  }

  async info(table: string, context: DeltaCallContext): Promise<DescribedTable> {
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

  async history(table: string, limit: number | null, context: DeltaCallContext): Promise<DeltaHistory> {
    checkCount('limit', limit);
    const result = await this.#read('history', table, { limit }, context);
    return { table: readText(result, 'table'), history: readList(result, 'history').filter(isWireObject) };
  }

  read(table: string, options: ReadOptions, context: DeltaCallContext): Promise<DeltaRowStream> {
    checkFilter(options.filter);
    checkCount('limit', options.limit);
    checkCount('version', options.version);
    return this.#client.openRows('read', this.#root.table(table), { ...options }, context);
  }

  changes(table: string, options: ChangesOptions, context: DeltaCallContext): Promise<DeltaRowStream> {
    checkFilter(options.filter);
    checkCount('from', options.from);
    checkCount('to', options.to);
    checkCount('limit', options.limit);
    return this.#client.openRows('changes', this.#root.table(table), { ...options }, context);
  }

  delete(
    table: string,
    options: { readonly predicate: string },
    context: DeltaCallContext,
  ): Promise<ChangeResult> {
    checkPredicate('predicate', options.predicate);
    return this.#change('delete', table, { predicate: options.predicate }, context);
  }

  update(
    table: string,
    options: { readonly updates: Readonly<Record<string, string>>; readonly predicate?: string },
    context: DeltaCallContext,
  ): Promise<ChangeResult> {
    const updates = Object.entries(options.updates);
    if (updates.length === 0)
      throw new ArrowportError('OPTION_INVALID', 'updates must name at least one column.');
    for (const [column, expression] of updates) checkPredicate(`updates.${column}`, expression);
    if (options.predicate !== undefined) checkPredicate('predicate', options.predicate);
    return this.#change('update', table, { ...options }, context);
  }

  async vacuum(table: string, options: VacuumOptions, context: DeltaCallContext): Promise<VacuumResult> {
    const args = { ...options, version_retention_hours: this.#settings.versionRetentionHours };
    const result = await this.#read('vacuum', table, args, context);
    return {
      files: readTexts(result, 'files'),
      deleted: readNumber(result, 'deleted'),
      dry_run: readFlag(result, 'dry_run'),
    };
  }

  optimize(table: string, options: OptimizeOptions, context: DeltaCallContext): Promise<ChangeResult> {
    return this.#change('optimize', table, { ...options }, context);
  }

  zOrder(table: string, options: ZOrderOptions, context: DeltaCallContext): Promise<ChangeResult> {
    return this.#change('z-order', table, { ...options }, context);
  }

  async restore(table: string, options: RestoreOptions, context: DeltaCallContext): Promise<RestoreResult> {
    checkCount('version', options.version);
    const result = await this.#call('restore', table, { ...options }, context);
    return { ...readChange(result), restored_version: readNumber(result, 'restored_version') };
  }

  async checkpoint(table: string, context: DeltaCallContext): Promise<{ readonly version: number }> {
    return { version: readNumber(await this.#read('checkpoint', table, {}, context), 'version') };
  }

  async cleanLog(table: string, context: DeltaCallContext): Promise<{ readonly version: number }> {
    return { version: readNumber(await this.#read('clean-log', table, {}, context), 'version') };
  }

  async setProperties(
    table: string,
    properties: Readonly<Record<string, string>>,
    context: DeltaCallContext,
  ) {
    for (const [name, value] of Object.entries(properties)) {
      const problem = findPropertyProblem(name, value);
      if (problem !== undefined) throw new ArrowportError('OPTION_INVALID', `${name} ${problem}.`);
    }
    const normal = normalizeProperties(properties);
    const result = await this.#call('properties', table, { properties: normal }, context);
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
    context: DeltaCallContext,
  ): Promise<ChangeResult> {
    return readChange(await this.#call(operation, table, args, context));
  }

  #call(operation: string, table: string, args: WireObject, context: DeltaCallContext): Promise<WireObject> {
    const all = { ...args, commit_id: ulid(), checkpoint_interval: this.#settings.checkpointInterval };
    return this.#client.call(operation, this.#root.table(table), all, context, true);
  }

  #read(operation: string, table: string, args: WireObject, context: DeltaCallContext): Promise<WireObject> {
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
