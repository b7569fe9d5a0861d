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
import { givingWay } from './give-way.ts';
import { parameterBytes } from './parameter-bytes.ts';
import { PreparedForm } from './prepared-form.ts';
import { type ErrorScene, plainMessage, toQueryError } from './query-error.ts';
import { RunGuard } from './run-guard.ts';
import { readSqlTokens } from './sql-tokens.ts';
import { admitStatement } from './statement-gate.ts';

/** A statement that is prepared on a connection. */
export interface OpenStatement {
  readonly lease: Lease;
  readonly guard: RunGuard;
  readonly admitted: AdmittedStatement;
  /** As it was prepared first: not to be used once `runLong` was called. */
  readonly prepared: DuckDBPreparedStatement;
  readonly returnsRows: boolean;
  /** Runs a call of the engine when there is room for one more. Throws the reason why the statement was stopped. */
  call<T>(work: () => Promise<T>): Promise<T>;
  /** The same for a call that may take long and changes nothing: it may be made several times, each time prepared anew. */
  runLong<T>(work: (prepared: DuckDBPreparedStatement) => Promise<T>): Promise<T>;
  /** Runs what takes a core, and rests behind it where loads are written. */
  giveWay<T>(work: () => Promise<T>): Promise<T>;
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
  let form: PreparedForm | null = null;
  let scene: ErrorScene = { sql, showsNames: context.caller.isUnrestricted };
  const translate = (thrown: unknown): ArrowportError => {
    const hasAllMemory = parts.running.size <= 1 && !parts.host.mayFindMemory();
    if (guard.reason === null) parts.host.noteFailure(plainMessage(thrown));
    return toQueryError(guard.reason ?? thrown, { ...scene, hasAllMemory });
  };
  const calls = createCalls(guard, context.caller.name, parts);
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
    form?.letGo();
    try {
      if (isBounded && lease !== null) await liftBounds(lease, lease.schema);
      await lease?.end(broken);
    } finally {
      giveBack?.();
    }
  };
  try {
    giveBack = await parts.statements.acquire(context.caller.name, guard.signal);
    parts.running.add(guard);
    const found = await source(context, guard, sql);
    lease = found;
    guard.watch(found.connection);
    const gate = gateContext(found, parameters, context, parts, cleanUps);
    const admitted = await guard.run(() => admitStatement(sql, gate));
    if (admitted.kind !== 'query') found.noteChange?.();
    const { valueLimitBytes, boundsCalls } = admitted.growth;
    if (admitted.growth.isHungry) cleanUps.push(parts.memory.watch(guard));
    if (valueLimitBytes !== null) {
      isBounded = true;
      await guard.run(() => layBounds(found, found.schema, valueLimitBytes, boundsCalls));
    }
    scene = { ...scene, locate: admitted.sql.locate };
    const prepare = () => found.connection.prepare(admitted.sql.text);
    const prepared = await calls.call(prepare);
    const made = new PreparedForm(prepared, prepare);
    form = made;
    const run = found.inTransaction ? null : { guard, caller: context.caller.name, form: made };
    refuseOtherKind(prepared, admitted);
    return {
      lease: found,
      guard,
      admitted,
      prepared,
      returnsRows: answersRows(admitted, sql),
      ...calls,
      // What is broken off within a transaction takes it along.
      runLong: (work) =>
        calls.giveWay(() => parts.longRuns.run(() => calls.call(async () => work(await made.take())), run)),
      translate,
      end,
    };
  } catch (thrown) {
    const error = translate(thrown);
    await end(false);
    throw error;
  }
}

/** How a statement of a caller calls the engine. */
function createCalls(
  guard: RunGuard,
  caller: string,
  { engineCalls, host }: EngineParts,
): Pick<OpenStatement, 'call' | 'giveWay'> {
  return {
    call: (work) => engineCalls.run(() => guard.run(work), caller, guard.signal),
    giveWay: (work) => givingWay(work, () => host.isLoading(), guard.signal),
  };
}

function gateContext(
  lease: Lease,
  parameters: QueryParameters,
  context: QueryContext,
  parts: EngineParts,
  cleanUps: (() => void)[],
): GateContext {
  return {
    onEnd: (cleanUp) => cleanUps.push(cleanUp),
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

function answersRows({ kind }: AdmittedStatement, sql: string): boolean {
  if (kind !== 'update') return kind === 'query';
  return readSqlTokens(sql)?.some((token) => token.kind === 'word' && token.value === 'returning') ?? false;
}
