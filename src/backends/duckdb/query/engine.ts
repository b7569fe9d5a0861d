import { mustLeaveRoom } from '../../../core/fair-share.ts';
import type {
  CatalogColumn,
  CatalogName,
  CatalogSchema,
  CatalogTable,
  PreparedQuery,
  QueryContext,
  QueryEngine,
  QueryFile,
  QueryParameters,
  QueryResult,
  QuerySession,
  ReadPart,
  TableKey,
} from '../../../core/query.ts';
import type { ArrowSchema } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import type { QuerySettings } from './config.ts';
import type { EngineParts, Lease } from './engine-parts.ts';
import { LongRuns } from './long-runs.ts';
import { MemoryWatch } from './memory-watch.ts';
import { QueryConnections } from './query-connection.ts';
import type { QueryHost } from './query-host.ts';
import { StatementRunner } from './query-runner.ts';
import type { RelationSource } from './relation-source.ts';
import type { RunGuard } from './run-guard.ts';
import { DuckDbSession } from './session.ts';
import { Slots } from './slots.ts';

/** Calls of DuckDB at once: a part of the threads that the process has for such calls, so that loads find some too. */
const maxEngineCalls = 24;
const maxLookups = 8;
/** How long closing waits for statements that were stopped. */
const closePatienceMs = 5_000;

export interface QueryEngineOptions {
  readonly host: QueryHost;
  /** Read at the start of each statement. */
  settings(): QuerySettings;
  /** Tables of other backends. */
  readonly relations?: readonly RelationSource[];
}

/** Makes the query engine over the backend's database; it opens connections when they are needed. */
export function createDuckDbQueryEngine(options: QueryEngineOptions): QueryEngine {
  return new DuckDbQueryEngine(options);
}

class DuckDbQueryEngine implements QueryEngine {
  readonly #parts: EngineParts;
  readonly #connections: QueryConnections;
  readonly #runner: StatementRunner;
  /** With the names of those who opened them. */
  readonly #sessions = new Map<DuckDbSession, string>();
  readonly #leases = new Set<Lease>();
  readonly #running = new Set<RunGuard>();
  #draining = false;

  constructor({ host, settings, relations = [] }: QueryEngineOptions) {
    this.#parts = {
      host,
      relations,
      settings,
      statements: new Slots(() => settings().max_concurrent),
      lookups: new Slots(() => maxLookups),
      longRuns: new LongRuns(),
      engineCalls: new Slots(() => maxEngineCalls),
      memory: new MemoryWatch(() => settings().max_growth_bytes),
      running: this.#running,
      refuseDraining: () => this.#refuseDraining(),
    };
    this.#connections = new QueryConnections(host, settings().allowed_functions);
    this.#runner = new StatementRunner(this.#parts, () => this.#lease());
    host.onClose(async (inUse) => {
      // A session that keeps nothing in the database goes on in the next one.
      if (inUse) await this.#letGo([...this.#sessions.keys()].filter((session) => session.holdsDatabase));
      else this.#connections.closeIdle();
    });
  }

  prepare(sql: string, context: QueryContext): Promise<PreparedQuery> {
    return this.#runner.prepare(sql, context);
  }

  run(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryResult> {
    return this.#runner.run(sql, parameters, context);
  }

  runUpdate(sql: string, parameters: QueryParameters, context: QueryContext): Promise<number> {
    return this.#runner.runUpdate(sql, parameters, context);
  }

  exportParquet(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryFile> {
    return this.#runner.exportParquet(sql, parameters, context);
  }

  splitRead(sql: string, partBytes: number, context: QueryContext): Promise<readonly ReadPart[]> {
    return this.#runner.splitRead(sql, partBytes, context);
  }

  listTables(context: QueryContext): Promise<readonly CatalogTable[]> {
    return this.#runner.listTables(context);
  }

  listSchemas(context: QueryContext): Promise<readonly CatalogSchema[]> {
    return this.#runner.listSchemas(context);
  }

  listKeys(context: QueryContext): Promise<readonly TableKey[]> {
    return this.#runner.listKeys(context);
  }

  listColumns(table: Required<CatalogName>, context: QueryContext): Promise<readonly CatalogColumn[]> {
    return this.#runner.listColumns(table, context);
  }

  describeTable(table: CatalogName, context: QueryContext): Promise<ArrowSchema> {
    return this.#runner.describeTable(table, context);
  }

  async openSession(caller: string): Promise<QuerySession> {
    // While the server drains, a client that commits still begins its next transaction; no statement runs in it.
    const all = this.#parts.settings().max_sessions;
    const own = [...this.#sessions.values()].filter((name) => name === caller).length;
    const held = this.#sessions.size;
    if (held >= all || mustLeaveRoom(own, held, all)) {
      throw new ArrowportError('OVERLOADED', 'As many sessions are open as may be (query.max_sessions).', {
        details: { limit: 'query.max_sessions', retryAfterMs: 5000 },
      });
    }
    const session: DuckDbSession = new DuckDbSession({
      parts: this.#parts,
      connections: this.#connections,
      lease: () => this.#lease(),
      closed: () => this.#sessions.delete(session),
    });
    this.#sessions.set(session, caller);
    return session;
  }

  setDraining(): void {
    this.#draining = true;
  }

  async close(): Promise<void> {
    this.#draining = true;
    await this.#letGo([...this.#sessions.keys()]);
  }

  #refuseDraining(): void {
    if (!this.#draining) return;
    throw new ArrowportError('SHUTTING_DOWN', 'The server is shutting down.', {
      details: { retryAfterMs: 1000 },
    });
  }

  /** A connection for one statement outside of sessions. */
  async #lease(): Promise<Lease> {
    const used = await this.#connections.acquire();
    const lease: Lease = {
      ...used,
      schema: 'main',
      inSession: false,
      inTransaction: false,
      end: async (broken) => {
        // The next statement is what makes DuckDB let go of a result that was not read to its end.
        const clean = !broken || (await settles(used.connection.run('SELECT 1')));
        if (clean) this.#connections.release(used);
        else this.#connections.close(used);
        this.#leases.delete(lease);
      },
    };
    this.#leases.add(lease);
    return lease;
  }

  /** Stops what runs and closes every connection: the database is about to close. */
  async #letGo(sessions: readonly DuckDbSession[]): Promise<void> {
    const reason = new ArrowportError('SHUTTING_DOWN', 'The database is being closed.', {
      details: { retryAfterMs: 1000 },
    });
    for (const guard of [...this.#running]) guard.stop(reason);
    await Promise.all(sessions.map((session) => session.close()));
    const until = Date.now() + closePatienceMs;
    while (this.#leases.size > 0 && Date.now() < until) await pause(10);
    this.#connections.closeIdle();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

async function settles(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch {
    return false;
  }
}
