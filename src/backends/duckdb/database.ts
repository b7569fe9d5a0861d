import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { ArrowportError } from '../../errors.ts';
import { Checkpoints } from './checkpoints.ts';
import { quoteIdentifier, quoteText } from './identifier.ts';
import { mendInterruptedCheckpoint } from './interrupted-checkpoint.ts';
import { restingBytes, shareOfMemory } from './memory-governor.ts';
import { boundHeaps } from './native/allocators.ts';
import { isShortOfMemory, openFailure, refuseForeignLog } from './open-failure.ts';

/** Settings of the embedded database, as the configuration has them. */
export interface DatabaseOptions {
  readonly db_path: string;
  readonly duckdb_extensions: readonly string[];
  readonly duckdb: {
    readonly threads: number | null;
    readonly memory_limit: string | null;
    readonly checkpoint_threshold: string | null;
    readonly settings: Readonly<Record<string, string | number | boolean>>;
  };
  /** Paths of extensions to load where that works. */
  readonly optional_extensions?: readonly string[];
  /** Folders whose files SQL of the server's own making reads. */
  readonly readable_folders?: readonly string[];
}

const reservedCatalogs = new Set(['memory', 'temp', 'system', 'main']);

/**
 * The database file, attached beside an in-memory one. Statements run in the in-memory catalog, so that what a
 * connection creates without a full name never lands in the file.
 */
export class Database {
  /** The name that the file is attached under: the file's own, as DuckDB would call it. */
  readonly catalog: string;
  /** The one folder that SQL can write files into: for results on their way out. */
  readonly spoolFolder: string;
  /** Null for a database that is all in memory. */
  readonly checkpoints: Checkpoints | null;
  /** Blocks that a checkpoint left half-written when it was killed, and that were mended. */
  readonly mendedBlocks: readonly number[];
  readonly #instance: DuckDBInstance;

  private constructor(
    instance: DuckDBInstance,
    catalog: string,
    spoolFolder: string,
    log: { readonly path: string; readonly threshold: number } | null,
    mendedBlocks: readonly number[],
  ) {
    this.#instance = instance;
    this.catalog = catalog;
    this.spoolFolder = spoolFolder;
    this.mendedBlocks = mendedBlocks;
    this.checkpoints =
      log === null
        ? null
        : new Checkpoints({
            logPath: log.path,
            threshold: log.threshold,
            checkpoint: () => this.#foldLog(),
          });
  }

  /** Throws BACKEND_UNAVAILABLE saying what to do when the file cannot be opened, OPTION_INVALID for a bad setting. */
  static async open(options: DatabaseOptions): Promise<Database> {
    boundHeaps();
    const instance = await DuckDBInstance.create(':memory:', startSettings(options));
    const spoolFolder = await makeSpoolFolder(options.db_path);
    const connection = await instance.connect();
    const catalog = catalogName(options.db_path);
    try {
      for (const extension of options.duckdb_extensions) await loadExtension(connection, extension);
      for (const path of options.optional_extensions ?? [])
        await connection.run(`LOAD ${quoteText(path)}`).catch(() => undefined);
      for (const [name, value] of Object.entries(options.duckdb.settings))
        await applySetting(connection, name, value);
      const log = options.db_path === ':memory:' ? null : await takeCheckpoints(connection, options.db_path);
      const mendedBlocks = await attach(connection, options.db_path, catalog);
      await fence(connection, [spoolFolder, ...(options.readable_folders ?? [])]);
      const database = new Database(instance, catalog, spoolFolder, log, mendedBlocks);
      connection.closeSync();
      return database;
    } catch (thrown) {
      connection.closeSync();
      instance.closeSync();
      await rm(spoolFolder, { recursive: true, force: true });
      throw thrown;
    }
  }

  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /** The threads and the memory, in bytes, that DuckDB allows itself. */
  async resources(): Promise<{ readonly threads: number; readonly memoryLimit: number }> {
    const connection = await this.connect();
    try {
      const result = await connection.runAndReadAll(
        "SELECT current_setting('threads')::INTEGER, current_setting('memory_limit')",
      );
      const [[threads, memoryLimit] = []] = result.getRows();
      return { threads: Number(threads), memoryLimit: readSize(String(memoryLimit)) };
    } finally {
      connection.closeSync();
    }
  }

  /** Takes effect at once for all connections; lowering it drops what is only cached. */
  async setMemoryLimit(bytes: number): Promise<void> {
    const connection = await this.connect();
    try {
      await connection.run(`SET GLOBAL memory_limit = '${bytes}B'`);
    } finally {
      connection.closeSync();
    }
  }

  /** Runs work that writes into the file; see `Checkpoints.write`. */
  write<T>(work: () => Promise<T>): Promise<T> {
    return this.checkpoints === null ? work() : this.checkpoints.write(work);
  }

  /** Folds the write-ahead log into the file, whose unused end goes back to the disk; left out where others write for long. */
  checkpoint(): Promise<void> {
    return this.checkpoints === null ? this.#foldLog() : this.checkpoints.run();
  }

  async #foldLog(): Promise<void> {
    const connection = await this.connect();
    try {
      await connection.run(`CHECKPOINT ${quoteIdentifier(this.catalog)}`);
    } finally {
      connection.closeSync();
    }
  }

  /** Folds the write-ahead log into the file and closes it. */
  async close(): Promise<void> {
    await this.checkpoints?.close();
    const connection = await this.connect();
    await connection.run(`CHECKPOINT ${quoteIdentifier(this.catalog)}`).catch(() => undefined);
    await connection.run(`DETACH ${quoteIdentifier(this.catalog)}`).catch(() => undefined);
    connection.closeSync();
    this.#instance.closeSync();
    await rm(this.spoolFolder, { recursive: true, force: true });
  }
}

const sizeUnits = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Reads a size as DuckDB writes it: `488.2 MiB`. */
function readSize(text: string): number {
  const [amount = '', unit = ''] = text.split(' ');
  return Math.floor(Number(amount) * 1024 ** sizeUnits.indexOf(unit));
}

function startSettings(options: DatabaseOptions): Record<string, string> {
  const { threads, memory_limit, checkpoint_threshold } = options.duckdb;
  return {
    ...(threads === null ? {} : { threads: String(threads) }),
    ...(memory_limit === null ? {} : { memory_limit }),
    ...(options.db_path === ':memory:' ? {} : fileSettings(options)),
    ...(checkpoint_threshold === null ? {} : { checkpoint_threshold }),
  };
}

/** In-memory databases need all their data in memory; files need what a load has in hand. */
function fileSettings({ db_path, duckdb }: DatabaseOptions): Record<string, string> {
  return { memory_limit: duckdb.memory_limit ?? `${restingBytes}B`, temp_directory: `${db_path}.tmp` };
}

function catalogName(path: string): string {
  if (path === ':memory:') return 'arrowport';
  const name = basename(path, extname(path));
  return name === '' || reservedCatalogs.has(name.toLowerCase()) ? 'arrowport' : name;
}

async function loadExtension(connection: DuckDBConnection, extension: string): Promise<void> {
  const isPath = extension.endsWith('.duckdb_extension');
  const name = isPath ? quoteText(extension) : quoteIdentifier(extension);
  try {
    if (!isPath)
      await connection.run(`LOAD ${name}`).catch(() => connection.run(`INSTALL ${name}; LOAD ${name}`));
    else await connection.run(`LOAD ${name}`);
  } catch (cause) {
    throw new ArrowportError(
      'OPTION_INVALID',
      `duckdb_extensions: ${JSON.stringify(extension)} could not be loaded; install it, or give the path of its .duckdb_extension file.`,
      { cause },
    );
  }
}

async function applySetting(
  connection: DuckDBConnection,
  name: string,
  value: string | number | boolean,
): Promise<void> {
  const literal = typeof value === 'string' ? quoteText(value) : String(value);
  try {
    await connection.run(`SET GLOBAL ${quoteIdentifier(name)} = ${literal}`);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : '';
    throw new ArrowportError('OPTION_INVALID', `duckdb.settings.${name} is refused by DuckDB: ${why}`, {
      cause,
    });
  }
}

/** Beside the database where there is no temporary folder to write into; only Parquet answers miss it where both fail. */
async function makeSpoolFolder(path: string): Promise<string> {
  const beside = path === ':memory:' ? [] : [`${resolve(path)}.spool-`];
  for (const prefix of [join(tmpdir(), 'arrowport-'), ...beside]) {
    const made = await mkdtemp(prefix).catch(() => null);
    if (made !== null) return made;
  }
  return join(tmpdir(), `arrowport-${process.pid}`);
}

/**
 * Closes the engine to files, network, extensions and secrets for as long as it is open; only what is attached already,
 * its own temporary files and these folders stay within reach.
 */
async function fence(connection: DuckDBConnection, folders: readonly string[]): Promise<void> {
  const list = folders.map(quoteText).join(', ');
  await connection.run(
    `SET GLOBAL autoinstall_known_extensions = false; SET GLOBAL autoload_known_extensions = false;
     SET GLOBAL allowed_directories = [${list}]; SET GLOBAL enable_external_access = false`,
  );
}

/** Resolves with the blocks that had to be mended. */
async function attach(
  connection: DuckDBConnection,
  path: string,
  catalog: string,
): Promise<readonly number[]> {
  await refuseForeignLog(path);
  const mended = await mendInterruptedCheckpoint(path);
  const sql = `ATTACH ${quoteText(path)} AS ${quoteIdentifier(catalog)}`;
  try {
    await connection.run(sql).catch(async (thrown: unknown) => {
      if (!isShortOfMemory(thrown)) throw thrown;
      await attachWithMoreMemory(connection, sql, catalog);
    });
  } catch (cause) {
    throw openFailure(path, cause);
  }
  return mended;
}

/** What a crash left in the log is read in one go, and may take more than it took when it was written load by load. */
async function attachWithMoreMemory(
  connection: DuckDBConnection,
  sql: string,
  catalog: string,
): Promise<void> {
  const found = await connection.runAndReadAll("SELECT current_setting('memory_limit')");
  const limit = readSize(String(found.getRows()[0]?.[0]));
  const lower = () => connection.run(`SET GLOBAL memory_limit = '${limit}B'`);
  await connection.run(`SET GLOBAL memory_limit = '${Math.max(limit, shareOfMemory())}B'`);
  await connection.run(sql);
  // What was read into memory can be put away once it is in the file.
  await lower().catch(async () => {
    await connection.run(`CHECKPOINT ${quoteIdentifier(catalog)}`);
    await lower().catch(() => undefined);
  });
}

/** Keeps DuckDB from making checkpoints of its own; answers the log, and how long it may grow by the settings. */
async function takeCheckpoints(
  connection: DuckDBConnection,
  path: string,
): Promise<{ readonly path: string; readonly threshold: number }> {
  await connection.run('SET GLOBAL debug_skip_checkpoint_on_commit = true');
  const found = await connection.runAndReadAll("SELECT current_setting('checkpoint_threshold')");
  return { path: `${path}.wal`, threshold: readSize(String(found.getRows()[0]?.[0])) };
}
