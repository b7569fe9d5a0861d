import type { AuditEvent, AuditOutcome, AuditTrail } from '../core/audit.ts';
import type {
  PreparedQuery,
  QueryContext,
  QueryEngine,
  QueryParameters,
  QueryResult,
  QueryRunner,
  QuerySession,
} from '../core/query.ts';
import { toArrowportError } from '../errors.ts';
import { readStatementSubject } from './changed-table.ts';
import { passCatalog, wrapSession, wrapStatement } from './wrapped-queries.ts';

/** How a change that has been made, or has failed, comes into the trail. */
type Tell = (event: AuditEvent) => void;

/**
 * Puts a trail behind a query engine: each statement that changes something is taken down when it is durable, or has
 * failed; those inside a transaction with its commit. What only reads passes through.
 */
export function auditQueries(engine: QueryEngine, trail: AuditTrail): QueryEngine {
  const tell: Tell = (event) => trail.record(event);
  return {
    ...auditRunner(engine, trail, () => tell),
    exportParquet: (sql, parameters, context) => engine.exportParquet(sql, parameters, context),
    splitRead: (sql, partBytes, context) => engine.splitRead(sql, partBytes, context),
    openSession: async (caller) => auditSession(await engine.openSession(caller), trail),
    setDraining: () => engine.setDraining(),
    close: () => engine.close(),
  };
}

function auditSession(session: QuerySession, trail: AuditTrail): QuerySession {
  /** What the open transaction has changed so far. */
  let pending: AuditEvent[] = [];
  const keep: Tell = (event) => void pending.push(event);
  const tell: Tell = (event) => trail.record(event);
  const end = (outcome: (event: AuditEvent) => Pick<AuditEvent, 'outcome' | 'code'>) => {
    for (const event of pending) trail.record({ ...event, ...outcome(event) });
    pending = [];
  };
  return wrapSession(session, {
    ...auditRunner(session, trail, () => (session.isInTransaction ? keep : tell)),
    async commit() {
      try {
        await session.commit();
      } catch (thrown) {
        const { outcome, code } = toArrowportError(thrown);
        end(() => ({ outcome, code }));
        throw thrown;
      }
      end(({ outcome, code }) => (code === undefined ? { outcome } : { outcome, code }));
    },
    async rollback() {
      pending = [];
      await session.rollback();
    },
  });
}

function auditRunner(runner: QueryRunner, trail: AuditTrail, tell: () => Tell): QueryRunner {
  /** Runs a change and tells of it, however it ends. */
  const change = async <T>(
    sql: string,
    context: QueryContext,
    run: () => Promise<T>,
    rowsOf: (result: T) => number | null,
  ): Promise<T> => {
    trail.ensureWritable();
    const to = tell();
    try {
      const result = await run();
      const rows = rowsOf(result);
      to({ ...describe(sql, context, 'committed'), ...(rows === null || rows < 0 ? {} : { rows }) });
      return result;
    } catch (thrown) {
      const { outcome, code } = toArrowportError(thrown);
      trail.record({ ...describe(sql, context, outcome), code });
      throw thrown;
    }
  };
  const uncounted = () => null;

  const audited = (statement: PreparedQuery): PreparedQuery => {
    if (statement.kind === 'query') return statement;
    return wrapStatement(statement, {
      execute: (parameters, context) =>
        change(statement.sql, context, () => statement.execute(parameters, context), uncounted),
      executeUpdate: (parameters, context) =>
        change(
          statement.sql,
          context,
          () => statement.executeUpdate(parameters, context),
          (rows) => rows,
        ),
    });
  };

  const prepare = async (sql: string, context: QueryContext) => audited(await runner.prepare(sql, context));
  // What a caller may not change needs no look at what it would be.
  const mayChange = ({ caller, readOnly }: QueryContext) => readOnly !== true && caller.hasScope('admin');
  return {
    prepare,
    async run(sql: string, parameters: QueryParameters, context: QueryContext): Promise<QueryResult> {
      if (!mayChange(context)) return runner.run(sql, parameters, context);
      const statement = await prepare(sql, context);
      try {
        if (statement.kind === 'query') return await runner.run(sql, parameters, context);
        return await statement.execute(parameters, context);
      } finally {
        await statement.close();
      }
    },
    async runUpdate(sql, parameters, context) {
      if (!mayChange(context)) return runner.runUpdate(sql, parameters, context);
      const statement = await prepare(sql, context);
      try {
        return await statement.executeUpdate(parameters, context);
      } finally {
        await statement.close();
      }
    },
    ...passCatalog(runner),
  };
}

function describe(sql: string, { caller, requestId }: QueryContext, outcome: AuditOutcome): AuditEvent {
  const { verb, table } = readStatementSubject(sql);
  return {
    caller: caller.name,
    action: `sql ${verb}`,
    outcome,
    requestId,
    backend: 'duckdb',
    ...(table === undefined ? {} : { table }),
  };
}
