import { type DuckDBPreparedStatement, StatementType } from '@duckdb/node-api';
import {
  type PreparedQuery,
  type QueryContext,
  type QueryParameters,
  queryAccess,
} from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';
import { layBounds, liftBounds } from './call-bounds.ts';
import type { EngineParts, Lease, LeaseSource } from './engine-parts.ts';
import type { AdmittedStatement, GateContext } from './gate-context.ts';
import { parameterBytes } from './parameter-bytes.ts';
import { plainMessage, toQueryError } from './query-error.ts';
import { RunGuard } from './run-guard.ts';
import { readSqlTokens } from './sql-tokens.ts';
import { admitStatement } from './statement-gate.ts';

/** A statement that is prepared on a connection. */
export interface OpenStatement {
  readonly lease: Lease;
  readonly guard: RunGuard;
  readonly admitted: AdmittedStatement;
  readonly prepared: DuckDBPreparedStatement;
  readonly returnsRows: boolean;
  /** The error of the table for what a call of the engine threw; what it means for the engine is passed on. */
  translate(thrown: unknown): ArrowportError;
  /** Gives everything back. */
  end(broken: boolean): Promise<void>;
}

const preparedAs: Readonly<Record<PreparedQuery['kind'], ReadonlySet<StatementType>>> = {
  query: new Set([StatementType.SELECT, StatementType.EXPLAIN]),
  update: new Set([
    StatementType.INSERT,
    StatementType.UPDATE,
    StatementType.DELETE,
    StatementType.MERGE_INTO,
  ]),
  ddl: new Set([StatementType.CREATE, StatementType.CREATE_FUNC, StatementType.ALTER, StatementType.DROP]),
};

/** Finds a connection, passes the statement through the gate and prepares it. Nothing is held when it throws. */
export async function openStatement(
  sql: string,
  parameters: QueryParameters,
  context: QueryContext,
  parts: EngineParts,
  source: LeaseSource,
): Promise<OpenStatement> {
  parts.refuseDraining();
  const guard = new RunGuard(context, parts.settings().timeout_ms);
  let giveBack: (() => void) | null = null;
  let lease: Lease | null = null;
  let made: DuckDBPreparedStatement | null = null;
  const showsNames = context.caller.isUnrestricted;
  let scene: Parameters<typeof toQueryError>[1] = { sql, showsNames };
  const translate = (thrown: unknown): ArrowportError => {
    if (guard.reason === null) parts.host.noteFailure(plainMessage(thrown));
    return toQueryError(guard.reason ?? thrown, scene);
  };
  let ended = false;
  let isBounded = false;
  const cleanUps: (() => void)[] = [];
  const end = async (broken: boolean): Promise<void> => {
    if (ended) return;
    ended = true;
    guard.end();
    for (const cleanUp of cleanUps) cleanUp();
    parts.running.delete(guard);
    // A statement that failed keeps what it had gathered, until the garbage is collected.
    made?.destroySync();
    try {
      if (isBounded && lease !== null) await liftBounds(lease, lease.schema);
      await lease?.end(broken);
    } finally {
      giveBack?.();
    }
  };
  try {
    giveBack = await parts.statements.acquire(guard.signal);
    parts.running.add(guard);
    const found = await source(context, guard, sql);
    lease = found;
    guard.watch(found.connection);
    const gate = { ...gateContext(found, parameters, context, parts), onEnd: cleanUps.push.bind(cleanUps) };
    const admitted = await guard.run(() => admitStatement(sql, gate));
    if (admitted.kind !== 'query') found.noteChange?.();
    const { valueLimitBytes, boundsCalls, isHungry } = admitted.growth;
    if (isHungry) cleanUps.push(parts.memory.watch(guard));
    if (valueLimitBytes !== null) {
      isBounded = true;
      await guard.run(() => layBounds(found, found.schema, valueLimitBytes, boundsCalls));
    }
    scene = { sql, showsNames, locate: admitted.sql.locate };
    const prepared = await parts.engineCalls.run(
      () => guard.run(() => found.connection.prepare(admitted.sql.text)),
      guard.signal,
    );
    made = prepared;
    refuseOtherKind(prepared, admitted);
    return {
      lease: found,
      guard,
      admitted,
      prepared,
      returnsRows: admitted.kind === 'query' || (admitted.kind === 'update' && hasReturning(sql)),
      translate,
      end,
    };
  } catch (thrown) {
    const error = translate(thrown);
    await end(false);
    throw error;
  }
}

function gateContext(
  lease: Lease,
  parameters: QueryParameters,
  context: QueryContext,
  parts: EngineParts,
): Omit<GateContext, 'onEnd'> {
  return {
    connection: lease.connection,
    rules: lease.rules,
    access: queryAccess(context.caller),
    readOnly: context.readOnly === true,
    caller: context.caller,
    pending: lease.database.pendingTables(),
    schema: lease.schema,
    inSession: lease.inSession,
    relations: parts.relations,
    part: context.part,
    parameterBytes: parameterBytes(parameters),
    maxCallBytes: parts.settings().max_call_bytes,
  };
}

/** DuckDB must have understood the statement as the gate did. */
function refuseOtherKind(prepared: DuckDBPreparedStatement, { kind }: AdmittedStatement): void {
  if (preparedAs[kind].has(prepared.statementType)) return;
  throw new ArrowportError('QUERY_FORBIDDEN', 'Statements of this kind are not open here.');
}

function hasReturning(sql: string): boolean {
  return readSqlTokens(sql)?.some(({ kind, value }) => kind === 'word' && value === 'returning') ?? false;
}
