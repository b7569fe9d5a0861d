import type { Caller } from './auth.ts';
import type { ColumnDescription } from './backend.ts';
import type { Transport } from './ingest.ts';
import type { BackendKind } from './receipt.ts';

/** What a reload did; keys are configuration paths such as `streams.sensors.target_table`. */
export interface ReloadAnswer {
  readonly status: 'applied' | 'unchanged';
  readonly changed: readonly string[];
  /** Changed keys that are only read at start, and so are not in force yet. */
  readonly needs_restart: readonly string[];
}

/** Who asks for an operation. */
export interface OperationCall {
  readonly caller: Caller;
  readonly requestId: string;
  readonly transport: Transport;
}

/** What a door may ask of the server besides ingest. */
export interface Operations {
  readonly version: string;
  /** Throws CONFIG_INVALID with line and position; the configuration in force is kept then. `by` is who asks. */
  reload(by: OperationCall): Promise<ReloadAnswer>;
  /** Why the server is not ready; empty when it is. */
  readiness(): Promise<readonly string[]>;
  metricsText(): Promise<{ contentType: string; text: string }>;
}

/** The last committed load of a stream since the server started. */
export interface LastLoad {
  readonly commit_id: string;
  readonly rows: number;
  readonly bytes: number;
  /** RFC 3339. */
  readonly committed_at: string;
}

/** One stream as `GET /streams` shows it. */
export interface StreamSummary {
  /** The stream's name, or the pattern for a pattern route. */
  readonly stream: string;
  readonly pattern: boolean;
  readonly table: string;
  readonly storage_backend: BackendKind;
  /** Null while there is no table. */
  readonly row_count: number | null;
  /** Null while there is no table. */
  readonly schema: readonly ColumnDescription[] | null;
  readonly last_load: LastLoad | null;
  /** Newest first, a few of them; only where one stream is asked for. */
  readonly last_loads?: readonly LastLoad[];
}

/** Looks streams and the tables behind them up. */
export interface StreamDirectory {
  /** Configured streams and patterns, and tables that unrouted streams have made. */
  list(): Promise<readonly StreamSummary[]>;
  /** Resolves to undefined when neither a route nor a table stands behind the name. Throws STREAM_NAME_INVALID. */
  find(stream: string): Promise<StreamSummary | undefined>;
}
