import type { IpcMessage } from './ipc-message.ts';
import type { BackendKind } from './receipt.ts';
import type { Route, SchemaMode, TableName, WriteMode } from './route.ts';
import type { ArrowSchema } from './schema.ts';

/** What a load does about a table that is missing, or there already. */
export interface TableOptions {
  /** `fail` throws TABLE_NOT_FOUND; `create` where it is left out. */
  readonly ifAbsent?: 'create' | 'fail';
  /** `fail` throws TABLE_EXISTS; `replace` takes the table's place, with the stream's columns; `append` where it is left out. */
  readonly ifExists?: 'append' | 'replace' | 'fail';
}

/** What a load is asked to do, beyond its route. */
export interface LoadOptions extends Pick<TableOptions, 'ifExists'> {
  readonly mode: WriteMode;
  readonly schemaMode: SchemaMode;
  readonly partitionBy: readonly string[] | null;
  readonly idempotencyKey: string | null;
  /** With mode `overwrite`: only the rows that this SQL predicate names are replaced; absent or null for all. */
  readonly replacePredicate?: string | null;
  /** With mode `merge`: what meets what. */
  readonly merge?: MergeClauses | null;
}

/** How a merge matches rows of the stream with rows of the table, and what it does to them. */
export interface MergeClauses {
  /** The key columns. */
  readonly on: readonly string[];
  readonly whenMatched: 'update' | 'delete' | 'ignore';
  readonly whenNotMatched: 'insert' | 'ignore';
}

/** What one commit made durable. */
export interface CommitResult {
  readonly rows: number;
  /** The Delta version; null elsewhere. */
  readonly version: number | null;
  /** The commit's id, where the backend keeps one with the rows. */
  readonly commitId?: string;
  /** How long the load took, where the backend keeps that with the rows: the receipt must say the same at a replay. */
  readonly durationMs?: number;
  /** The earlier commit of the same key, whose figures `rows` and `version` are: this load wrote nothing. */
  readonly replay?: ReplayedCommit | null;
}

/** What is kept of a load that was committed under an idempotency key. */
export interface ReplayedCommit {
  readonly commitId: string;
  readonly batches: number;
  readonly bytes: number;
  readonly durationMs: number;
}

/**
 * One transaction: `write` any number of times, then `commit` or `abort`, once.
 * The load owns every message it is given and releases it when its bytes are no longer read, whatever happens.
 */
export interface Load {
  /** The earlier commit that this load repeats: its rows are durable, and `write` passes over what it is given. */
  readonly replays?: ReplayedCommit;
  /** Takes a message; resolves when the next one may come. Throws any code of the ingest path; the load must then be aborted. */
  write(message: IpcMessage): Promise<void>;
  /**
   * Starts to hand on what is gathered, so that its memory comes free: some load waits for it. Returns at once, never
   * throws, and may come at any time until `commit` or `abort`, also while `write` runs.
   */
  flush?(): void;
  /** Resolves when all rows are durable. After a throw with outcome `unknown` they may be. */
  commit(): Promise<CommitResult>;
  /** Leaves nothing behind. Never throws; may be called after a failed `write` or `commit`. */
  abort(): Promise<void>;
}

/** A column as `GET /streams/{stream}` shows it; `type` is in the backend's own spelling. */
export interface ColumnDescription {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

export interface TableDescription {
  readonly columns: readonly ColumnDescription[];
  readonly rowCount: number;
}

/** A place that loads are written to. */
export interface Backend {
  readonly kind: BackendKind;
  /** Starts a load; SCHEMA_MISMATCH and TYPE_UNSUPPORTED may come here or with the first write. */
  begin(request: LoadRequest): Promise<Load>;
  /** Returns undefined when there is no such table. */
  findTable(table: TableName): Promise<TableDescription | undefined>;
  /** Why the backend cannot take loads now; empty when it can. */
  problems(): Promise<readonly string[]>;
  /** Bytes held by the engine, for `arrowport_memory_bytes`. */
  memoryBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface LoadRequest {
  readonly route: Route;
  readonly schema: ArrowSchema;
  /** The flatbuffer `Message` of the schema, for backends that send the stream on. */
  readonly schemaMetadata: Uint8Array;
  readonly options: LoadOptions;
  readonly requestId: string;
  /** Fires when the client is gone, with the error to throw as `reason`: what has not begun to commit should not. */
  readonly signal?: AbortSignal;
  /**
   * Counts memory that the load holds beside its messages (copies of batches whose message is released) and returns
   * what ends that; never waits.
   */
  holdMemory?(bytes: number): () => void;
  /** To be told how many bytes each record batch, and each dictionary, has once its buffers are decompressed. */
  onBatchDecoded?(bytesDecoded: number): void;
}
