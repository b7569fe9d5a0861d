import type { ArrowportError } from '../errors.ts';
import type { Caller } from './auth.ts';
import type { Load, LoadRequest, MergeClauses, TableOptions } from './backend.ts';
import type { BodyAllocator, IpcLimits, IpcStream } from './ipc-message.ts';
import type { BackendKind, CommitReceipt } from './receipt.ts';
import type { SchemaMode, TableName, WriteMode } from './route.ts';

export type Transport = 'http' | 'flight';

/** What a door hands to the ingest path for one load. */
export interface IngestRequest extends TableOptions {
  readonly stream: string;
  readonly transport: Transport;
  readonly requestId: string;
  /** Who sends the load; left out by tools that ask nobody. */
  readonly caller?: Caller;
  /** Forces a backend, whatever the route says. */
  readonly backend: BackendKind | null;
  readonly mode: WriteMode | null;
  readonly schemaMode: SchemaMode | null;
  readonly partitionBy: readonly string[] | null;
  readonly idempotencyKey: string | null;
  /**
   * The table that the client expects its rows in (a stream name by its form). A routed stream refuses any but its
   * own table with OPTION_INVALID; an unrouted stream is resolved by this name instead, its receipt keeps `stream`.
   */
  readonly tableHint?: string;
  /** The Delta table that the rows go to, whatever the routes say; the options of its route apply where it has one. */
  readonly deltaTable?: string;
  /** The table in DuckDB that an unrouted stream's rows go to, in place of the one of its name. */
  readonly table?: TableName;
  /** Begins the load in place of the backend of its route: inside a session of its client. Null leaves it to the backend. */
  beginLoad?(request: LoadRequest): Promise<Load> | null;
  /** With mode `overwrite` on Delta: only the rows that this SQL predicate names are replaced. */
  readonly replacePredicate?: string;
  /** With mode `merge` on Delta: what meets what. */
  readonly merge?: MergeClauses;
  /**
   * Opens the stream: called once, after admission. Body memory must come from `resources.allocator`.
   * The messages must fail (not end) when the client went away, so that a cut stream is never committed.
   */
  open(resources: StreamResources): Promise<IpcStream>;
  /** Bytes of the stream that have come over the wire; to be given where what is opened was compressed as a whole. */
  readonly wireBytes?: () => number;
  /** Ends the reading of the stream with this error, and fires {@link signal} with it: others need what the load holds. */
  end?(error: ArrowportError): void;
  /** Fires when the client is gone or its deadline has passed; `reason` is the ArrowportError to answer. */
  readonly signal: AbortSignal;
  /** Called after each commit but the last when the route splits the load; waits are bounded by the door. */
  onPartialCommit?(receipt: CommitReceipt): Promise<void>;
}

/** What the ingest path gives to whoever reads a stream. */
export interface StreamResources {
  readonly allocator: BodyAllocator;
  readonly limits: IpcLimits;
}

/** The one path every batch takes. */
export interface Ingestor {
  /** Resolves with the receipt of the (last) commit. Throws ArrowportError; nothing of the open transaction remains then. */
  ingest(request: IngestRequest): Promise<CommitReceipt>;
}
