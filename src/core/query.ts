import type { ArrayData } from './array-data.ts';
import type { Caller } from './auth.ts';
import type { Load, LoadRequest } from './backend.ts';
import type { ArrowSchema } from './schema.ts';

/** A record batch in memory. */
export interface ArrowBatch {
  readonly columns: readonly ArrayData[];
  readonly rows: number;
  /**
   * Frees the memory at once, where whoever reads on may not wait for the garbage collector: nothing of the batch is read
   * afterwards. Need not be called.
   */
  release?(): void;
}

/** What a caller's statements may do: `read` nothing but look, `admin` also change tables. Neither reaches files, network or settings. */
export type QueryAccess = 'read' | 'admin';

/** Callers with the scope `admin` may write; doors have checked before that a caller holds `read` or `admin`. */
export function queryAccess(caller: Caller): QueryAccess {
  return caller.hasScope('admin') ? 'admin' : 'read';
}

/** Who asks, how long it may take, and how to break it off. */
export interface QueryContext {
  readonly requestId: string;
  /** Decides on writes, and on the tables that a statement may name. */
  readonly caller: Caller;
  /**
   * Fires when the client is gone or cancels: the query is interrupted in the engine, waits end, and the signal's
   * `reason` (an ArrowportError) is thrown. It counts until the result's `batches` has ended.
   */
  readonly signal?: AbortSignal;
  /** Milliseconds until QUERY_TIMEOUT, from the call to the last batch; never more than the server's own limit. */
  readonly timeoutMs?: number;
  /** Rows after which the result is cut (`QueryResult.isTruncated`), without an error. */
  readonly maxRows?: number;
  /** Refuses writes whatever the caller's scopes. */
  readonly readOnly?: boolean;
  /** Answers this part of the rows alone; `splitRead` has made it for the same statement. */
  readonly part?: ReadPart;
}

/** A share of the rows of a statement that reads one table, which never changes: that of some of the files of a version. */
export interface ReadPart {
  /** The table's own id: a part of it is none of another table of its name. */
  readonly table: string;
  readonly version: number;
  /** From 0, of as many as the files were asked to be shared out to; parts without files are left out. */
  readonly index: number;
  readonly of: number;
}

/**
 * What a statement does, told before it runs: `query` reads and answers rows; `update` inserts, updates, deletes or
 * merges rows (with RETURNING it also answers rows); `ddl` makes, alters or drops.
 */
export type StatementKind = 'query' | 'update' | 'ddl';

/** A number that was written with a point or an exponent: it binds as a floating one even where it is whole. */
export class FloatingNumber {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A parameter's value in JavaScript: what JSON has, and what it has not. Numbers that are whole bind as integers. */
export type ParameterValue =
  | null
  | boolean
  | number
  | FloatingNumber
  | bigint
  | string
  | Date
  | Uint8Array
  | readonly ParameterValue[]
  | { readonly [name: string]: ParameterValue };

/**
 * What the parameters of a statement are. `values`: `?` and `$1` by position. `named`: `$name` by name. `arrow`: one
 * column a parameter, in order of position (or by name for named ones); each row is one binding: a query answers the
 * rows of all its bindings one after the other, an update runs once for each, all in one transaction.
 */
export type QueryParameters =
  | { readonly kind: 'values'; readonly values: readonly ParameterValue[] }
  | { readonly kind: 'named'; readonly values: Readonly<Record<string, ParameterValue>> }
  | { readonly kind: 'arrow'; readonly schema: ArrowSchema; readonly batches: readonly ArrowBatch[] };

/** Values that the parameters of one run may have, those in lists counted: they are bound one by one. */
export const MAX_PARAMETER_VALUES = 131_072;

/** No parameters at all. */
export const NO_PARAMETERS: QueryParameters = { kind: 'values', values: [] };

/** Rows on their way out. */
export interface QueryResult {
  readonly schema: ArrowSchema;
  /** The columns' types in DuckDB's spelling, in the order of the schema. */
  readonly columnTypes: readonly string[];
  /**
   * The batches in the order of the rows; to be iterated once. Nothing is read ahead of what is pulled but a batch or
   * two. Every batch owns its memory. Ending early (`return`, `break`) stops the query and frees what
   * it holds; so does the signal. Throws QUERY_TIMEOUT, RESULT_TOO_LARGE, QUERY_INVALID (a value met on the way).
   */
  readonly batches: AsyncIterable<ArrowBatch>;
  /** Whether `maxRows` cut the result; final once `batches` has ended. */
  isTruncated(): boolean;
  /** Stops the query and frees what it holds, also when `batches` was never iterated. May be called at any time, any number of times. */
  close(): Promise<void>;
}

/**
 * One statement, parsed, checked by the gate and prepared; nothing has run. Belongs to whoever prepared it, who closes
 * it. It survives changes of the tables it reads: it is prepared again where need be.
 */
export interface PreparedQuery {
  readonly sql: string;
  readonly kind: StatementKind;
  /** Whether `execute` answers rows: queries, and updates with RETURNING. */
  readonly returnsRows: boolean;
  /**
   * One field a parameter, in order; named by its name or by its number from 1. A type that DuckDB cannot tell before
   * binding is `null`.
   */
  readonly parameterSchema: ArrowSchema;
  /** The schema of the result as far as it is known without parameters (types that hang on them are `null`); no fields where no rows come. */
  readonly resultSchema: ArrowSchema;
  /** The schema of the result under these parameters: exactly what `execute` will answer with. Runs nothing. */
  describe(parameters: QueryParameters): Promise<ArrowSchema>;
  /** Runs it. A statement that answers no rows has the schema `Count: int64` and one row. Throws QUERY_INVALID for parameters that do not fit. */
  execute(parameters: QueryParameters, context: QueryContext): Promise<QueryResult>;
  /** Runs it to its end and counts: rows changed; -1 where the engine does not count (DDL); rows answered for a query. */
  executeUpdate(parameters: QueryParameters, context: QueryContext): Promise<number>;
  close(): Promise<void>;
}

/** Prepares statements: the engine outside of any session, or a session. */
export interface QueryRunner {
  /**
   * Parses, checks and prepares one statement. Throws QUERY_INVALID with `position`, QUERY_FORBIDDEN (several
   * statements; a write without `admin`; files, network, settings), TABLE_NOT_FOUND, TABLE_EXISTS, FORBIDDEN.
   */
  prepare(sql: string, context: QueryContext): Promise<PreparedQuery>;
  /** Prepares, runs, and closes the statement with its result. */
  run(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryResult>;
  /** The same for `executeUpdate`. */
  runUpdate(sql: string, parameters: QueryParameters, context: QueryContext): Promise<number>;
  /** What there is to read, without what Arrowport keeps for itself. Sorted by catalog, schema, name. */
  listTables(context: QueryContext): Promise<readonly CatalogTable[]>;
  listSchemas(context: QueryContext): Promise<readonly CatalogSchema[]>;
  /** Primary and foreign keys of all tables. */
  listKeys(context: QueryContext): Promise<readonly TableKey[]>;
  /** What the catalog says of the columns of a table or view of DuckDB; none for other tables, whose schema says all. */
  listColumns(table: Required<CatalogName>, context: QueryContext): Promise<readonly CatalogColumn[]>;
  /** A table's Arrow schema, as `SELECT *` would answer it. Throws TABLE_NOT_FOUND. */
  describeTable(table: CatalogName, context: QueryContext): Promise<ArrowSchema>;
}

/** A place of its own for a client: temporary tables, a transaction, settings. Holds one connection to the database. */
export interface QuerySession extends QueryRunner {
  /** Opens a transaction: what follows is one snapshot until `commit` or `rollback`. Throws QUERY_INVALID when one is open. */
  begin(): Promise<void>;
  /** Throws HANDLE_NOT_FOUND when none is open; COMMIT_CONFLICT when another was faster (it is rolled back then); COMMIT_UNKNOWN. */
  commit(): Promise<void>;
  /** Throws HANDLE_NOT_FOUND when none is open. Stops what still runs in it. */
  rollback(): Promise<void>;
  readonly isInTransaction: boolean;
  /** Whether statements or loads may have left something temporary in it; told too often rather than too seldom. */
  readonly mayHoldTemporaries: boolean;
  /** Whether a transaction is open in which something was changed. */
  readonly hasChanged: boolean;
  /**
   * The open transaction sees from its next statement on what has been committed until then, unless it has changed
   * something itself: then it keeps its snapshot. Does nothing where none is open.
   */
  renewSnapshot(): void;
  /** Settings of this session only. A null unsets. Never settings of the engine at large. */
  setOption(name: string, value: string | null): Promise<'set' | 'unknown-name' | 'invalid-value'>;
  /** `catalog`, `schema`, `time_zone`, `timeout_ms`, with their values now. */
  options(): Promise<ReadonlyMap<string, string>>;
  /**
   * A load into this session: into a temporary table, or into a table inside the open transaction. Its `commit` makes the
   * rows part of the session; durable they are with the session's own `commit`. Other statements wait until it is over.
   */
  beginLoad(request: SessionLoadRequest): Promise<Load>;
  /** Rolls back what is open, drops what is temporary, stops what runs. */
  close(): Promise<void>;
}

/** What a session's load is asked to do; the route's table is where it goes. */
export interface SessionLoadRequest extends LoadRequest {
  /** Into the session's temporary schema. */
  readonly isTemporary: boolean;
  readonly ifAbsent: 'create' | 'fail';
  readonly ifExists: 'append' | 'replace' | 'fail';
}

/**
 * The door-side contract of the query engine: SQL over DuckDB, beside running loads, on connections of its own.
 * Statements outside of sessions each see one snapshot of committed data.
 */
export interface QueryEngine extends QueryRunner {
  /**
   * Runs a statement that reads, to its end, and answers its rows as one Parquet file. Its `maxRows` cuts as in `run`; the
   * statement runs twice then. Throws QUERY_FORBIDDEN for statements that do not read.
   */
  exportParquet(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryFile>;
  /**
   * Parts of about `partBytes` bytes of files that together are all rows of the statement at this moment, each to be run
   * by itself (`QueryContext.part`). Empty where the statement cannot be shared out: it does more than pick columns and
   * rows of one table, the table's rows may change, or it has too few bytes for two. Throws what `prepare` throws.
   */
  splitRead(sql: string, partBytes: number, context: QueryContext): Promise<readonly ReadPart[]>;
  /**
   * Opens a session, which its opener closes. Throws OVERLOADED past the limit of sessions; the last of them are not for
   * the `caller` (its name) who has most of them.
   */
  openSession(caller: string): Promise<QuerySession>;
  /** Takes no new statements; running ones go on. */
  setDraining(): void;
  /** Interrupts what runs and closes every session. */
  close(): Promise<void>;
}

/** A result as a file. */
export interface QueryFile {
  readonly byteLength: number;
  readonly isTruncated: boolean;
  /** To be iterated once; the file is gone when it ends, also early. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A table's name as far as the client gave it; absent parts follow the session's catalog and schema. */
export interface CatalogName {
  readonly catalog?: string;
  readonly schema?: string;
  readonly name: string;
}

export interface CatalogSchema {
  readonly catalog: string;
  readonly schema: string;
}

/** A table or view that can be read. */
export interface CatalogTable {
  readonly catalog: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'view' | 'temporary';
}

/** What an Arrow field does not tell of a column. */
export interface CatalogColumn {
  readonly name: string;
  /** In DuckDB's spelling. */
  readonly type: string;
  readonly nullable: boolean;
  /** Digits, and those of them behind the point; null where the type has none. */
  readonly precision: number | null;
  readonly scale: number | null;
}

/** A primary key (`references` null) or a foreign key. */
export interface TableKey {
  readonly name: string | null;
  readonly table: Required<CatalogName>;
  readonly columns: readonly string[];
  readonly references: {
    readonly table: Required<CatalogName>;
    readonly columns: readonly string[];
    /** The name of the key referred to. */
    readonly name: string | null;
  } | null;
}
