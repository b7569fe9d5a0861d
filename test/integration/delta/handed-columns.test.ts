import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { deltaRoute, loadBytes, openBytes, startDeltaBackend } from './delta-support.ts';
import { compareWithSent } from './python-readers.ts';

/** Every type whose columns are handed on decoded, in arrays that are large enough for it. */
const handedTypes = (n: number) => `
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
n = ${n}
def some(values, type):
    return pa.array([None if i % 7 == 3 else values(i) for i in range(n)], type)
table = pa.table({
  'id': pa.array(range(n), pa.int64()),
  'noise': pa.FixedSizeBinaryArray.from_buffers(pa.binary(240), n, [None, pa.py_buffer(np.random.default_rng(1).bytes(n * 240))]),
  'flag': some(lambda i: i % 3 == 0, pa.bool_()),
  'i8': some(lambda i: i % 128 - 64, pa.int8()),
  'u32': some(lambda i: 2**32 - 1 - i, pa.uint32()),
  'f32': some(lambda i: i / 4, pa.float32()),
  'f64': some(lambda i: i / 3, pa.float64()),
  'dec': some(lambda i: Decimal(i) / Decimal(-100), pa.decimal128(18, 2)),
  'text': some(lambda i: 'ä' * (i % 20), pa.string()),
  'empty': pa.array([''] * n, pa.string()),
  'large': some(lambda i: str(i), pa.large_string()),
  'bytes': some(lambda i: bytes([i % 256, 0, 255]), pa.binary()),
  'fixed': some(lambda i: i.to_bytes(4, 'big'), pa.binary(4)),
  'day': some(lambda i: date(1900, 1, 1) + timedelta(days=i % 60000), pa.date32()),
  'ts': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i % 1000000), pa.timestamp('us')),
  'seconds': some(lambda i: datetime(2024, 1, 1, 0, 0, i % 60), pa.timestamp('s')),
  'tz': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i % 1000000, timezone.utc), pa.timestamp('us', tz='UTC')),
  'list': some(lambda i: [i, None, i + 1] if i % 2 else [], pa.list_(pa.int32())),
  'wide': some(lambda i: [str(i)], pa.large_list(pa.string())),
  'pair': some(lambda i: [i, None], pa.list_(pa.int64(), 2)),
  'struct': some(lambda i: {'a': i, 'b': {'c': str(i)}}, pa.struct([('a', pa.int32()), ('b', pa.struct([('c', pa.string())]))])),
  'map': some(lambda i: [('k' + str(i), i), ('l', None)], pa.map_(pa.string(), pa.int64())),
})`;

/** Integers that are packed as differences, with the ends of their types among them, and some that are not. */
const integers = (n: number) => `
from decimal import Decimal
n = ${n}
random = np.random.default_rng(1)
ids = np.arange(n, dtype=np.int64)
def ends(values, least, most):
    values[70_001::1000] = least
    values[70_003::1000] = most
    return values
def counted(type, least, most):
    return pa.array(ends(ids % 100, least, most).astype(type), mask=ids % 7 == 3)
day = ends((ids // 100).astype(np.int32), -719162, 2932896)
micros = ends(1_700_000_000_000_000 + ids * 1000, -62135596800000000, 253402300799999999)
cents = ends(random.integers(0, 10**9, n), 1 - 10**18, 10**18 - 1)
table = pa.table({
  'id': pa.array(ids),
  'i8': counted(np.int8, -128, 127),
  'i16': counted(np.int16, -2**15, 2**15 - 1),
  'i32': counted(np.int32, -2**31, 2**31 - 1),
  'i64': counted(np.int64, -2**63, 2**63 - 1),
  'u32': pa.array(ends(ids % 100, 0, 2**32 - 1).astype(np.uint32)),
  'few': pa.array(np.array([2**60, -5, 7, 0])[random.integers(0, 4, n)]),
  'any': pa.array(random.integers(-2**63, 2**63 - 1, n)),
  'day': pa.array(day).cast(pa.date32()),
  'ts': pa.array(micros).cast(pa.timestamp('us')),
  'tz': pa.array(micros).cast(pa.timestamp('us', 'UTC')),
  'dec': pa.Array.from_buffers(pa.decimal128(18, 2), n, [None, pa.py_buffer(np.stack([cents, cents >> 63], 1).tobytes())]),
})`;

const numbers = (n: number) => `n = ${n}
x = pa.array(np.random.default_rng(1).random(n))
table = pa.table({'id': pa.array(range(n), pa.int64()), 'a': x, 'b': x, 'p': pa.array(np.arange(n) // 400_000)})`;

describe('Delta loads that the worker gets as decoded columns', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });
  const scratch = makeTempFolder({ after });
  const place = (table: string) => join(root, table);
  const isInOrder = (table: string) =>
    runPythonJson<boolean>(
      `
import json, os, sys, numpy as np
from deltalake import DeltaTable
ids = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=['id']).column('id').to_numpy()
print(json.dumps(bool(np.array_equal(ids, np.arange(len(ids))))), flush=True)
os._exit(0)`,
      [place(table)],
    );

  /** The columns that are packed in every file that the table has now. */
  const packedColumns = (table: string) =>
    runPythonJson<string[]>(
      `
import json, os, sys
import pyarrow.parquet as pq
from deltalake import DeltaTable
files = [pq.ParquetFile(path).metadata.row_group(0) for path in DeltaTable(sys.argv[1]).file_uris()]
packed = [{c.path_in_schema for c in map(file.column, range(file.num_columns)) if 'DELTA_BINARY_PACKED' in c.encodings} for file in files]
print(json.dumps(sorted(set.intersection(*packed))), flush=True)
os._exit(0)`,
      [place(table)],
    );

  for (const codec of ['plain', 'zstd'] as const) {
    it(`keep every type value-exact, in order: ${codec} buffers`, async () => {
      const source = handedTypes(40_000);
      const bytes = await arrowBytes(source, { batchRows: 20_000, ...(codec === 'plain' ? {} : { codec }) });
      // Twice: the second load finds memory that the first one has used.
      for (const mode of ['append', 'overwrite'] as const) {
        const { rows } = await loadBytes(backend, `types_${codec}`, bytes, { mode });
        assert.equal(rows, 40_000);
      }
      const seen = await compareWithSent(scratch, place(`types_${codec}`), [bytes], 'id');
      assert.deepEqual(seen.differing, []);
      assert.ok(await isInOrder(`types_${codec}`));
    });
  }

  it('pack integers as differences where that is smaller, value-exact to the ends of their types', async () => {
    const bytes = await arrowBytes(integers(150_000), { batchRows: 50_000 });
    await loadBytes(backend, 'integers', bytes);
    const seen = await compareWithSent(scratch, place('integers'), [bytes], 'id');
    assert.deepEqual(seen.differing, []);
    const expected = ['day', 'dec', 'i16', 'i32', 'i64', 'i8', 'id', 'ts', 'tz', 'u32'];
    assert.deepEqual(await packedColumns('integers'), expected);
    // Files that take the place of others are as those were.
    const context = { requestId: 'test' };
    await backend.tables.delete('integers', { predicate: 'id = 149999' }, context);
    await backend.tables.optimize('integers', {}, context);
    assert.deepEqual(await packedColumns('integers'), expected);
    assert.equal((await backend.tables.info('integers', context)).row_count, 149_999);
  });

  it('are divided among writers at their end and stay in order, partitions in theirs', async () => {
    const bytes = await arrowBytes(numbers(700_000), { batchRows: 50_000 });
    await loadBytes(backend, 'divided', bytes);
    assert.ok(await isInOrder('divided'));
    await loadBytes(backend, 'parts', bytes, { delta: { partitionBy: ['p'] } });
    const parts = await runPythonJson<unknown>(
      `
import json, os, sys, pyarrow.compute as pc
from deltalake import DeltaTable
rows = DeltaTable(sys.argv[1]).to_pyarrow_table()
print(json.dumps([rows.num_rows, pc.sum(rows['id']).as_py(), sorted(pc.unique(rows['p']).to_pylist())]), flush=True)
os._exit(0)`,
      [place('parts')],
    );
    assert.deepEqual(parts, [700_000, 244_999_650_000, [0, 1]]);
  });

  it('refuse nulls where their own schema has none, as loads of other sizes do, and write nothing', async () => {
    const required = (n: number) => `${numbers(n)}
fields = [pa.field(f.name, f.type, f.name != 'a') for f in table.schema]
columns = [table[f.name] if f.name != 'a' else pa.array([None] * n, pa.float64()) for f in fields]
table = pa.table(columns, schema=pa.schema(fields))`;
    const codes = [];
    for (const rows of [1000, 600_000]) {
      const bytes = await arrowBytes(required(rows), { batchRows: 50_000 });
      codes.push(
        await loadBytes(backend, 'required', bytes).then(
          () => 'taken',
          (error: unknown) => (error instanceof ArrowportError ? error.code : String(error)),
        ),
      );
    }
    assert.deepEqual(codes, ['IPC_MALFORMED', 'IPC_MALFORMED']);
  });

  it('leave nothing when their worker dies, and the next worker has memory of its own', async () => {
    const bytes = await arrowBytes(numbers(700_000), { batchRows: 50_000 });
    const opened = await openBytes(bytes);
    const load = await backend.begin({
      route: deltaRoute('dying'),
      schema: opened.schema,
      schemaMetadata: opened.schemaMetadata,
      options: { mode: 'append', schemaMode: 'strict', partitionBy: null, idempotencyKey: null },
      requestId: 'test',
    });
    let held = 0;
    let written = 0;
    await assert.rejects(
      async () => {
        for await (const message of opened.messages) {
          held += 1;
          await load.write({
            ...message,
            release() {
              held -= 1;
              message.release();
            },
          });
          written += 1;
          if (written === 14 && backend.workerPid !== undefined) process.kill(backend.workerPid, 'SIGKILL');
        }
        await load.commit();
      },
      (error) =>
        error instanceof ArrowportError && ['BACKEND_UNAVAILABLE', 'COMMIT_UNKNOWN'].includes(error.code),
    );
    await load.abort();
    assert.equal(held, 0);
    assert.equal((await loadBytes(backend, 'dying', bytes)).rows, 700_000);
    assert.ok(await isInOrder('dying'));
    assert.ok(!existsSync(join(place('dying'), '_arrowport')));
  });
});
