import { ANYONE, requireStream } from '../core/auth.ts';
import type { LoadOptions } from '../core/backend.ts';
import type { IngestRequest } from '../core/ingest.ts';
import type { BackendKind } from '../core/receipt.ts';
import { describeTable, type Route, type WriteMode } from '../core/route.ts';
import { ArrowportError } from '../errors.ts';
import type { RouteTable } from '../router/route-table.ts';

/** Where a load goes and what it is asked to do there; fixed for the whole load. */
export interface LoadPlan {
  readonly route: Route;
  readonly options: LoadOptions;
}

/** The part of a request that decides where it goes and what it does there. */
export type PlannedRequest = Pick<
  IngestRequest,
  | 'stream'
  | 'caller'
  | 'tableHint'
  | 'deltaTable'
  | 'table'
  | 'ifExists'
  | 'backend'
  | 'mode'
  | 'schemaMode'
  | 'partitionBy'
  | 'idempotencyKey'
  | 'replacePredicate'
  | 'merge'
>;

/** Resolves a request against the routes in force. Throws STREAM_NAME_INVALID, OPTION_INVALID, FORBIDDEN. */
export function planLoad(request: PlannedRequest, routes: RouteTable): LoadPlan {
  const route = forceBackend(resolve(request, routes), request.backend);
  const replaces = request.ifExists === 'replace';
  const options: LoadOptions = {
    mode: replaces ? 'overwrite' : (request.mode ?? defaultMode(route)),
    schemaMode:
      replaces && route.backend === 'delta' ? 'overwrite' : (request.schemaMode ?? route.schemaMode),
    ...(request.ifExists === undefined ? {} : { ifExists: request.ifExists }),
    partitionBy: request.partitionBy,
    idempotencyKey: request.idempotencyKey,
    ...(request.replacePredicate === undefined ? {} : { replacePredicate: request.replacePredicate }),
    ...(request.merge === undefined ? {} : { merge: request.merge }),
  };
  if (route.backend === 'duckdb') checkDuckDbOptions(options);
  return { route, options };
}

function resolve(
  { stream, tableHint, deltaTable, table, caller = ANYONE }: PlannedRequest,
  routes: RouteTable,
): Route {
  requireStream(caller, stream);
  if (deltaTable !== undefined) {
    requireStream(caller, deltaTable);
    return { ...routes.resolveDeltaTable(deltaTable), stream };
  }
  const route = routes.resolve(stream);
  if (table !== undefined && route.label === null) return { ...route, backend: 'duckdb', table };
  if (tableHint === undefined || describeTable(route.table) === tableHint) return route;
  if (route.label === null) {
    requireStream(caller, tableHint);
    return { ...routes.resolve(tableHint), stream };
  }
  throw new ArrowportError(
    'OPTION_INVALID',
    `The stream ${stream} is routed to ${describeTable(route.table)}, not to ${tableHint}: leave the table out or correct it.`,
  );
}

/** Forced onto another backend, the route's table means nothing: it is the one of the stream's name there. */
function forceBackend(route: Route, backend: BackendKind | null): Route {
  if (backend === null || backend === route.backend) return route;
  return { ...route, backend, table: { schema: null, name: route.stream } };
}

function defaultMode(route: Route): WriteMode {
  return route.backend === 'delta' ? route.delta.writeMode : 'append';
}

function checkDuckDbOptions({ mode, schemaMode, partitionBy, replacePredicate }: LoadOptions): void {
  const refuse = (what: string) => {
    throw new ArrowportError(
      'OPTION_INVALID',
      `${what} is not for tables in DuckDB: leave it out, or send the stream to Delta.`,
    );
  };
  if (mode === 'merge') refuse('mode "merge"');
  if (schemaMode === 'overwrite') refuse('schema_mode "overwrite"');
  if (partitionBy !== null && partitionBy.length > 0) refuse('partition_by');
  if ((replacePredicate ?? null) !== null) refuse('predicate');
}
