import { createHash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Database } from './database.ts';
import type { LoadColumn } from './load-column.ts';
import { StreamView } from './stream-view.ts';

/** A connection and the view on it that a load's batches go through. */
export interface LoadSession {
  /** The digest of the stream's schema as it was sent: only a stream of the same bytes may use the view again. */
  readonly schemaKey: string;
  readonly connection: DuckDBConnection;
  readonly view: StreamView;
}

const idleLimit = 16;

/** Keeps the sessions of recent loads: for small loads, making one costs more than the rows. */
export class SessionPool {
  readonly #database: Database;
  /** Oldest first. */
  #idle: LoadSession[] = [];
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws TYPE_UNSUPPORTED when DuckDB refuses a column's type. */
  async acquire(schemaMetadata: Uint8Array, columns: readonly LoadColumn[]): Promise<LoadSession> {
    const schemaKey = createHash('sha256').update(schemaMetadata).digest('base64');
    const index = this.#idle.findLastIndex((session) => session.schemaKey === schemaKey);
    const [idle] = index < 0 ? [] : this.#idle.splice(index, 1);
    if (idle !== undefined) return idle;
    const connection = await this.#database.connect();
    try {
      return { schemaKey, connection, view: await StreamView.open(connection, columns) };
    } catch (thrown) {
      connection.closeSync();
      throw thrown;
    }
  }

  /** Takes a session back. One whose load failed is not used again. */
  async release(session: LoadSession, reusable: boolean): Promise<void> {
    if (reusable && !this.#closed) {
      this.#idle.push(session);
      if (this.#idle.length <= idleLimit) return;
    }
    const out = reusable && !this.#closed ? this.#idle.shift() : session;
    if (out !== undefined) await closeSession(out);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const idle = this.#idle;
    this.#idle = [];
    for (const session of idle) await closeSession(session);
  }
}

async function closeSession({ connection, view }: LoadSession): Promise<void> {
  await view.close();
  connection.closeSync();
}
