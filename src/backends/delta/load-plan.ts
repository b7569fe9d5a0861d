import type { LoadOptions, LoadRequest, MergeClauses } from '../../core/backend.ts';
import { normalizeProperties } from '../../core/delta-properties.ts';
import type { IpcLimits } from '../../core/ipc-message.ts';
import type { DeltaRouteOptions } from '../../core/route.ts';
import { ArrowportError } from '../../errors.ts';
import type { DeltaField } from './delta-schema.ts';
import { checkPredicate } from './predicate.ts';
import { columnsOf, matchSchema, refuseLocalTimes, type SchemaMatch } from './schema-match.ts';
import { statisticsProperties } from './skipping.ts';
import { mapsColumns, needsNewFeature, type TableState, takesReadyFiles } from './table-state.ts';
import type { WireObject } from './wire-values.ts';

/** Settings of the backend that every load follows. */
export interface LoadSettings {
  /** `limits` that a stream's messages are checked against; asked at the start of each load. */
  readonly limits: () => IpcLimits;
  readonly checkpointInterval: number;
  readonly enableCdc: boolean;
  readonly versionRetentionHours: number;
  readonly keyRetentionHours: number;
  /** Whether tables are compacted by themselves, beside the loads, where their route does not say. */
  readonly autoCompact: boolean;
  /** Small files that a table gathers before that. */
  readonly compactMinFiles: number;
}

/**
 * How a load is written, from what it is asked to do and the table as it is. Throws SCHEMA_MISMATCH,
 * TYPE_UNSUPPORTED, OPTION_INVALID and TABLE_NOT_FOUND; nothing was written then.
 */
export function planLoad(request: LoadRequest, state: TableState | null, settings: LoadSettings): WireObject {
  const { options, route } = request;
  checkOptions(options);
  const common = {
    compression: route.delta.compression,
    target_file_size: route.delta.targetFileSize,
    max_commit_retries: route.delta.maxCommitRetries,
    checkpoint_interval: settings.checkpointInterval,
    compact_min_files: (route.delta.autoCompact ?? settings.autoCompact) ? settings.compactMinFiles : 0,
    z_order_by: route.delta.zOrderBy,
    base_schema: state?.schemaJson ?? null,
    group_rows: route.commit?.rows ?? null,
    group_bytes: route.commit?.bytes ?? null,
  };
  if (state === null) return { ...common, ...planCreation(request, settings) };
  if (options.mode === 'merge') return { ...common, ...planMerge(request, state) };
  if (replacesSchema(options)) return { ...common, ...planReplacement(request, state) };
  return { ...common, ...planWrite(request, state) };
}

function checkOptions(options: LoadOptions): void {
  if (options.mode === 'merge' && (options.merge?.on.length ?? 0) === 0) {
    throw invalid('A merge needs its key columns: on=a,b.');
  }
  if (options.schemaMode === 'overwrite' && options.mode !== 'overwrite') {
    throw invalid('schema_mode=overwrite goes with mode=overwrite only.');
  }
  const predicate = options.replacePredicate ?? null;
  if (predicate === null) return;
  if (options.mode !== 'overwrite') throw invalid('predicate goes with mode=overwrite only.');
  if (options.schemaMode === 'overwrite') {
    throw invalid('predicate keeps the other rows, so schema_mode=overwrite does not go with it.');
  }
  checkPredicate('predicate', predicate);
}

function planCreation(request: LoadRequest, settings: LoadSettings): WireObject {
  const { options, route, schema } = request;
  const inserts = options.mode !== 'merge' || options.merge?.whenNotMatched === 'insert';
  if (!route.delta.autoCreateTable || !inserts) {
    throw new ArrowportError(
      'TABLE_NOT_FOUND',
      `There is no Delta table ${JSON.stringify(route.table.name)}.`,
    );
  }
  const columns = columnsOf(schema);
  if (options.mode === 'merge') checkKeys(options.merge, columns);
  const partitionBy = options.partitionBy ?? route.delta.partitionBy;
  checkPartition(partitionBy, columns);
  const configuration = { ...statisticsProperties(columns), ...tableProperties(route.delta, settings) };
  if (mapsColumns(configuration)) refuseLocalTimes(schema, columns);
  return {
    mode: 'append',
    // What the load does to a table that another one makes meanwhile, just as this one would have.
    late_mode: options.mode === 'merge' ? null : options.mode,
    schema: schemaJson(columns),
    schema_mode: null,
    partition_by: partitionBy,
    configuration,
    adopt: !mapsColumns(configuration),
  };
}

function planWrite(request: LoadRequest, state: TableState): WireObject {
  const { options, schema } = request;
  checkSamePartition(options, state);
  const match = matchSchema(schema, state.schema, options.schemaMode === 'merge');
  const predicate = options.replacePredicate ?? null;
  if (match.widened.length > 0) return planRewrite(options, state, match);
  if (match.added.length === 0 && match.absent.length > 0 && mapsColumns(state.configuration)) {
    return planFilled(options, state, match);
  }
  const evolves = match.added.length > 0 || match.absent.length > 0;
  const partitioned = state.partitionColumns.every((name) => !match.absent.includes(name));
  return {
    mode: options.mode,
    schema: schemaJson(match.columns),
    schema_mode: evolves ? 'merge' : null,
    partition_by: state.partitionColumns,
    configuration: { ...statisticsProperties(state.schema.fields), ...state.configuration },
    predicate,
    adopt: predicate === null && match.added.length === 0 && partitioned && takesReadyFiles(state),
  };
}

/** Where columns are mapped delta-rs does not fill in those that a stream does not have: the worker does. */
function planFilled(options: LoadOptions, state: TableState, match: SchemaMatch): WireObject {
  const absent = state.schema.fields.filter(({ name }) => match.absent.includes(name));
  return {
    mode: options.mode,
    schema: schemaJson([...match.columns, ...absent]),
    schema_mode: null,
    partition_by: state.partitionColumns,
    configuration: state.configuration,
    predicate: options.replacePredicate ?? null,
    adopt: false,
    absent: schemaJson(absent),
  };
}

/** Delta tables have no wider columns in place: the load's commit holds the table's rows anew. */
function planRewrite(options: LoadOptions, state: TableState, match: SchemaMatch): WireObject {
  const partitioned = state.partitionColumns.every((name) => !match.absent.includes(name));
  const appendOnly = state.configuration['delta.appendOnly'] === 'true';
  const simple = (options.replacePredicate ?? null) === null && partitioned && !appendOnly;
  const nested = match.added.some((path) => path.includes('.'));
  if (!simple || nested || !takesReadyFiles(state) || needsNewFeature(match.columns, state)) {
    refuseWidening(match);
  }
  const written = new Map(match.columns.map((column) => [column.name, column]));
  const kept = state.schema.fields.map((field) => written.get(field.name) ?? field);
  const added = match.columns.filter(({ name }) => !state.schema.fields.some((field) => field.name === name));
  return {
    mode: options.mode,
    schema: schemaJson(match.columns),
    schema_mode: null,
    partition_by: state.partitionColumns,
    configuration: { ...statisticsProperties([...kept, ...added]), ...state.configuration },
    adopt: false,
    rewrite: { schema: schemaJson([...kept, ...added]), keep_rows: options.mode === 'append' },
  };
}

function planReplacement(request: LoadRequest, state: TableState): WireObject {
  const { options, schema } = request;
  const columns = columnsOf(schema);
  const partitionBy = options.partitionBy ?? state.partitionColumns;
  checkPartition(partitionBy, columns);
  return {
    mode: 'overwrite',
    schema: schemaJson(columns),
    schema_mode: 'overwrite',
    partition_by: partitionBy,
    configuration: { ...statisticsProperties(columns), ...state.configuration },
    adopt:
      sameNames(partitionBy, state.partitionColumns) &&
      takesReadyFiles(state) &&
      !needsNewFeature(columns, state),
  };
}

function planMerge(request: LoadRequest, state: TableState): WireObject {
  const { options, schema } = request;
  const match = matchSchema(schema, state.schema, options.schemaMode === 'merge');
  refuseWidening(match);
  checkKeys(options.merge, match.columns);
  return {
    mode: 'merge',
    schema: schemaJson(match.columns),
    schema_mode: null,
    partition_by: state.partitionColumns,
    configuration: {},
    adopt: false,
    merge: {
      on: options.merge?.on ?? [],
      when_matched: options.merge?.whenMatched ?? 'update',
      when_not_matched: options.merge?.whenNotMatched ?? 'insert',
      merge_schema: match.added.length > 0,
    },
  };
}

function replacesSchema(options: LoadOptions): boolean {
  return options.mode === 'overwrite' && options.schemaMode === 'overwrite';
}

/** delta-rs has no type widening: it would cast the new values to the old type. */
function refuseWidening(match: SchemaMatch): void {
  const [first] = match.widened;
  if (first === undefined) return;
  const names = match.widened.map((name) => JSON.stringify(name)).join(', ');
  throw new ArrowportError(
    'SCHEMA_MISMATCH',
    `The stream is wider than the Delta table in ${names}, and its columns cannot be widened in this load: load with mode=overwrite and schema_mode=overwrite, or cast the columns. Nothing was written.`,
    { details: { column: first } },
  );
}

function checkKeys(merge: MergeClauses | null | undefined, columns: readonly DeltaField[]): void {
  for (const key of merge?.on ?? []) {
    if (!columns.some((column) => column.name === key)) {
      throw invalid(`The stream has no column ${JSON.stringify(key)} to merge on.`, key);
    }
  }
}

function checkPartition(partitionBy: readonly string[], columns: readonly DeltaField[]): void {
  if (new Set(partitionBy).size !== partitionBy.length) throw invalid('partition_by names a column twice.');
  for (const name of partitionBy) {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) {
      throw invalid(`partition_by names ${JSON.stringify(name)}, which is no column of the stream.`, name);
    }
    if (typeof column.type !== 'string' || column.type === 'binary') {
      throw invalid(`Delta cannot partition by ${JSON.stringify(name)}: its type is no plain value.`, name);
    }
  }
  if (partitionBy.length > 0 && partitionBy.length === columns.length) {
    throw invalid('partition_by names every column; at least one must be left for the files.');
  }
}

function checkSamePartition(options: LoadOptions, state: TableState): void {
  if (options.partitionBy === null || sameNames(options.partitionBy, state.partitionColumns)) return;
  const now =
    state.partitionColumns.length === 0
      ? 'is not partitioned'
      : `is partitioned by ${state.partitionColumns.join(', ')}`;
  throw invalid(`The table ${now}; mode=overwrite with schema_mode=overwrite changes that.`);
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}

function tableProperties(delta: DeltaRouteOptions, settings: LoadSettings): Record<string, string> {
  return {
    'delta.checkpointInterval': String(settings.checkpointInterval),
    'delta.deletedFileRetentionDuration': `interval ${settings.versionRetentionHours} hours`,
    'delta.setTransactionRetentionDuration': `interval ${settings.keyRetentionHours} hours`,
    ...(settings.enableCdc ? { 'delta.enableChangeDataFeed': 'true' } : {}),
    ...normalizeProperties(delta.tableProperties),
  };
}

function schemaJson(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields });
}

function invalid(message: string, column?: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message, column === undefined ? {} : { details: { column } });
}
