import { assembleMessage, requireBatch } from '../arrow/message-assembly.ts';
import { readMessageMetadata } from '../arrow/metadata.ts';
import { encodeRecordBatchMessage, encodeSchemaMessage } from '../arrow/stream-writer.ts';
import { type MigrationPlan, newRunId } from '../backends/duckdb/migration-journal.ts';
import type { DuckDbMigrations } from '../backends/duckdb/migrations.ts';
import type { TableExport, TableSnapshot } from '../backends/duckdb/table-export.ts';
import type { Load } from '../core/backend.ts';
import { describeEnd } from '../core/migration.ts';
import { ArrowportError } from '../errors.ts';
import {
  cannotGoOn,
  commitLoad,
  hasFewer,
  isRemembered,
  type MigrationOutcome,
  type OpenMigration,
  otherMode,
  targetHasRows,
} from './open-migration.ts';

const batchSize = { rows: 122_880, bytes: 32 * 1024 * 1024 };
const plainBody = { codec: null, level: null };

/** Copies a DuckDB table into a Delta table: each range of row ids is a commit with a key of its own. */
export async function migrateToDelta(migration: OpenMigration): Promise<MigrationOutcome> {
  const stores = await migration.duckdb.openMigrations();
  try {
    await stores.settle();
    const source = await stores.openExport(migration.duckdbTable);
    const { signal } = migration.context;
    const stop = () => source.interrupt();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await new DeltaMigration(migration, stores, source).run();
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      signal.removeEventListener('abort', stop);
      source.close();
    }
  } finally {
    stores.close();
  }
}

class DeltaMigration {
  readonly #migration: OpenMigration;
  readonly #stores: DuckDbMigrations;
  readonly #source: TableExport;

  constructor(migration: OpenMigration, stores: DuckDbMigrations, source: TableExport) {
    this.#migration = migration;
    this.#stores = stores;
    this.#source = source;
  }

  async run(): Promise<MigrationOutcome> {
    const { request, context, names } = this.#migration;
    context.onProgress({ phase: 'checking', rows: 0, total: null });
    const previous = await this.#findPrevious();
    const snapshot = previous?.snapshot ?? (await this.#source.check(null));
    if (previous !== null) {
      const outcome = await this.#copy(previous.plan, snapshot, true);
      if (outcome !== null) return outcome;
    }
    await this.#refuseRows();
    const plan: MigrationPlan = {
      runId: newRunId(),
      existing: request.existing,
      partRows: request.partRows,
      digest: snapshot.digest,
      lastRow: snapshot.lastRow,
      version: null,
    };
    await this.#stores.journal.begin(...names, plan);
    const outcome = await this.#copy(plan, snapshot, false);
    if (outcome === null) throw new Error('A new migration has no first part.');
    return outcome;
  }

  /** The migration that an earlier run began, where its source still holds what it held. Throws TABLE_EXISTS otherwise. */
  async #findPrevious(): Promise<{ plan: MigrationPlan; snapshot: TableSnapshot } | null> {
    const { request, names, retentionHours } = this.#migration;
    const entry = await this.#stores.journal.find(...names);
    if (entry === undefined || (entry.isDone && request.existing === 'overwrite')) return null;
    const { plan } = entry;
    const snapshot = await this.#source.check(plan.lastRow);
    const isSame = snapshot.digest === plan.digest;
    if (entry.isDone) {
      // Rows that came since are for a migration of their own.
      const whole = isSame ? await this.#source.check(null) : null;
      return whole?.digest === plan.digest ? { plan, snapshot } : null;
    }
    const isSameMode = plan.existing === request.existing;
    if (isSame && isSameMode && isRemembered(entry, retentionHours)) return { plan, snapshot };
    if (request.existing === 'overwrite' || (await this.#countTargetRows()) === 0) return null;
    if (isSame && !isSameMode) throw otherMode(describeEnd(request.target), plan.existing);
    const why = isSame ? `was longer ago than ${retentionHours} hours` : 'had other rows to copy';
    throw cannotGoOn(describeEnd(request.target), why);
  }

  async #refuseRows(): Promise<void> {
    const { request } = this.#migration;
    if (request.existing !== 'refuse' || (await this.#countTargetRows()) === 0) return;
    throw targetHasRows(describeEnd(request.target), '');
  }

  async #countTargetRows(): Promise<number> {
    const { delta, deltaTable } = this.#migration;
    const found = await delta.findTable({ schema: null, name: deltaTable });
    return found?.rowCount ?? 0;
  }

  /** Copies what is not there yet; null where an earlier run is said to have begun and its first part is not there. */
  async #copy(
    plan: MigrationPlan,
    snapshot: TableSnapshot,
    isResumed: boolean,
  ): Promise<MigrationOutcome | null> {
    const { context, names, request } = this.#migration;
    const parts = this.#source.hasRowIds ? Math.max(1, Math.ceil((snapshot.lastRow + 1) / plan.partRows)) : 1;
    const found = { rows: 0, rows_resumed: 0, already_done: true, parts, version: null as number | null };
    for (let part = 0; part < parts; part += 1) {
      context.signal.throwIfAborted();
      const load = await this.#begin(plan, part);
      if (load.replays === undefined) {
        if (part === 0 && isResumed) {
          await load.abort();
          return null;
        }
        found.already_done = false;
        if (isResumed && found.rows_resumed === found.rows) await this.#stores.journal.begin(...names, plan);
        await this.#copyPart(load, plan, part, (rows) =>
          context.onProgress({ phase: 'copying', rows: found.rows + rows, total: snapshot.rows }),
        );
      }
      const result = await commitLoad(load);
      found.rows += result.rows;
      if (load.replays !== undefined) found.rows_resumed += result.rows;
      found.version = result.version;
      context.onProgress({ phase: 'copying', rows: found.rows, total: snapshot.rows });
    }
    if (found.rows !== snapshot.rows) {
      throw new ArrowportError('INTERNAL', 'The copied rows are not as many as those of the table.', {
        cause: new Error(`${found.rows} rows were copied of ${snapshot.rows}`),
      });
    }
    // Keys outlive rows that somebody has deleted since.
    if (found.rows_resumed > 0 && (await this.#countTargetRows()) < found.rows)
      throw hasFewer(describeEnd(request.target));
    await this.#stores.journal.finish(...names);
    return found;
  }

  #begin(plan: MigrationPlan, part: number): Promise<Load> {
    const { delta, route, request, context } = this.#migration;
    const { schema } = this.#source;
    const replaces = plan.existing === 'overwrite' && part === 0;
    return delta.begin({
      route,
      schema,
      schemaMetadata: encodeSchemaMessage(schema),
      options: {
        mode: replaces ? 'overwrite' : 'append',
        schemaMode: replaces ? 'overwrite' : 'strict',
        partitionBy: request.partitionBy,
        idempotencyKey: `migrate-${plan.runId}-${part}`,
      },
      requestId: context.requestId,
      signal: context.signal,
    });
  }

  async #copyPart(
    load: Load,
    plan: MigrationPlan,
    part: number,
    onRows: (rows: number) => void,
  ): Promise<void> {
    const { signal } = this.#migration.context;
    const from = part * plan.partRows;
    const last = (plan.lastRow ?? 0) + 1;
    let rows = 0;
    try {
      const { batches } = await this.#source.read(from, Math.min(from + plan.partRows, last), batchSize);
      for await (const batch of batches) {
        signal.throwIfAborted();
        const { metadata, body } = await encodeRecordBatchMessage(batch.columns, batch.rows, plainBody);
        await load.write(assembleMessage(requireBatch(readMessageMetadata(metadata)), metadata, body, null));
        rows += batch.rows;
        onRows(rows);
      }
    } catch (thrown) {
      await load.abort();
      throw thrown;
    }
  }
}
