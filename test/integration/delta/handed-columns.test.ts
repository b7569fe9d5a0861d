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
