import {
  type CatalogColumn,
  type CatalogName,
  type CatalogSchema,
  type CatalogTable,
  NO_PARAMETERS,
  type PreparedQuery,
  type QueryContext,
  type QueryFile,
  type QueryParameters,
  type QueryResult,
  type QueryRunner,
  type ReadPart,
  type TableKey,
} from '../../../core/query.ts';
import type { ArrowSchema } from '../../../core/schema.ts';
import { quoteIdentifier } from '../identifier.ts';
import { listColumns, listKeys, listSchemas, listTables } from './catalog-listing.ts';
import type { EngineParts, Lease, LeaseSource } from './engine-parts.ts';
import { exportParquet } from './parquet-export.ts';
import { toQueryError } from './query-error.ts';
import { findReadParts, mayNameRelation } from './read-parts.ts';
import { RunGuard } from './run-guard.ts';
import { describeStatement, runChanges, startStatement } from './statement-execution.ts';
import { openStatement } from './statement-run.ts';

/** Runs statements on connections that it is given one by one. */
export class StatementRunner implements QueryRunner {
  readonly #parts: EngineParts;
  readonly #source: LeaseSource;

  constructor(parts: EngineParts, source: LeaseSource) {
    this.#parts = parts;
    this.#source = source;
  }

  async prepare(sql: string, context: QueryContext): Promise<PreparedQuery> {
    const open = await openStatement(sql, NO_PARAMETERS, context, this.#parts, this.#source);
    try {
      const schemas = await describeStatement(open, null);
      const { kind } = open.admitted;
      const { returnsRows } = open;
      return this.#preparedQuery({ sql, kind, returnsRows }, schemas, context);
    } catch (thrown) {
      throw open.translate(thrown);
    } finally {
      await open.end(false);
    }
  }

  async run(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryResult> {
    const open = await openStatement(sql, parameters, context, this.#parts, this.#source);
    return startStatement(open, parameters, context, this.#parts);
  }

  async runUpdate(sql: string, parameters: QueryParameters, context: QueryContext): Promise<number> {
    const open = await openStatement(sql, parameters, context, this.#parts, this.#source);
    if (!open.returnsRows) return runChanges(open, parameters);
    const result = await startStatement(open, parameters, context, this.#parts);
    let rows = 0;
    for await (const batch of result.batches) rows += batch.rows;
    return rows;
  }

  async exportParquet(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryFile> {
    const open = await openStatement(sql, parameters, context, this.#parts, this.#source);
    return exportParquet(open, parameters, context, this.#parts);
  }

  async splitRead(sql: string, partBytes: number, context: QueryContext): Promise<readonly ReadPart[]> {
    const { relations } = this.#parts;
    if (!mayNameRelation(sql, relations)) return [];
    const { caller } = context;
    return this.#look(context, ({ connection }) =>
      findReadParts(sql, partBytes, { connection, caller, relations }),
    );
  }

  listTables(context: QueryContext): Promise<readonly CatalogTable[]> {
    return this.#look(context, (lease) => listTables(lease, context.caller, this.#parts.relations));
  }

  listSchemas(context: QueryContext): Promise<readonly CatalogSchema[]> {
    return this.#look(context, (lease) => listSchemas(lease, this.#parts.relations));
  }

  listKeys(context: QueryContext): Promise<readonly TableKey[]> {
    return this.#look(context, (lease) => listKeys(lease, context.caller));
  }

  listColumns(table: Required<CatalogName>, context: QueryContext): Promise<readonly CatalogColumn[]> {
    return this.#look(context, (lease) => listColumns(lease, table, context.caller));
  }

  async describeTable(table: CatalogName, context: QueryContext): Promise<ArrowSchema> {
    const parts = [table.catalog, table.schema, table.name].filter((part) => part !== undefined);
    const prepared = await this.prepare(`SELECT * FROM ${parts.map(quoteIdentifier).join('.')}`, context);
    await prepared.close();
    return prepared.resultSchema;
  }

  #preparedQuery(
    facts: Pick<PreparedQuery, 'sql' | 'kind' | 'returnsRows'>,
    schemas: { readonly parameters: ArrowSchema; readonly result: ArrowSchema },
    preparedBy: QueryContext,
  ): PreparedQuery {
    return {
      ...facts,
      parameterSchema: schemas.parameters,
      resultSchema: schemas.result,
      describe: async (parameters) => {
        // The signal of the call that prepared it may have fired since.
        const { signal: _, ...context } = preparedBy;
        const open = await openStatement(facts.sql, parameters, context, this.#parts, this.#source);
        try {
          return (await describeStatement(open, parameters)).result;
        } catch (thrown) {
          throw open.translate(thrown);
        } finally {
          await open.end(false);
        }
      },
      execute: (parameters, context) => this.run(facts.sql, parameters, context),
      executeUpdate: (parameters, context) => this.runUpdate(facts.sql, parameters, context),
      close: async () => undefined,
    };
  }

  /** Asks the catalog something of the server's own making. */
  async #look<T>(context: QueryContext, ask: (lease: Lease) => Promise<T>): Promise<T> {
    this.#parts.refuseDraining();
    const guard = new RunGuard(context, this.#parts.settings().timeout_ms);
    const giveBack = await this.#parts.lookups.acquire(context.caller.name, context.signal);
    let lease: Lease | null = null;
    try {
      const found = await this.#source(context, guard, '');
      lease = found;
      guard.watch(found.connection);
      return await guard.run(() => ask(found));
    } catch (thrown) {
      throw toQueryError(thrown, { sql: '' });
    } finally {
      guard.end();
      await lease?.end(false);
      giveBack();
    }
  }
}
