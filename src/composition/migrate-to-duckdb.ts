import { openIpcBody } from '../arrow/ipc-reader.ts';
import type { PartsRequest } from '../backends/delta/table-parts.ts';
import { type MigrationPlan, newRunId } from '../backends/duckdb/migration-journal.ts';
import type { DuckDbMigrations } from '../backends/duckdb/migrations.ts';
import type { TableImport } from '../backends/duckdb/table-import.ts';
import type { Load } from '../core/backend.ts';
import type { StreamResources } from '../core/ingest.ts';
import type { IpcStream } from '../core/ipc-message.ts';
import { DUCKDB_TYPE_KEY, describeEnd } from '../core/migration.ts';
import { ArrowportError } from '../errors.ts';
import {
  commitLoad,
  hasFewer,
  isRemembered,
  type MigrationOutcome,
  type OpenMigration,
  targetHasRows,
} from './open-migration.ts';

/** Readers may look a little behind the end of a body. */
const slackBytes = 64;
/** The worker is trusted with memory: it sends a batch of the engine's own size at a time. */
const resources: StreamResources = {
  allocator: {
    allocate: (length) => ({
      bytes: Buffer.allocUnsafeSlow(length + slackBytes).subarray(0, length),
      release: () => undefined,
    }),
  },
  limits: { maxMessageBytes: Number.MAX_SAFE_INTEGER, maxDecompressedRatio: Number.MAX_SAFE_INTEGER },
};

/** Copies one version of a Delta table into a DuckDB table, where all rows appear at once when they are there. */
export async function migrateToDuckDb(migration: OpenMigration): Promise<MigrationOutcome> {
  const stores = await migration.duckdb.openMigrations();
  try {
    return await new DuckDbMigration(migration, stores).run();
  } catch (thrown) {
    migration.context.signal.throwIfAborted();
    throw thrown;
  } finally {
    stores.close();
  }
}

class DuckDbMigration {
  readonly #migration: OpenMigration;
  readonly #stores: DuckDbMigrations;

  constructor(migration: OpenMigration, stores: DuckDbMigrations) {
    this.#migration = migration;
    this.#stores = stores;
  }

  async run(): Promise<MigrationOutcome> {
    const { delta, deltaTable, request, context, names, duckdbTable } = this.#migration;
    context.onProgress({ phase: 'checking', rows: 0, total: null });
    const { version: latest } = await delta.tables.info(deltaTable, { requestId: context.requestId });
    const wanted = request.version ?? latest;
    const previous = await this.#findPrevious(wanted);
    if (previous?.isDone === true) {
      const parts = await delta.parts.list(deltaTable, this.#partsOf(previous.plan), context);
      const rows = parts.reduce((sum, count) => sum + count, 0);
      if (((await this.#stores.countRows(duckdbTable)) ?? 0) < rows)
        throw hasFewer(describeEnd(request.target));
      return { rows, rows_resumed: rows, already_done: true, parts: 0, version: previous.plan.version };
    }
    await this.#refuseRows();
    const plan = previous?.plan ?? this.#plan(wanted);
    await this.#stores.journal.begin(...names, plan);
    const staged = await this.#stores.openImport(duckdbTable, plan.runId);
    const stop = () => staged.interrupt();
    context.signal.addEventListener('abort', stop, { once: true });
    try {
      return await this.#copy(plan, staged);
    } finally {
      context.signal.removeEventListener('abort', stop);
      staged.close();
    }
  }

  /** What an earlier run began, or did. */
  async #findPrevious(wanted: number): Promise<{ plan: MigrationPlan; isDone: boolean } | null> {
    const { request, names, retentionHours, duckdbTable } = this.#migration;
    const entry = await this.#stores.journal.find(...names);
    if (entry === undefined) return null;
    const { plan, isDone } = entry;
    if (!isDone) {
      // A version that was named by nobody stays the one that the first run found.
      const isSame = request.version === null || request.version === plan.version;
      const canGoOn = isSame && plan.existing === request.existing && isRemembered(entry, retentionHours);
      // Without the table that its rows were gathered in there is nothing to go on with, whatever the keys say.
      return canGoOn && (await this.#stores.hasStage(duckdbTable, plan.runId)) ? { plan, isDone } : null;
    }
    const isThere = ((await this.#stores.countRows(duckdbTable)) ?? 0) > 0;
    return request.existing !== 'overwrite' && plan.version === wanted && isThere ? { plan, isDone } : null;
  }

  async #refuseRows(): Promise<void> {
    const { request, duckdbTable } = this.#migration;
    if (request.existing !== 'refuse' || ((await this.#stores.countRows(duckdbTable)) ?? 0) === 0) return;
    throw targetHasRows(describeEnd(request.target), '');
  }

  #plan(version: number): MigrationPlan {
    const { existing, partRows } = this.#migration.request;
    return { runId: newRunId(), existing, partRows, digest: null, lastRow: null, version };
  }

  async #copy(plan: MigrationPlan, staged: TableImport): Promise<MigrationOutcome> {
    const { context, names, deltaTable, delta } = this.#migration;
    const parts = await delta.parts.list(deltaTable, this.#partsOf(plan), context);
    const total = parts.reduce((sum, rows) => sum + rows, 0);
    const stream = await this.#probe(plan);
    await this.#prepare(plan, staged, stream);
    const found = { rows: 0, rows_resumed: 0 };
    for (const part of parts.keys()) {
      const load = await this.#begin(plan, staged, part, stream);
      if (load.replays === undefined) {
        await this.#copyPart(load, plan, part, (rows) =>
          context.onProgress({ phase: 'copying', rows: found.rows + rows, total }),
        );
      }
      const { rows } = await commitLoad(load);
      found.rows += rows;
      if (load.replays !== undefined) found.rows_resumed += rows;
      context.onProgress({ phase: 'copying', rows: found.rows, total });
    }
    await this.#checkStage(staged, total);
    context.onProgress({ phase: 'finishing', rows: found.rows, total });
    context.signal.throwIfAborted();
    await staged.finish(plan.existing, (connection) => this.#stores.journal.finish(...names, connection));
    return { ...found, already_done: false, parts: parts.length, version: plan.version };
  }

  /** Keys outlive rows that somebody has deleted since: what is not whole is begun again by the next run. */
  async #checkStage(staged: TableImport, total: number): Promise<void> {
    if ((await this.#stores.countRows(staged.stage)) === total) return;
    await staged.discard();
    throw new ArrowportError(
      'COMMIT_CONFLICT',
      'The gathered rows are not all there any more: run it again.',
    );
  }

  async #copyPart(
    load: Load,
    plan: MigrationPlan,
    part: number,
    onRows: (rows: number) => void,
  ): Promise<void> {
    const { delta, deltaTable, context } = this.#migration;
    let rows = 0;
    try {
      const { bytes } = await delta.parts.read(deltaTable, this.#partsOf(plan), part, context);
      const stream = await openIpcBody(bytes, 'stream', resources);
      for await (const message of stream.messages) {
        context.signal.throwIfAborted();
        await load.write(message);
        if (message.kind === 'record-batch') rows += message.header.length;
        onRows(rows);
      }
    } catch (thrown) {
      await load.abort();
      throw thrown;
    }
  }

  #partsOf({ version, partRows }: MigrationPlan): PartsRequest {
    if (version === null) throw new Error('A migration from Delta has a version.');
    return { version, part_rows: partRows };
  }

  /** The schema of the version, as a stream without rows. */
  async #probe(plan: MigrationPlan): Promise<IpcStream> {
    const { delta, deltaTable, context } = this.#migration;
    const { version } = this.#partsOf(plan);
    const { bytes } = await delta.tables.read(deltaTable, { version, limit: 0, format: 'arrow' }, context);
    const stream = await openIpcBody(bytes, 'stream', resources);
    await stream.messages[Symbol.asyncIterator]().return?.();
    return stream;
  }

  /** Makes the table that rows are gathered in, and sees whether they will fit where they are to go. */
  async #prepare(plan: MigrationPlan, staged: TableImport, stream: IpcStream): Promise<void> {
    const load = await this.#begin(plan, staged, null, stream);
    await commitLoad(load);
    const types = new Map<string, string>();
    for (const { name, metadata } of stream.schema.fields) {
      const type = metadata.get(DUCKDB_TYPE_KEY);
      if (type !== undefined) types.set(name, type);
    }
    try {
      await staged.check(types);
    } catch (thrown) {
      await staged.discard();
      throw thrown;
    }
  }

  async #begin(
    plan: MigrationPlan,
    staged: TableImport,
    part: number | null,
    stream: IpcStream,
  ): Promise<Load> {
    const { duckdb, route, context } = this.#migration;
    return duckdb.begin({
      route: { ...route, backend: 'duckdb', table: staged.stage },
      schema: stream.schema,
      schemaMetadata: stream.schemaMetadata,
      options: {
        mode: 'append',
        schemaMode: 'strict',
        partitionBy: null,
        idempotencyKey: part === null ? null : `migrate-${plan.runId}-${part}`,
      },
      requestId: context.requestId,
      signal: context.signal,
    });
  }
}
