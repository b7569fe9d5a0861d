import type { TableName } from '../../../core/route.ts';
import type { Database } from '../database.ts';
import type { LoaderContext } from '../loader-context.ts';

/** The open database as queries see it. */
export interface QueryDatabase {
  readonly database: Database;
  /** Tables that first loads have made and not yet committed. */
  pendingTables(): readonly TableName[];
  /** To be told when SQL may have changed the columns of tables. */
  tablesChanged(): void;
  /** What a load of a session needs; its `closed` must be called in the end. */
  loaderContext(): LoaderContext;
}

/** What the query engine needs of the backend that owns the database. */
export interface QueryHost {
  /** The database that is open now. Throws BACKEND_UNAVAILABLE while it is being opened again. */
  open(): Promise<QueryDatabase>;
  /**
   * Counts a user of the database in, as soon as it is not being opened again to give memory back, which waits until
   * there is none. Returns what counts it out, once.
   */
  enter(): Promise<() => void>;
  /**
   * Calls back before the database closes, saying whether somebody has entered it; queries must have let go of it when
   * the promise resolves.
   */
  onClose(listener: (inUse: boolean) => Promise<void>): void;
  /** To be told what DuckDB threw, in DuckDB's plain words: it may have to be opened again, or need more memory. */
  noteFailure(thrown: unknown): void;
  /** Whether rows of loads are being written now. */
  isLoading(): boolean;
  /** Whether a query that ran out of memory by itself may find more when it is sent again. */
  mayFindMemory(): boolean;
}
