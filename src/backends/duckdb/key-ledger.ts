import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { CommitResult, Load, ReplayedCommit } from '../../core/backend.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import type { TableName } from '../../core/route.ts';
import { type Clock, createSteadyClock } from '../../core/steady-clock.ts';
import { ArrowportError } from '../../errors.ts';
import type { Database } from './database.ts';
import { foldCase, qualifiedName } from './identifier.ts';
import { internalSchema } from './table-catalog.ts';

/** A load that was committed under an idempotency key. */
export interface KeptLoad extends ReplayedCommit {
  readonly stream: string;
  readonly mode: string;
  readonly rows: number;
}

const purgeIntervalMs = 3_600_000;
/** Keys that are forgotten at once, some ten milliseconds, and the pause that leaves DuckDB to loads. */
const purgeKeys = 1000;
const purgePauseMs = 20;

/**
 * The idempotency keys of the database file. A key is written in the transaction of its rows and found by an index, so
 * that neither a crash nor the number of keys matters. Loads of one key and table follow one another.
 */
export class KeyLedger {
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #table: string;
  readonly #retentionHours: () => number;
  readonly #clock: Clock;
  readonly #claims = new Map<string, Promise<void>>();
  readonly #purging: NodeJS.Timeout;
  /** Forgets keys beside those who look them up. */
  readonly #purger: DuckDBConnection;
  #turn: Promise<unknown> = Promise.resolve();
  #purge: Promise<void> | null = null;
  #closed = false;

  private constructor(
    database: Database,
    connection: DuckDBConnection,
    purger: DuckDBConnection,
    table: string,
    retentionHours: () => number,
    clock: Clock,
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#purger = purger;
    this.#table = table;
    this.#retentionHours = retentionHours;
    this.#clock = clock;
    this.#purging = setInterval(() => void this.purge().catch(() => undefined), purgeIntervalMs);
    this.#purging.unref();
  }

  /** `clock` decides how old a key is: one that jumps forward would forget keys before their time. */
  static async open(
    database: Database,
    retentionHours: () => number,
    clock: Clock = createSteadyClock(),
  ): Promise<KeyLedger> {
    const connection = await database.connect();
    const table = qualifiedName(database.catalog, { schema: internalSchema, name: 'committed_loads' });
    await connection.run(
      `CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR PRIMARY KEY, stream VARCHAR, mode VARCHAR, commit_id VARCHAR,
       row_count BIGINT, batches BIGINT, bytes BIGINT, duration_ms DOUBLE, committed_at TIMESTAMPTZ)`,
    );
    return new KeyLedger(database, connection, await database.connect(), table, retentionHours, clock);
  }

  /**
   * Waits until no other load has the key of this table; resolves with the function that gives it back. Throws the
   * reason of `signal`.
   */
  async claim(table: TableName, key: string, signal?: AbortSignal): Promise<() => void> {
    const id = identify(table, key);
    for (let held = this.#claims.get(id); held !== undefined; held = this.#claims.get(id))
      await orAborted(held, signal);
    signal?.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#claims.set(id, promise);
    return () => {
      if (this.#claims.get(id) === promise) this.#claims.delete(id);
      resolve();
    };
  }

  /** The load that was committed under the key; undefined when there is none, or none that is still remembered. */
  async find(table: TableName, key: string): Promise<KeptLoad | undefined> {
    const rows = await this.#inTurn(() =>
      this.#connection.runAndReadAll(
        `SELECT stream, mode, commit_id, row_count, batches, bytes, duration_ms, epoch(committed_at) FROM ${this.#table}
         WHERE id = $1`,
        [identify(table, key)],
      ),
    );
    const [row] = rows.getRows();
    // By the index alone: a condition on the time would be one more for the planner to weigh.
    if (row === undefined || Number(row[7]) < this.#oldestSeconds()) return undefined;
    const [stream, mode, commitId, count, batches, bytes, durationMs] = row;
    return {
      stream: String(stream),
      mode: String(mode),
      commitId: String(commitId),
      rows: Number(count),
      batches: Number(batches),
      bytes: Number(bytes),
      durationMs: Number(durationMs),
    };
  }

  /** Writes the key in the transaction that is open on `connection`. */
  async record(connection: DuckDBConnection, table: TableName, key: string, load: KeptLoad): Promise<void> {
    await connection.run(
      `INSERT OR REPLACE INTO ${this.#table} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::DOUBLE))`,
      [
        identify(table, key),
        load.stream,
        load.mode,
        load.commitId,
        BigInt(load.rows),
        BigInt(load.batches),
        BigInt(load.bytes),
        load.durationMs,
        this.#clock() / 1000,
      ],
    );
  }

  /** Forgets keys older than the retention, a few at a time; a second call waits for the first. */
  purge(): Promise<void> {
    this.#purge ??= this.#forgetOld().finally(() => {
      this.#purge = null;
    });
    return this.#purge;
  }

  async #forgetOld(): Promise<void> {
    const oldest = this.#oldestSeconds();
    while (!this.#closed) {
      const { rowsChanged } = await this.#database.write(() =>
        this.#purger.run(
          `DELETE FROM ${this.#table} WHERE rowid IN
           (SELECT rowid FROM ${this.#table} WHERE committed_at < to_timestamp($1::DOUBLE) LIMIT ${purgeKeys})`,
          [oldest],
        ),
      );
      if (rowsChanged < purgeKeys) return;
      await sleep(purgePauseMs, undefined, { ref: false });
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#purging);
    this.#connection.closeSync();
    this.#purger.interrupt();
    this.#purger.closeSync();
  }

  /** When the oldest key was committed that is still remembered. */
  #oldestSeconds(): number {
    return this.#clock() / 1000 - this.#retentionHours() * 3600;
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(run);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

/** Throws IDEMPOTENCY_CONFLICT when the key was used by another stream or for another mode. */
export function refuseOtherLoad(kept: KeptLoad, stream: string, mode: string): void {
  if (kept.stream === stream && kept.mode === mode) return;
  throw new ArrowportError(
    'IDEMPOTENCY_CONFLICT',
    `The idempotency key was used on this table by stream ${JSON.stringify(kept.stream)} with mode ${kept.mode}.`,
  );
}

/** Stands for a load whose key is committed already: takes the stream again, and writes nothing. */
export class ReplayedLoad implements Load {
  readonly replays: ReplayedCommit;
  readonly #kept: KeptLoad;
  readonly #closed: () => void;

  constructor(kept: KeptLoad, closed: () => void) {
    this.#kept = kept;
    this.replays = kept;
    this.#closed = closed;
  }

  async write(message: IpcMessage): Promise<void> {
    message.release();
  }

  async commit(): Promise<CommitResult> {
    this.#closed();
    return { rows: this.#kept.rows, version: null, replay: this.#kept };
  }

  async abort(): Promise<void> {
    this.#closed();
  }
}

async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await Promise.race([promise, aborted]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** DuckDB ignores case in names, so a key belongs to a table however it is spelt. */
function identify(table: TableName, key: string): string {
  return JSON.stringify([foldCase(table.schema ?? 'main'), foldCase(table.name), key]);
}
