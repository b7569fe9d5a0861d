import type { BackendKind } from '../core/receipt.ts';
import type { CommitPolicy, DeltaRouteOptions, Route, TableName } from '../core/route.ts';
import { readStreamName } from '../core/stream-name.ts';
import { type RouteConfig, routeSchema } from './config.ts';
import { comparePatterns, isStreamPattern, matchesPattern, readStreamPattern } from './pattern.ts';
import { findTableName } from './table-name.ts';

type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;

/** The part of the configuration that routes streams. */
export interface RoutingConfig {
  readonly storage_backend: BackendKind;
  readonly streams: Readonly<Record<string, Immutable<RouteConfig>>>;
}

/** A route as configured; a pattern route without `target_table` shows the pattern in place of stream and table. */
export interface ConfiguredRoute {
  /** The key in `streams`. */
  readonly name: string;
  readonly pattern: boolean;
  readonly route: Route;
}

/** What is known of all streams at one moment; immutable. */
export interface RouteTable {
  /** Exact names first, then patterns in the order in which they are tried. */
  readonly routes: readonly ConfiguredRoute[];
  /** The route of a stream: its exact name, else the best pattern, else the default. Throws STREAM_NAME_INVALID. */
  resolve(stream: string): Route;
  /** How loads of a Delta table are written: as its route says, else with the defaults. Throws STREAM_NAME_INVALID. */
  resolveDeltaTable(table: string): Route;
}

/** Builds the route table of a checked configuration. */
export function createRouteTable(config: RoutingConfig): RouteTable {
  const backend = config.storage_backend;
  const unrouted = createRouteMaker(null, routeSchema.parse({}), backend);
  const entries = Object.entries(config.streams);
  const exact = new Map<string, Route>();
  for (const [name, route] of entries) {
    if (!isStreamPattern(name)) exact.set(name, createRouteMaker(name, route, backend)(name));
  }
  const patterns = entries
    .filter(([name]) => isStreamPattern(name))
    .map(([name, route]) => ({
      pattern: readStreamPattern(name),
      make: createRouteMaker(name, route, backend),
    }))
    .sort((a, b) => comparePatterns(a.pattern, b.pattern));
  const routes = [
    ...[...exact].map(([name, route]) => ({ name, pattern: false, route })),
    ...patterns.map(({ pattern: { text }, make }) => ({ name: text, pattern: true, route: make(text) })),
  ];
  const unroutedDelta = createRouteMaker(null, routeSchema.parse({}), 'delta');
  const resolve = (stream: string): Route => {
    const name = readStreamName(stream);
    const route = exact.get(name);
    if (route !== undefined) return route;
    const match = patterns.find(({ pattern }) => matchesPattern(pattern, name));
    return (match?.make ?? unrouted)(name);
  };
  return Object.freeze({
    routes: Object.freeze(routes.map((route) => Object.freeze(route))),
    resolve,
    resolveDeltaTable(table: string): Route {
      const leadsThere = (route: Route) => route.backend === 'delta' && route.table.name === table;
      const own = resolve(table);
      if (leadsThere(own)) return own;
      const other = routes.find(({ pattern, route }) => !pattern && leadsThere(route));
      return other === undefined ? unroutedDelta(table) : Object.freeze({ ...other.route, stream: table });
    },
  });
}

function createRouteMaker(
  label: string | null,
  config: Immutable<RouteConfig>,
  defaultBackend: BackendKind,
): (stream: string) => Route {
  const backend = config.storage_backend ?? defaultBackend;
  const table = config.target_table === null ? null : readTarget(config.target_table, backend);
  const shared = {
    label,
    backend,
    chunkSize: config.chunk_size,
    commit: createCommitPolicy(config.commit),
    schemaMode: config.schema_mode,
    delta: createDeltaOptions(config.delta_options),
  };
  return (stream) =>
    Object.freeze({ stream, ...shared, table: table ?? Object.freeze({ schema: null, name: stream }) });
}

/** A Delta table's name is one name by the rule of streams, dots included. */
function readTarget(target: string, backend: BackendKind): TableName {
  const name = backend === 'delta' ? undefined : findTableName(target);
  return Object.freeze(name ?? { schema: null, name: target });
}

function createCommitPolicy(commit: Immutable<RouteConfig>['commit']): CommitPolicy | null {
  if (commit === null) return null;
  return Object.freeze({ rows: commit.rows, bytes: commit.bytes, intervalMs: commit.interval_ms });
}

function createDeltaOptions(options: Immutable<RouteConfig>['delta_options']): DeltaRouteOptions {
  return Object.freeze({
    partitionBy: Object.freeze([...options.partition_by]),
    zOrderBy: Object.freeze([...options.z_order_by]),
    targetFileSize: options.target_file_size,
    compression: options.compression,
    writeMode: options.write_mode,
    autoCreateTable: options.auto_create_table,
    maxCommitRetries: options.max_commit_retries,
    autoCompact: options.auto_compact,
    writer: options.writer,
    tableProperties: Object.freeze({ ...options.table_properties }),
  });
}
