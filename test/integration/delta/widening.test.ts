import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { loadBytes, startDeltaBackend } from './delta-support.ts';
import { askTable } from './python-readers.ts';

const context = { requestId: 'test' };
const merge = { schemaMode: 'merge' } as const;

/** Columns in a narrow type with its extreme values, then in a wider one with its own. */
const narrow = `
from decimal import Decimal as D
table = pa.table({
  'id': pa.array([1, 2, 3], pa.int64()),
  'i8': pa.array([-128, 127, None], pa.int8()),
  'i16': pa.array([-32768, 32767, None], pa.int16()),
  'i32': pa.array([-2**31, 2**31 - 1, None], pa.int32()),
  'i32d': pa.array([-2**31, 2**31 - 1, None], pa.int32()),
  'f32': pa.array([3.4028234663852886e38, float('-inf'), 1e-45], pa.float32()),
  'dec': pa.array([D('99999999.99'), D('-0.01'), None], pa.decimal128(10, 2)),
  'nested': pa.array([{'a': 1, 'l': [1, None]}, None, {'a': None, 'l': []}], pa.struct([('a', pa.int32()), ('l', pa.list_(pa.int16()))])),
  'kept': ['x', None, 'ü'],
  'part': pa.array([7, 8, 7], pa.int32())})`;
const wide = `
from decimal import Decimal as D
table = pa.table({
  'part': pa.array([2**40, 7], pa.int64()),
  'id': pa.array([4, 5], pa.int64()),
  'i8': pa.array([2**40, None], pa.int64()),
  'i16': pa.array([2**31 - 1, 0], pa.int32()),
  'i32': pa.array([2**63 - 1, -2**63], pa.int64()),
  'i32d': pa.array([0.1, float('nan')], pa.float64()),
  'f32': pa.array([0.1, 1.7976931348623157e308], pa.float64()),
  'dec': pa.array([D('123456789012345678.12345678'), None], pa.decimal128(30, 8)),
  'nested': pa.array([{'a': 2**50, 'l': [2**20]}, None], pa.struct([('a', pa.int64()), ('l', pa.list_(pa.int32()))])),
  'new': [1.5, None]})`;
const expected = `
import math
def plain(v):
    if isinstance(v, float) and math.isnan(v): return 'nan'
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    return v
exec(NARROW); first = table.to_pylist()
exec(WIDE); second = table.to_pylist()
sent = [{**dict.fromkeys(list(first[0]) + ['new']), **row} for row in first + second]
got = sorted(rows, key=lambda r: r['id'])
differing = [(a['id'], k, str(a[k]), str(b[k])) for a, b in zip(sent, got) for k in a if plain(a[k]) != plain(b[k])]
old = DeltaTable(sys.argv[1], version=0).to_pyarrow_table()
answer = [len(got), differing, str(t.to_pyarrow_table().schema).count('int64'), old.num_rows, str(old.schema.field('i8').type), t.metadata().partition_columns]
`;

describe('schema_mode merge with wider types', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });
  const program = expected.replace('NARROW', JSON.stringify(narrow)).replace('WIDE', JSON.stringify(wide));

  it('widens columns in the commit of the load, every value as it was', async () => {
    await loadBytes(backend, 'wide', await arrowBytes(narrow), { partitionBy: ['part'] });
    const result = await loadBytes(backend, 'wide', await arrowBytes(wide), {
      ...merge,
      idempotencyKey: 'w',
    });
    assert.deepEqual([result.version, result.rows], [1, 2]);
    const seen = await askTable(join(root, 'wide'), program);
    assert.deepEqual(seen, [5, [], 6, 3, 'int8', ['part']]);
    const again = await loadBytes(backend, 'wide', await arrowBytes(wide), { ...merge, idempotencyKey: 'w' });
    assert.equal(again.replay?.commitId, result.commitId);
    await loadBytes(backend, 'wide', await arrowBytes(narrow));
    assert.equal((await backend.tables.info('wide', context)).row_count, 8);
    assert.ok(!existsSync(join(root, 'wide', '_arrowport')));
  });

  it('loses no row that others append meanwhile', async () => {
    const small = await arrowBytes(`table = pa.table({'n': pa.array([1] * 1000, pa.int32())})`);
    await loadBytes(backend, 'busy', small);
    let appended = 1;
    const outside = askTable(
      join(root, 'busy'),
      `from deltalake import write_deltalake, CommitProperties
done = 0
for i in range(30):
    try:
        write_deltalake(sys.argv[1], pa.table({'n': pa.array([5] * 10, pa.int32())}), mode='append', commit_properties=CommitProperties(max_commit_retries=100))
        done += 1
    except Exception:
        break
answer = done`,
    );
    let widened = false;
    for (let n = 0; n < 20; n++) {
      try {
        if (!widened) {
          await loadBytes(
            backend,
            'busy',
            await arrowBytes(`table = pa.table({'n': pa.array([2**40], pa.int64())})`),
            {
              ...merge,
              delta: { maxCommitRetries: 10 },
            },
          );
          widened = true;
        }
        await loadBytes(backend, 'busy', small);
        appended += 1;
      } catch (error) {
        if (!(error instanceof ArrowportError) || error.code !== 'COMMIT_CONFLICT') throw error;
      }
    }
    const others = Number(await outside);
    assert.ok(widened);
    assert.equal((await backend.tables.info('busy', context)).row_count, appended * 1000 + 1 + others * 10);
  });

  it('is refused where the rows cannot be written anew, and without merge', async () => {
    const int = await arrowBytes(`table = pa.table({'n': pa.array([1], pa.int32())})`);
    const long = await arrowBytes(`table = pa.table({'n': pa.array([1], pa.int64())})`);
    await loadBytes(backend, 'fixed', int, { delta: { tableProperties: { 'delta.appendOnly': 'true' } } });
    await loadBytes(backend, 'strict', int);
    for (const [table, settings] of [
      ['fixed', merge],
      ['strict', {}],
      ['strict', { ...merge, mode: 'overwrite', replacePredicate: 'n = 1' }],
    ] as const) {
      await assert.rejects(
        loadBytes(backend, table, long, settings),
        (error: unknown) =>
          error instanceof ArrowportError && error.code === 'SCHEMA_MISMATCH' && error.details.column === 'n',
      );
    }
    await loadBytes(backend, 'strict', long, { ...merge, mode: 'overwrite' });
    const seen = await askTable(
      join(root, 'strict'),
      `answer = [rows, str(t.to_pyarrow_table().schema.field('n').type)]`,
    );
    assert.deepEqual(seen, [[{ n: 1 }], 'int64']);
  });
});
