import type { PreparedQuery, QueryRunner, QuerySession } from '../core/query.ts';

/** What a runner knows of the tables, passed on as it is. */
export function passCatalog(
  runner: QueryRunner,
): Pick<QueryRunner, 'listTables' | 'listSchemas' | 'listKeys' | 'listColumns' | 'describeTable'> {
  return {
    listTables: (context) => runner.listTables(context),
    listSchemas: (context) => runner.listSchemas(context),
    listKeys: (context) => runner.listKeys(context),
    listColumns: (table, context) => runner.listColumns(table, context),
    describeTable: (table, context) => runner.describeTable(table, context),
  };
}

/** A statement that is carried out in another way and is otherwise as it was. */
export function wrapStatement(
  statement: PreparedQuery,
  own: Pick<PreparedQuery, 'execute' | 'executeUpdate'>,
): PreparedQuery {
  return {
    sql: statement.sql,
    kind: statement.kind,
    returnsRows: statement.returnsRows,
    parameterSchema: statement.parameterSchema,
    resultSchema: statement.resultSchema,
    describe: (parameters) => statement.describe(parameters),
    close: () => statement.close(),
    ...own,
  };
}

/** A session whose statements, and where given the ends of its transactions, are another's; the rest is its own. */
export function wrapSession(
  session: QuerySession,
  own: QueryRunner & Partial<Pick<QuerySession, 'commit' | 'rollback'>>,
): QuerySession {
  return {
    begin: () => session.begin(),
    commit: () => session.commit(),
    rollback: () => session.rollback(),
    ...own,
    get isInTransaction() {
      return session.isInTransaction;
    },
    get mayHoldTemporaries() {
      return session.mayHoldTemporaries;
    },
    get hasChanged() {
      return session.hasChanged;
    },
    renewSnapshot: () => session.renewSnapshot(),
    setOption: (name, value) => session.setOption(name, value),
    options: () => session.options(),
    beginLoad: (request) => session.beginLoad(request),
    close: () => session.close(),
  };
}
