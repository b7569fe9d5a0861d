import { join } from 'node:path';
import { type Caller, requireStream } from '../../core/auth.ts';
import type { DeltaCallContext } from '../../core/delta.ts';
import type { DeltaMoment, DeltaSource } from '../../core/delta-source.ts';
import type { CatalogTable, ReadPart } from '../../core/query.ts';
import { isStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import type { Database } from './database.ts';
import { countParts, shareOutFiles } from './delta-parts.ts';
import { prunePartitions } from './delta-pruning.ts';
import { type DeltaRows, DeltaSpool } from './delta-spool.ts';
import { filesRelation, parquetRelation } from './delta-sql.ts';
import { quoteText } from './identifier.ts';
import type { QueryHost } from './query/query-host.ts';
import type { RelationRequest, RelationSource } from './query/relation-source.ts';
import { isNode, type TreeNode } from './query/statement-tree.ts';

/** The schema that Delta tables have in SQL. */
const deltaCatalog = 'delta';
const deltaFunction = 'delta_table';
/** Partitions of a table that SQL names one by one; more are read by the worker. */
const mostPartitions = 256;
/** What DuckDB takes for a pattern in the name of a file. */
const globSigns = /[*?[]/;

export interface DeltaRelationsOptions {
  readonly host: Pick<QueryHost, 'open'>;
  /** Opens the Delta backend when it is not open yet. */
  source(): Promise<DeltaSource>;
}

/**
 * Delta tables in SQL: `delta.<table>`, and `delta_table('<table>', version => N)` or `"timestamp" => '…'`. Tables in
 * folders are read by DuckDB's delta extension where it is loaded, else by its Parquet reader from the files that the
 * worker names; what neither can read the worker writes into a Parquet file first.
 */
export function createDeltaRelations(options: DeltaRelationsOptions): RelationSource {
  return new DeltaRelations(options);
}

class DeltaRelations implements RelationSource {
  readonly catalog = deltaCatalog;
  readonly functions: ReadonlySet<string> = new Set([deltaFunction]);
  readonly #options: DeltaRelationsOptions;
  readonly #spool = new DeltaSpool();
  readonly #versions = new WeakMap<object, Map<string, Promise<number>>>();
  readonly #scans = new WeakMap<Database, Promise<boolean>>();

  constructor(options: DeltaRelationsOptions) {
    this.#options = options;
  }

  async resolve(request: RelationRequest): Promise<string> {
    const { table, moment } = readRequest(request);
    if (!isStreamName(table)) throw notFound(table);
    requireStream(request.caller, table);
    const source = await this.#options.source();
    const context: DeltaCallContext = { requestId: 'query' };
    const folder = source.folderOf(table);
    const version =
      request.part?.version ?? (await this.#versionFor(request.statement, source, table, moment, context));
    const { database } = await this.#options.host.open();
    if (folder !== null && request.part === undefined && (await this.#canScan(database))) {
      return `(SELECT * FROM delta_scan(${quoteText(folder)}, version => ${version}))`;
    }
    return this.#readFiles(source, { ...request, table, version }, database, context);
  }

  async split(request: RelationRequest, partBytes: number): Promise<readonly ReadPart[]> {
    const { table, moment } = readRequest(request);
    if (!isStreamName(table)) throw notFound(table);
    requireStream(request.caller, table);
    const source = await this.#options.source();
    const context: DeltaCallContext = { requestId: 'query' };
    const version = await this.#versionFor(request.statement, source, table, moment, context);
    // Where the worker cannot say what there is, the table may still be read as a whole.
    const snapshot = await source.snapshot(table, version, context).catch(() => null);
    const all = snapshot?.files ?? null;
    if (snapshot === null || all === null) return [];
    const { id, partitions } = snapshot;
    const { database } = await this.#options.host.open();
    const files = await prunePartitions(database, { partitions, files: all }, request.conditions);
    const of = countParts(files, partBytes);
    const parts = shareOutFiles(files, of);
    return parts.length < 2 ? [] : parts.map((_, index) => ({ table: id, version, index, of }));
  }

  async list(caller: Caller): Promise<readonly CatalogTable[]> {
    const source = await this.#options.source();
    const names = await source.listNames({ requestId: 'query' });
    return names
      .filter((name) => caller.mayUseStream(name))
      .map((name) => ({ catalog: deltaCatalog, schema: deltaCatalog, name, kind: 'table' }));
  }

  async #readFiles(
    source: DeltaSource,
    request: RelationRequest & { readonly table: string; readonly version: number },
    database: Database,
    context: DeltaCallContext,
  ): Promise<string> {
    const { table, version, part } = request;
    const { files: all, ...snapshot } = await source.snapshot(table, version, context);
    const folder = source.folderOf(table);
    const write = async (rows: DeltaRows): Promise<string> => {
      const wanted = { table, id: snapshot.id, version, rows };
      const file = this.#spool.find(source, wanted, database.spoolFolder, context);
      if (request.onEnd === undefined) file.letGo();
      else request.onEnd(file.letGo);
      return await file.path;
    };
    if (all === null) {
      // The files of a version that has parts tell its rows: this is not the version that was shared out.
      if (part !== undefined) throw madeAnew(table);
      return parquetRelation(await write('all'));
    }
    const kept = await prunePartitions(database, { ...snapshot, files: all }, request.conditions);
    if (part !== undefined && part.table !== snapshot.id) throw madeAnew(table);
    const files = part === undefined ? kept : (shareOutFiles(kept, part.of)[part.index] ?? []);
    const located =
      folder === null ? null : files.map((file) => ({ ...file, path: join(folder, file.path) }));
    const isNamed =
      located?.every(({ path }) => !globSigns.test(path)) && countPartitions(files) <= mostPartitions;
    if (located !== null && isNamed === true)
      return filesRelation({ ...snapshot, files: located }, await write('none'));
    if (files.length === 0) return parquetRelation(await write('none'));
    if (files.length === all.length) return parquetRelation(await write('all'));
    return parquetRelation(await write(files.map(({ path }) => path)));
  }

  /** A statement that names a table twice reads one version of it, whatever is committed meanwhile. */
  #versionFor(
    statement: object,
    source: DeltaSource,
    table: string,
    moment: DeltaMoment,
    context: DeltaCallContext,
  ): Promise<number> {
    const versions = this.#versions.get(statement) ?? new Map<string, Promise<number>>();
    this.#versions.set(statement, versions);
    const key = JSON.stringify([table, moment]);
    const version = versions.get(key) ?? findVersion(source, table, moment, context);
    versions.set(key, version);
    return version;
  }

  /** Whether the delta extension is loaded: it can only be when the database is opened. */
  #canScan(database: Database): Promise<boolean> {
    const known = this.#scans.get(database);
    if (known !== undefined) return known;
    const asked = askForScan(database);
    this.#scans.set(database, asked);
    return asked;
  }
}

async function askForScan(database: Database): Promise<boolean> {
  const connection = await database.connect();
  try {
    const found = await connection.runAndReadAll(
      "SELECT 1 FROM duckdb_functions() WHERE function_name = 'delta_scan' LIMIT 1",
    );
    return found.currentRowCount > 0;
  } finally {
    connection.closeSync();
  }
}

async function findVersion(
  source: DeltaSource,
  table: string,
  moment: DeltaMoment,
  context: DeltaCallContext,
): Promise<number> {
  try {
    return await source.findVersion(table, moment, context);
  } catch (thrown) {
    if (thrown instanceof ArrowportError && thrown.code === 'TABLE_NOT_FOUND') throw notFound(table);
    throw thrown;
  }
}

function countPartitions(files: readonly { readonly partition: readonly (string | null)[] }[]): number {
  return new Set(files.map(({ partition }) => JSON.stringify(partition))).size;
}

function notFound(table: string): ArrowportError {
  const shown = table.length > 128 ? `${table.slice(0, 128)}…` : table;
  return new ArrowportError('TABLE_NOT_FOUND', `There is no Delta table ${JSON.stringify(shown)}.`);
}

function madeAnew(table: string): ArrowportError {
  return new ArrowportError(
    'VERSION_NOT_FOUND',
    `The Delta table ${JSON.stringify(table)} is not the one any more that was asked for. Ask for the flight info again.`,
  );
}

function readRequest(request: RelationRequest): { table: string; moment: DeltaMoment } {
  if (request.kind === 'table') return { table: request.name, moment: {} };
  const named = new Map<string, string | number>();
  let table: string | null = null;
  for (const { name, argument } of argumentsOf(request.call)) {
    const value = constantOf(argument);
    if (value === null || named.has(name)) throw badCall();
    if (name === '' && table === null && typeof value === 'string') table = value;
    else if (name === 'version' && typeof value === 'number') named.set(name, value);
    else if (name === 'timestamp' && typeof value === 'string') named.set(name, value);
    else throw badCall();
  }
  if (table === null || named.size > 1) throw badCall();
  const version = named.get('version');
  const timestamp = named.get('timestamp');
  return {
    table,
    moment: {
      ...(typeof version === 'number' ? { version } : {}),
      ...(typeof timestamp === 'string' ? { timestamp } : {}),
    },
  };
}

/** The arguments with their names in lower case: `name => value`, which the parser writes as an alias, or `name = value`. */
function argumentsOf(call: TreeNode): readonly { readonly name: string; readonly argument: TreeNode }[] {
  const { children } = call;
  if (!Array.isArray(children)) return [];
  return children.filter(isNode).map((child) => {
    const { alias, left, right } = child;
    const names = isNode(left) && left['class'] === 'COLUMN_REF' ? left['column_names'] : null;
    if (child['type'] === 'COMPARE_EQUAL' && Array.isArray(names) && names.length === 1 && isNode(right))
      return { name: String(names[0]).toLowerCase(), argument: right };
    return { name: typeof alias === 'string' ? alias.toLowerCase() : '', argument: child };
  });
}

const timeTypes: ReadonlySet<unknown> = new Set(['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE']);

/** A text, also as a TIMESTAMP, or a whole number from 0 on; null for everything else. */
function constantOf(argument: TreeNode): string | number | null {
  const { value, child, cast_type: type } = argument;
  if (argument['class'] === 'CAST' && isNode(child) && isNode(type) && timeTypes.has(type['id'])) {
    const text = constantOf(child);
    return typeof text === 'string' ? text : null;
  }
  if (argument['class'] !== 'CONSTANT' || !isNode(value)) return null;
  const constant = value['value'];
  if (typeof constant === 'string') return constant;
  return typeof constant === 'number' && Number.isSafeInteger(constant) && constant >= 0 ? constant : null;
}

function badCall(): ArrowportError {
  return new ArrowportError(
    'QUERY_INVALID',
    `${deltaFunction} takes a table name and either version => N or "timestamp" => 'RFC 3339', written as constants.`,
  );
}
