import assert from 'node:assert/strict';
import type { DeltaBackend } from '../../../src/backends/delta/backend.ts';
import { arrowBytes } from '../../support/arrow.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';
import { loadBytes, startDeltaBackend, withParquetWriter } from './delta-support.ts';

const context = { requestId: 'test' };

/** Starts a backend over a store, whose files DuckDB may write as well. */
export function startOverStore(
  owner: CleanupOwner,
  tablePath: string,
  storageOptions: Readonly<Record<string, string>>,
): DeltaBackend {
  return startDeltaBackend(owner, { tablePath, storageOptions, ...withParquetWriter() }).backend;
}

/** Writes small, large and partitioned loads in both ways, many at once, and lists, changes and vacuums tables. */
export async function useStore(backend: DeltaBackend): Promise<void> {
  const small = await arrowBytes(`table = pa.table({'id': [1]})`);
  const large = await arrowBytes(
    `n = 2_500_000\ntable = pa.table({'id': np.arange(n), 'p': pa.array(['a b/%', None] * (n // 2))})`,
    { batchRows: 100_000 },
  );
  await loadBytes(backend, 'one', small, { idempotencyKey: 'k' });
  assert.notEqual((await loadBytes(backend, 'one', small, { idempotencyKey: 'k' })).replay, null);
  await Promise.all(Array.from({ length: 6 }, () => loadBytes(backend, 'one', small)));
  await loadBytes(backend, 'two', large);
  await loadBytes(backend, 'three', large, { delta: { writer: 'duckdb', partitionBy: ['p'] } });
  const tables = (await backend.tables.list(context)).map(({ name, rows }) => [name, rows]);
  assert.deepEqual(tables, [
    ['one', 7],
    ['three', 2_500_000],
    ['two', 2_500_000],
  ]);
  for (const table of ['two', 'three']) {
    await backend.tables.delete(table, { predicate: 'id >= 10' }, context);
    const options = { retention_hours: 0, force: true, dry_run: false };
    assert.ok((await backend.tables.vacuum(table, options, context)).deleted > 0);
    const again = await backend.tables.vacuum(table, options, context);
    assert.deepEqual(again.files, [], 'what a vacuum removed is not listed again');
    assert.equal((await backend.tables.info(table, context)).row_count, 10);
  }
}
