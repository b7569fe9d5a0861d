import type { Backend, ColumnDescription, Load, LoadRequest, TableDescription } from '../../core/backend.ts';
import type { IpcLimits } from '../../core/ipc-message.ts';
import type { TableName } from '../../core/route.ts';
import { ArrowportError } from '../../errors.ts';
import type { DatabaseOptions } from './database.ts';
import { DatabaseFaults } from './database-faults.ts';
import { fromDuckDbError, isMissing, isOutOfMemory } from './errors.ts';
import { qualifiedName, quoteText } from './identifier.ts';
import { ReplayedLoad, refuseOtherLoad } from './key-ledger.ts';
import { LoadActivity } from './load-activity.ts';
import { beginLoad } from './loader.ts';
import type { LoaderContext } from './loader-context.ts';
import { MemoryReturn } from './memory-return.ts';
import { type DuckDbMigrations, openMigrations } from './migrations.ts';
import { noteLoads, notePressure } from './native/allocators.ts';
import { closeParts, type OpenParts, openParts } from './open-parts.ts';
import type { QueryHost } from './query/query-host.ts';
import { internalSchema } from './table-catalog.ts';

const defaultRetentionHours = 168;
/** How long closing waits for loads that are being ended. */
const closePatienceMs = 10_000;

/** A table of the database file, as listings show it. */
export interface ListedTable extends TableDescription {
  readonly table: TableName;
}

/** The DuckDB backend, with what only it can answer. */
export interface DuckDbBackend extends Backend {
  /** All tables of the database file but the server's own. */
  listTables(): Promise<readonly ListedTable[]>;
  /** What migrations need of the database; the caller closes it. */
  openMigrations(): Promise<DuckDbMigrations>;
  /** The database as the query engine sees it. */
  readonly queryHost: QueryHost;
}

export interface DuckDbBackendOptions {
  readonly config: DatabaseOptions;
  /** Read at the start of each load. */
  readonly limits: () => IpcLimits;
  /** How long idempotency keys are remembered; read whenever one is looked up. */
  readonly retentionHours?: () => number;
  readonly logger?: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
}

/**
 * Opens the database file and proves the native interface before first use. Throws BACKEND_UNAVAILABLE or
 * OPTION_INVALID, saying what to do.
 */
export async function createDuckDbBackend(options: DuckDbBackendOptions): Promise<DuckDbBackend> {
  const backend = new EmbeddedDuckDb(options);
  await backend.open();
  return backend;
}

class EmbeddedDuckDb implements DuckDbBackend {
  readonly kind = 'duckdb';
  readonly #options: DuckDbBackendOptions;
  #parts: OpenParts | null = null;
  #running = 0;
  /** Questions, statements and migrations, which are not waited for when the database closes. */
  #users = 0;
  readonly #memoryReturn: MemoryReturn;
  readonly #activity = new LoadActivity();
  #onIdle: (() => void) | null = null;
  readonly #faults: DatabaseFaults;
  #reopening: Promise<void> | null = null;
  readonly #closeListeners: ((inUse: boolean) => Promise<void>)[] = [];
  readonly queryHost: QueryHost = {
    open: async () => {
      if (this.#wantsReopening()) await this.#reopen();
      const { database, catalog } = this.#open();
      return {
        database,
        pendingTables: () => catalog.pendingTables(),
        tablesChanged: () => catalog.forgetColumns(),
        loaderContext: () => ({ ...this.#loaderParts(), closed: this.#enter() }),
      };
    },
    enter: () => this.#enterAsUser(),
    onClose: (listener) => this.#closeListeners.push(listener),
    noteFailure: (thrown) => this.#noteFailure(thrown),
    isLoading: () => this.#activity.isBusy(),
    mayFindMemory: () => this.#running > 0 || this.#parts?.memory?.mayRise !== false,
  };

  constructor(options: DuckDbBackendOptions) {
    this.#options = options;
    this.#faults = new DatabaseFaults(options.config.db_path);
    this.#memoryReturn = new MemoryReturn({
      retainedBytes: () => this.#parts?.memory?.retainedBytes ?? 0,
      isIdle: () => this.#running === 0 && this.#users === 0,
      fixedLimit: () => this.#parts?.memory?.fixedBytes ?? null,
      reopen: () => this.#returnMemory(),
    });
  }

  async open(): Promise<void> {
    const { config, retentionHours = () => defaultRetentionHours } = this.#options;
    this.#parts = await openParts(config, retentionHours, (thrown) => this.#noteFailure(thrown));
    const { mendedBlocks } = this.#parts.database;
    if (mendedBlocks.length === 0) return;
    this.#options.logger?.warn(
      { db: config.db_path, blocks: mendedBlocks },
      'a checkpoint was cut off while it wrote; what it left half-written is mended, and no row is lost',
    );
  }

  async begin(request: LoadRequest): Promise<Load> {
    await this.#memoryReturn.admit();
    if (this.#wantsReopening()) await this.#reopen();
    const leave = this.#enter();
    try {
      return await this.#beginKeyed(request, leave);
    } catch (thrown) {
      leave(thrown);
      throw fromDuckDbError(thrown, 'load');
    }
  }

  /** Counts a load in: while there is one, the database is not closed. Returns what counts it out, once. */
  #enter(): (failure: unknown) => void {
    this.#running += 1;
    noteLoads(this.#running);
    let inside = true;
    return (failure) => {
      if (!inside) return;
      inside = false;
      this.#running -= 1;
      noteLoads(this.#running);
      if (this.#running === 0) this.#onIdle?.();
      this.#noteFailure(failure);
      this.#memoryReturn.noteRelease();
    };
  }

  async #enterAsUser(): Promise<() => void> {
    await this.#memoryReturn.admit();
    this.#users += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#users -= 1;
      this.#memoryReturn.noteRelease();
    };
  }

  async #beginKeyed(request: LoadRequest, leave: (failure: unknown) => void): Promise<Load> {
    const { ledger } = this.#open();
    const { route, options } = request;
    const key = options.idempotencyKey;
    if (key === null) return this.#beginNew(request, leave);
    const giveBack = await ledger.claim(route.table, key, request.signal);
    const leaveKey = (failure: unknown) => {
      giveBack();
      leave(failure);
    };
    try {
      const kept = await ledger.find(route.table, key);
      if (kept === undefined) return await this.#beginNew(request, leaveKey);
      refuseOtherLoad(kept, route.stream, options.mode);
      return new ReplayedLoad(kept, () => leaveKey(null));
    } catch (thrown) {
      leaveKey(thrown);
      throw thrown;
    }
  }

  #beginNew(request: LoadRequest, closed: (failure: unknown) => void): Promise<Load> {
    return beginLoad(request, { ...this.#loaderParts(), closed });
  }

  #loaderParts(): Omit<LoaderContext, 'closed'> {
    const { database, sessions, catalog, ledger, memory } = this.#open();
    const { checkpoints } = database;
    return {
      sessions,
      catalog,
      ledger,
      memory,
      checkpoints,
      activity: this.#activity,
      limits: this.#options.limits(),
    };
  }

  async findTable(table: TableName): Promise<TableDescription | undefined> {
    await this.#memoryReturn.admit();
    const { database, catalog } = this.#open();
    if (catalog.isPending(table)) return undefined;
    const name = qualifiedName(database.catalog, table);
    try {
      const [[rows] = []] = await this.#ask(`SELECT count(*) FROM ${name}`);
      const columns = await this.#ask(
        `SELECT column_name, column_type, "null" = 'NO' FROM (DESCRIBE ${name})`,
      );
      return { rowCount: Number(rows), columns: columns.map(toColumn) };
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw fromDuckDbError(thrown, 'load');
    }
  }

  async listTables(): Promise<readonly ListedTable[]> {
    await this.#memoryReturn.admit();
    const { database } = this.#open();
    const names = await this.#ask(
      `SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ${quoteText(database.catalog)}
       AND schema_name <> ${quoteText(internalSchema)} ORDER BY 1, 2`,
    );
    const tables: ListedTable[] = [];
    for (const [schema, name] of names) {
      const table: TableName = { schema: schema === 'main' ? null : String(schema), name: String(name) };
      const found = await this.findTable(table);
      if (found !== undefined) tables.push({ ...found, table });
    }
    return tables;
  }

  async openMigrations(): Promise<DuckDbMigrations> {
    const leave = await this.#enterAsUser();
    try {
      const { database, catalog } = this.#open();
      const migrations = await openMigrations(database, catalog);
      return {
        ...migrations,
        close: () => {
          migrations.close();
          leave();
        },
      };
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }

  async problems(): Promise<readonly string[]> {
    if (this.#wantsReopening()) await this.#reopen().catch(() => undefined);
    const known = await this.#faults.problems();
    if (known.length > 0) return known;
    try {
      await this.#ask('SELECT 1');
      return [];
    } catch (thrown) {
      return [`duckdb: ${fromDuckDbError(thrown, 'load').message}`];
    }
  }

  async memoryBytes(): Promise<number> {
    const [[bytes] = []] = await this.#ask('SELECT sum(memory_usage_bytes)::DOUBLE FROM duckdb_memory()');
    return Number(bytes ?? 0);
  }

  async close(): Promise<void> {
    await this.#memoryReturn.close();
    await this.#reopening?.catch(() => undefined);
    await this.#closeParts();
  }

  async #closeParts(): Promise<void> {
    const parts = this.#parts;
    this.#parts = null;
    if (parts === null) return;
    await this.#loadsEnded();
    await Promise.all(this.#closeListeners.map((close) => close(this.#users > 0)));
    await closeParts(parts);
  }

  /** Loads take back what they began, which needs their connections. */
  async #loadsEnded(): Promise<void> {
    if (this.#running === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, closePatienceMs);
    await promise;
    clearTimeout(timer);
    this.#onIdle = null;
  }

  async #ask(sql: string): Promise<unknown[][]> {
    await this.#memoryReturn.admit();
    this.#users += 1;
    try {
      return (await this.#open().questions.runAndReadAll(sql)).getRows();
    } catch (thrown) {
      this.#noteFailure(thrown);
      throw thrown;
    } finally {
      this.#users -= 1;
    }
  }

  #open(): OpenParts {
    if (this.#parts === null) throw unavailable();
    return this.#parts;
  }

  #noteFailure(failure: unknown): void {
    const cause = failure instanceof ArrowportError ? failure.cause : failure;
    if (isOutOfMemory(cause)) void this.#parts?.memory?.raiseFloor().catch(() => undefined);
    if (!this.#faults.note(failure)) return;
    this.#options.logger?.warn(
      { err: cause },
      'DuckDB gave the database up; it is opened again when the running loads have ended',
    );
  }

  /** A checkpoint cuts the unused end of the file off, where it has something to write. */
  async #giveRoomBack(): Promise<void> {
    const { database, catalog } = this.#open();
    try {
      await catalog.noteReopening();
      await database.checkpoint();
    } catch (thrown) {
      this.#noteFailure(thrown);
    }
  }

  async #returnMemory(): Promise<void> {
    const startedAt = performance.now();
    await this.#reopen();
    // The allocators are to give it back as well.
    notePressure();
    this.#options.logger?.info(
      { duration_ms: Math.round(performance.now() - startedAt) },
      'the database was opened again, so that DuckDB gives memory back',
    );
  }

  #wantsReopening(): boolean {
    return this.#faults.refusesAll || (this.#faults.keepsRoom && this.#running === 0);
  }

  /** Once nobody uses it: an instance that failed internally refuses everything until it is opened again. */
  #reopen(): Promise<void> {
    if (this.#running > 0) return Promise.reject(unavailable());
    this.#reopening ??= this.#closeParts()
      .then(() => this.open())
      .then(
        async () => {
          const { keepsRoom, refusesAll } = this.#faults;
          this.#faults.reopened();
          if (keepsRoom) await this.#giveRoomBack();
          if (keepsRoom || refusesAll) this.#options.logger?.warn({}, 'the database is open again');
        },
        (thrown: unknown) => {
          if (this.#faults.reopenFailed(thrown)) {
            const err = thrown instanceof ArrowportError ? (thrown.cause ?? thrown) : thrown;
            this.#options.logger?.warn(
              { err },
              'the database cannot be opened again; this is tried with each load',
            );
          }
          throw thrown;
        },
      )
      .finally(() => {
        this.#reopening = null;
      });
    return this.#reopening;
  }
}

function unavailable(): ArrowportError {
  return new ArrowportError('BACKEND_UNAVAILABLE', 'The database is being opened again.', {
    details: { retryAfterMs: 1000 },
  });
}

function toColumn([name, type, required]: unknown[]): ColumnDescription {
  return { name: String(name), type: String(type), nullable: required !== true };
}
