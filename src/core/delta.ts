import type { AuditTrail } from './audit.ts';
import type { Caller } from './auth.ts';
import type { Transport } from './ingest.ts';

/** A JSON object as the worker gives it. */
type JsonObject = { readonly [name: string]: unknown };

/** Who asks, and how to break the request off. */
export interface DeltaCallContext {
  readonly requestId: string;
  /** Left out by the server's own calls, which may do everything. */
  readonly caller?: Caller;
  readonly transport?: Transport;
  readonly signal?: AbortSignal;
}

/** Rows on their way out. */
export interface DeltaRowStream {
  /** The table version that they are of. */
  readonly version: number;
  /** Bytes in the format that was asked for. Breaking the iteration off stops the worker's reading. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A table's schema, in the form of the Delta protocol's JSON. */
export interface DeltaTableSchema {
  readonly type: 'struct';
  readonly fields: readonly {
    readonly name: string;
    readonly type: unknown;
    readonly nullable: boolean;
    readonly metadata: Readonly<Record<string, unknown>>;
  }[];
}

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
  readonly schema: DeltaTableSchema;
  readonly properties: Readonly<Record<string, string>>;
}

/** A table's commits, newest first, as the log has them. */
export interface DeltaHistory {
  readonly table: string;
  readonly history: readonly JsonObject[];
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
  readonly metrics: JsonObject;
}

/** A restore also tells which version it restored. */
export interface RestoreResult extends ChangeResult {
  readonly restored_version: number;
}

/** Everything that is done to Delta tables besides loads. Every method throws ArrowportError. */
export interface DeltaTables {
  list(context: DeltaCallContext): Promise<readonly DeltaTableSummary[]>;
  info(table: string, context: DeltaCallContext): Promise<DeltaTableInfo>;
  history(table: string, limit: number | null, context: DeltaCallContext): Promise<DeltaHistory>;
  read(table: string, options: ReadOptions, context: DeltaCallContext): Promise<DeltaRowStream>;
  changes(table: string, options: ChangesOptions, context: DeltaCallContext): Promise<DeltaRowStream>;
  delete(
    table: string,
    options: { readonly predicate: string },
    context: DeltaCallContext,
  ): Promise<ChangeResult>;
  update(
    table: string,
    options: { readonly updates: Readonly<Record<string, string>>; readonly predicate?: string },
    context: DeltaCallContext,
  ): Promise<ChangeResult>;
  vacuum(table: string, options: VacuumOptions, context: DeltaCallContext): Promise<VacuumResult>;
  optimize(table: string, options: OptimizeOptions, context: DeltaCallContext): Promise<ChangeResult>;
  zOrder(table: string, options: ZOrderOptions, context: DeltaCallContext): Promise<ChangeResult>;
  restore(table: string, options: RestoreOptions, context: DeltaCallContext): Promise<RestoreResult>;
  checkpoint(table: string, context: DeltaCallContext): Promise<{ readonly version: number }>;
  cleanLog(table: string, context: DeltaCallContext): Promise<{ readonly version: number }>;
  setProperties(
    table: string,
    properties: Readonly<Record<string, string>>,
    context: DeltaCallContext,
  ): Promise<{ readonly version: number; readonly properties: Readonly<Record<string, string>> }>;
}

/** How doors come to the Delta tables. */
export interface DeltaAccess {
  /** Opens the backend when it is not open yet. Throws BACKEND_UNAVAILABLE, OPTION_INVALID. */
  tables(): Promise<DeltaTables>;
  /** Takes down what is done to tables; absent where there is no audit log. */
  readonly audit?: AuditTrail;
  /** To be told after a table was changed by anything but a load. */
  changed(table: string): void;
}
