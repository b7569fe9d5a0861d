import type { QueryContext } from '../../../core/query.ts';
import type { QuerySettings } from './config.ts';
import type { LongRuns } from './long-runs.ts';
import type { MemoryWatch } from './memory-watch.ts';
import type { QueryConnection } from './query-connection.ts';
import type { QueryHost } from './query-host.ts';
import type { RelationSource } from './relation-source.ts';
import type { RunGuard } from './run-guard.ts';
import type { Slots } from './slots.ts';

/** What all statements of an engine share. */
export interface EngineParts {
  readonly host: QueryHost;
  readonly relations: readonly RelationSource[];
  readonly statements: Slots;
  /** What the server itself asks the catalog, which takes no time and waits for no statement. */
  readonly lookups: Slots;
  /** Calls of the engine that occupy a thread of the process; loads need some too. */
  readonly engineCalls: Slots;
  readonly longRuns: LongRuns;
  readonly memory: MemoryWatch;
  settings(): QuerySettings;
  /** Statements that run, so that closing can stop them. */
  readonly running: Set<RunGuard>;
  /** Throws SHUTTING_DOWN. */
  refuseDraining(): void;
}

/** A connection for one statement, and what to do with it afterwards. */
export interface Lease extends QueryConnection {
  readonly schema: string;
  readonly inSession: boolean;
  readonly inTransaction: boolean;
  /** Told before a statement that may change something runs. */
  noteChange?(): void;
  /** Told once, when nothing runs on the connection any more; `broken` where a result on it was left unread. */
  end(broken: boolean): Promise<void>;
}

/** Finds the connection that a statement runs on, waiting for it where need be. */
export type LeaseSource = (context: QueryContext, guard: RunGuard, sql: string) => Promise<Lease>;
