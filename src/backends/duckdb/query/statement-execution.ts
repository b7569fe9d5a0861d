import type { DuckDBPreparedStatement, DuckDBResult } from '@duckdb/node-api';
import type { QueryContext, QueryParameters, QueryResult } from '../../../core/query.ts';
import type { ArrowField, ArrowSchema } from '../../../core/schema.ts';
import { readArrowResult } from '../arrow-result.ts';
import { readPreparedSchema } from '../native/prepared-schema.ts';
import {
  type Binding,
  bindNulls,
  type RowBinding,
  readBindings,
  readRowBindings,
} from './bind-parameters.ts';
import type { EngineParts } from './engine-parts.ts';
import { type GroupedInsert, groupInsert } from './grouped-insert.ts';
import { ResultStream } from './result-stream.ts';
import type { OpenStatement } from './statement-run.ts';
import { withoutRows } from './statement-text.ts';

const countField: ArrowField = {
  name: 'Count',
  type: { kind: 'int', bitWidth: 64, signed: true },
  nullable: true,
  children: [],
  dictionary: null,
  metadata: new Map(),
};

/** Runs an open statement; the result owns it from then on. Throws with everything given back. */
export async function startStatement(
  open: OpenStatement,
  parameters: QueryParameters,
  context: QueryContext,
  parts: EngineParts,
): Promise<QueryResult> {
  if (!open.returnsRows) return countResult(await runChanges(open, parameters));
  const bindings = readBindings(parameters);
  const runNext = async (binding: Binding): Promise<DuckDBResult> => {
    if (open.admitted.kind === 'query') {
      return open.runLong((prepared) => {
        binding(prepared);
        return prepared.stream();
      });
    }
    binding(open.prepared);
    // What changes rows runs to its end whatever its reader does.
    return open.lease.database.database.write(() => open.call(() => open.prepared.run()));
  };
  try {
    const first = bindings.next();
    const result = first.done === true ? await runEmpty(open) : await runNext(first.value);
    return new ResultStream(result, {
      guard: open.guard,
      translate: open.translate,
      settings: parts.settings(),
      maxRows: context.maxRows,
      call: open.call,
      giveWay: open.giveWay,
      next: async () => {
        const following = bindings.next();
        return following.done === true ? null : runNext(following.value);
      },
      onEnd: ({ complete }) => open.end(!complete),
    });
  } catch (thrown) {
    const error = open.translate(thrown);
    await open.end(true);
    throw error;
  }
}

/** Runs an open statement that answers no rows, once for each binding and all or none; -1 for DDL. Ends it in any case. */
export async function runChanges(open: OpenStatement, parameters: QueryParameters): Promise<number> {
  const { prepared, lease, call, admitted } = open;
  const write = <T>(work: () => Promise<T>) => lease.database.database.write(() => call(work));
  const isBatch = parameters.kind === 'arrow' && !lease.inTransaction;
  const isUpdate = admitted.kind !== 'ddl';
  let changed = 0;
  let begun = false;
  try {
    if (isBatch) {
      await call(() => lease.connection.run('BEGIN'));
      begun = true;
    }
    const group = isUpdate ? await findGroup(open, parameters) : null;
    if (group !== null) changed += await runGroups(open, parameters, group);
    else {
      for (const binding of readBindings(parameters)) {
        binding(prepared);
        const result = await write(() => prepared.run());
        changed += isUpdate ? result.rowsChanged : await readCount(result);
      }
    }
    if (begun) await write(() => lease.connection.run('COMMIT'));
    if (admitted.kind === 'ddl') lease.database.tablesChanged();
  } catch (thrown) {
    const error = open.translate(thrown);
    if (begun) await lease.connection.run('ROLLBACK').catch(() => undefined);
    await open.end(false);
    throw error;
  }
  await open.end(false);
  return admitted.kind === 'ddl' && changed === 0 ? -1 : changed;
}

function findGroup(
  { lease, admitted, prepared, call }: OpenStatement,
  parameters: QueryParameters,
): Promise<GroupedInsert | null> {
  const { connection } = lease;
  return call(() => groupInsert(admitted.sql.text, parameters, prepared.parameterCount, connection));
}

/** Runs an INSERT for many rows at once, and for those left over one by one. */
async function runGroups(
  { lease, prepared, call }: OpenStatement,
  parameters: QueryParameters,
  { sql, rows }: GroupedInsert,
): Promise<number> {
  const width = prepared.parameterCount;
  const grouped = await call(() => lease.connection.prepare(sql));
  const run = (statement: DuckDBPreparedStatement) =>
    lease.database.database.write(() => call(() => statement.run()));
  let changed = 0;
  let held: RowBinding[] = [];
  try {
    for (const binding of readRowBindings(parameters)) {
      held.push(binding);
      if (held.length < rows) continue;
      held.forEach((bind, index) => {
        bind(grouped, index * width);
      });
      held = [];
      changed += (await run(grouped)).rowsChanged;
    }
    for (const bind of held) {
      bind(prepared, 0);
      changed += (await run(prepared)).rowsChanged;
    }
    return changed;
  } finally {
    grouped.destroySync();
  }
}

/** The rows of a table that was made of a query, which DuckDB counts in its answer alone. */
async function readCount(result: DuckDBResult): Promise<number> {
  const [[count] = []] = await result.getRows();
  return typeof count === 'bigint' ? Number(count) : 0;
}

/** The schemas of an open statement; the result's as far as it is known without parameters. Nothing runs. */
export async function describeStatement(
  open: OpenStatement,
  parameters: QueryParameters | null,
): Promise<{ readonly parameters: ArrowSchema; readonly result: ArrowSchema }> {
  const known = readPreparedSchema(open.lease.connection, open.prepared);
  if (!open.returnsRows) {
    return { parameters: known.parameters, result: { fields: [], metadata: new Map() } };
  }
  const result = known.columns ?? (await describeBound(open, parameters));
  return { parameters: known.parameters, result };
}

/** Asks for no rows of the statement under a binding: what types hang on parameters is known then. */
async function describeBound(open: OpenStatement, parameters: QueryParameters | null): Promise<ArrowSchema> {
  const binding = parameters === null ? undefined : readBindings(parameters).next().value;
  const result = await runEmpty(open, binding ?? bindNulls);
  const arrow = readArrowResult(result, { rows: 1, bytes: 1 });
  arrow.close();
  return arrow.schema;
}

async function runEmpty(open: OpenStatement, binding: Binding = bindNulls): Promise<DuckDBResult> {
  const { lease, call, admitted } = open;
  const [first, second] = withoutRows(admitted.sql.text);
  return call(async () => {
    const { connection } = lease;
    const prepared = await connection.prepare(first).catch(() => connection.prepare(second));
    try {
      binding(prepared);
      return await prepared.run();
    } finally {
      prepared.destroySync();
    }
  });
}

/** One row that tells how many rows a statement changed; none where it is one that does not count. */
function countResult(count: number): QueryResult {
  const value = new BigInt64Array([BigInt(Math.max(0, count))]);
  const column = {
    field: countField,
    length: 1,
    nullCount: 0,
    buffers: [null, new Uint8Array(value.buffer)],
    children: [],
    dictionary: null,
  };
  async function* batches() {
    yield { columns: [column], rows: 1 };
  }
  return {
    schema: { fields: [countField], metadata: new Map() },
    columnTypes: ['BIGINT'],
    batches: batches(),
    isTruncated: () => false,
    close: async () => undefined,
  };
}
