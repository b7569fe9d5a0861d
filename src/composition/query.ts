import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import type { RelationSource } from '../backends/duckdb/query/relation-source.ts';
import type { Config } from '../config/schema.ts';
import type { AuditTrail } from '../core/audit.ts';
import type { QueryEngine } from '../core/query.ts';
import { auditQueries } from './audited-queries.ts';

/** What the query engine of a server is made of. */
export interface QuerySideOptions {
  config(): Config;
  /** Opens the DuckDB backend, once. */
  openDuckDb(): Promise<DuckDbBackend>;
  /** Tables of other backends, named in SQL. */
  readonly relations?: readonly RelationSource[];
  /** Takes down what statements change, where the configuration names an audit log. */
  readonly audit: AuditTrail;
}

/** Makes the server's query engine; DuckDB is loaded and opened with the first statement. */
export function createQuerySide(options: QuerySideOptions): QueryEngine {
  let made: Promise<QueryEngine> | null = null;
  let draining = false;
  const make = async (): Promise<QueryEngine> => {
    const { createDuckDbQueryEngine } = await import('../backends/duckdb/query/engine.ts');
    const backend = await options.openDuckDb();
    const engine = createDuckDbQueryEngine({
      host: backend.queryHost,
      settings: () => options.config().query,
      relations: options.relations ?? [],
    });
    if (draining) engine.setDraining();
    return engine;
  };
  const open = (): Promise<QueryEngine> => {
    made ??= make().catch((thrown: unknown) => {
      made = null;
      throw thrown;
    });
    return made;
  };
  const engine: QueryEngine = {
    prepare: async (sql, context) => (await open()).prepare(sql, context),
    run: async (sql, parameters, context) => (await open()).run(sql, parameters, context),
    runUpdate: async (sql, parameters, context) => (await open()).runUpdate(sql, parameters, context),
    exportParquet: async (sql, parameters, context) => (await open()).exportParquet(sql, parameters, context),
    splitRead: async (sql, partBytes, context) => (await open()).splitRead(sql, partBytes, context),
    listTables: async (context) => (await open()).listTables(context),
    listSchemas: async (context) => (await open()).listSchemas(context),
    listKeys: async (context) => (await open()).listKeys(context),
    listColumns: async (table, context) => (await open()).listColumns(table, context),
    describeTable: async (table, context) => (await open()).describeTable(table, context),
    openSession: async (caller) => (await open()).openSession(caller),
    setDraining() {
      draining = true;
      void made?.then((engine) => engine.setDraining()).catch(() => undefined);
    },
    async close() {
      await (await made?.catch(() => null))?.close();
    },
  };
  return options.config().audit.file === null ? engine : auditQueries(engine, options.audit);
}
