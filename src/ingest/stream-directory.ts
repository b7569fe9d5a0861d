import type { Backend, TableDescription } from '../core/backend.ts';
import type { StreamDirectory, StreamSummary } from '../core/operations.ts';
import type { BackendKind } from '../core/receipt.ts';
import { describeTable, type Route, type TableName } from '../core/route.ts';
import { isStreamName } from '../core/stream-name.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { LastLoads } from './last-loads.ts';

/** A table as a backend lists it. */
export interface ListedTable extends TableDescription {
  readonly table: TableName;
}

/** What a directory looks things up in. */
export interface StreamDirectoryOptions {
  readonly router: { current(): RouteTable };
  readonly lastLoads: Pick<LastLoads, 'find' | 'list'>;
  openBackend(kind: BackendKind): Promise<Backend>;
  /** All tables in DuckDB; empty where DuckDB is not in use. */
  listTables(): Promise<readonly ListedTable[]>;
  /** The names of the Delta tables; empty where Delta is not in use. */
  listDeltaTables(): Promise<readonly string[]>;
}

/** Makes the directory of streams; every answer is as the tables are now. */
export function createStreamDirectory(options: StreamDirectoryOptions): StreamDirectory {
  const { router, lastLoads, openBackend } = options;

  const summarize = (
    stream: string,
    pattern: boolean,
    route: Route,
    found: TableDescription | undefined,
  ): StreamSummary => ({
    stream,
    pattern,
    table: describeTable(route.table),
    storage_backend: route.backend,
    row_count: found?.rowCount ?? null,
    schema: found?.columns ?? null,
    last_load: lastLoads.find(stream) ?? null,
  });

  return {
    async list() {
      const routes = router.current();
      const tables = await options.listTables();
      const byKey = new Map(tables.map((listed) => [keyOf(listed.table), listed]));
      const configured = routes.routes.map(async ({ name, pattern, route }) => {
        if (pattern && route.table.name === name) return summarize(name, pattern, route, undefined);
        const found =
          route.backend === 'duckdb' ? byKey.get(keyOf(route.table)) : await findBehind(openBackend, route);
        return summarize(name, pattern, route, found);
      });
      const unrouted = listUnrouted(tables, routes)
        .filter(({ route }) => route.backend === 'duckdb')
        .map(({ route, listed }) => summarize(route.stream, false, route, listed));
      const delta = unroutedDelta(await options.listDeltaTables(), routes).map(async (route) =>
        summarize(route.stream, false, route, await findBehind(openBackend, route)),
      );
      return [...(await Promise.all(configured)), ...unrouted, ...(await Promise.all(delta))];
    },
    async find(stream) {
      const route = router.current().resolve(stream);
      const found = await findBehind(openBackend, route);
      if (route.label === null && found === undefined) return undefined;
      return { ...summarize(stream, false, route, found), last_loads: lastLoads.list(stream) };
    },
  };
}

/** Tables that bear the name of a stream without a route, and that no route leads to. */
function listUnrouted(
  tables: readonly ListedTable[],
  routes: RouteTable,
): { route: Route; listed: ListedTable }[] {
  const routed = new Set(routes.routes.map(({ route }) => keyOf(route.table)));
  return tables
    .filter(({ table }) => isStreamName(table.name) && !routed.has(keyOf(table)))
    .map((listed) => ({ listed, route: routes.resolve(listed.table.name) }))
    .filter(({ listed, route }) => route.label === null && keyOf(route.table) === keyOf(listed.table));
}

/** Routes of the streams that made Delta tables without being routed. */
function unroutedDelta(names: readonly string[], routes: RouteTable): Route[] {
  const routed = new Set(
    routes.routes.filter(({ route }) => route.backend === 'delta').map(({ route }) => route.table.name),
  );
  return names
    .filter((name) => isStreamName(name) && !routed.has(name))
    .map((name) => routes.resolve(name))
    .filter(({ backend, label }) => backend === 'delta' && label === null);
}

/** DuckDB finds tables by name without regard to case, and calls its default schema main. */
function keyOf({ schema, name }: TableName): string {
  const folded = schema?.toLowerCase() ?? 'main';
  return JSON.stringify([folded, name.toLowerCase()]);
}

/** A backend that cannot be opened hides its tables, not the list: its loads and /health/ready tell why. */
async function findBehind(
  openBackend: StreamDirectoryOptions['openBackend'],
  route: Route,
): Promise<TableDescription | undefined> {
  let backend: Backend;
  try {
    backend = await openBackend(route.backend);
  } catch {
    return undefined;
  }
  return backend.findTable(route.table);
}
