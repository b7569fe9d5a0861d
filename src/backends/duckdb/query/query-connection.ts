import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteIdentifier } from '../identifier.ts';
import { type DatabaseRules, readDatabaseRules } from './database-rules.ts';
import type { QueryDatabase, QueryHost } from './query-host.ts';

/** A connection that SQL of clients runs on. */
export interface QueryConnection {
  readonly connection: DuckDBConnection;
  readonly rules: DatabaseRules;
  readonly database: QueryDatabase;
  /** Counts its user out of the database. */
  leave(): void;
}

const idleLimit = 8;

/** Opens connections for queries and keeps some that are not used. */
export class QueryConnections {
  readonly #host: QueryHost;
  readonly #allowedFunctions: readonly string[];
  #idle: QueryConnection[] = [];
  readonly #rules = new WeakMap<object, Promise<DatabaseRules>>();

  constructor(host: QueryHost, allowedFunctions: readonly string[]) {
    this.#host = host;
    this.#allowedFunctions = allowedFunctions;
  }

  /** To be released or closed. Throws BACKEND_UNAVAILABLE. */
  acquire(): Promise<QueryConnection> {
    return this.#enter(async (database, leave) => {
      const idle = this.#idle.findLastIndex((each) => each.database.database === database.database);
      const [kept] = idle < 0 ? [] : this.#idle.splice(idle, 1);
      return kept === undefined ? this.#connect(database, leave) : { ...kept, leave };
    });
  }

  /** A connection that is its owner's, to be closed. Throws BACKEND_UNAVAILABLE. */
  open(): Promise<QueryConnection> {
    return this.#enter((database, leave) => this.#connect(database, leave));
  }

  /** Takes a connection back on which nothing runs and nothing is open. */
  release(used: QueryConnection): void {
    this.#idle.push(used);
    if (this.#idle.length > idleLimit) this.#idle.shift()?.connection.closeSync();
    used.leave();
  }

  close(used: QueryConnection): void {
    used.connection.closeSync();
    used.leave();
  }

  closeIdle(): void {
    for (const { connection } of this.#idle) connection.closeSync();
    this.#idle = [];
  }

  async #enter(
    take: (database: QueryDatabase, leave: () => void) => Promise<QueryConnection>,
  ): Promise<QueryConnection> {
    const leave = await this.#host.enter();
    try {
      return await take(await this.#host.open(), leave);
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }

  async #connect(database: QueryDatabase, leave: () => void): Promise<QueryConnection> {
    const connection = await database.database.connect();
    try {
      const { catalog } = database.database;
      await connection.run(`SET SESSION errors_as_json = true; USE ${quoteIdentifier(catalog)}.main`);
      let rules = this.#rules.get(database.database);
      if (rules === undefined) {
        rules = readDatabaseRules(connection, catalog, this.#allowedFunctions);
        this.#rules.set(database.database, rules);
      }
      return { connection, database, rules: await rules, leave };
    } catch (thrown) {
      connection.closeSync();
      throw thrown;
    }
  }
}
