import type { BackendKind } from './receipt.ts';

export type SchemaMode = 'strict' | 'merge' | 'overwrite';
export type WriteMode = 'append' | 'overwrite' | 'merge';

/** When one long load is split into several commits; null means that this measure never splits. */
export interface CommitPolicy {
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly intervalMs: number | null;
}

/** Delta's own options of a route, as the configuration gives them. */
export interface DeltaRouteOptions {
  readonly partitionBy: readonly string[];
  readonly zOrderBy: readonly string[];
  readonly targetFileSize: number;
  readonly compression: 'snappy' | 'gzip' | 'lz4' | 'zstd' | 'none';
  readonly writeMode: 'append' | 'overwrite';
  readonly autoCreateTable: boolean;
  readonly maxCommitRetries: number;
  /** Whether the table is compacted by itself; absent or null as the backend is set. */
  readonly autoCompact?: boolean | null;
  readonly tableProperties: Readonly<Record<string, string>>;
  /** Which engine writes data files; absent for `auto`. */
  readonly writer?: 'auto' | 'duckdb' | 'delta-rs';
}

/** What the configuration says of one stream; immutable, so a load can keep it over a reload. */
export interface Route {
  /** The stream the route was asked for. */
  readonly stream: string;
  /** The value for the metric label `stream`: a configured name or pattern, or null for an unrouted stream. */
  readonly label: string | null;
  readonly backend: BackendKind;
  /** As written in `target_table` (DuckDB: `schema.table` or `table`), or the stream's name. */
  readonly table: TableName;
  /** Rows that small batches are gathered to before they are handed on. */
  readonly chunkSize: number;
  readonly commit: CommitPolicy | null;
  readonly schemaMode: 'strict' | 'merge';
  readonly delta: DeltaRouteOptions;
}

/** A table's name in parts; `schema` is null for the backend's default. Never SQL: backends quote it. */
export interface TableName {
  readonly schema: string | null;
  readonly name: string;
}

/** The table's name for people and receipts: `schema.name` or `name`, unquoted. */
export function describeTable(table: TableName): string {
  return table.schema === null ? table.name : `${table.schema}.${table.name}`;
}
