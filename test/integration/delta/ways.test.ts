import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { beginLoad, loadBytes, startDeltaBackend, withParquetWriter } from './delta-support.ts';
import { askTable, compareWithSent } from './python-readers.ts';

const coveredTypes = (n: number) => `
from datetime import datetime, date, timezone, timedelta
from decimal import Decimal
n = ${n}
def some(values, type):
    return pa.array([None if i % 7 == 3 else values(i) for i in range(n)], type)
table = pa.table({
  'id': pa.array(range(n), pa.int64()),
  'flag': some(lambda i: i % 2 == 0, pa.bool_()),
  'i8': some(lambda i: i % 128 - 64, pa.int8()),
  'i16': some(lambda i: i % 60000 - 30000, pa.int16()),
  'i32': some(lambda i: i * 2000 - 10**9, pa.int32()),
  'i64': some(lambda i: (i - 500) * 2**50, pa.int64()),
  'u8': some(lambda i: i % 256, pa.uint8()),
  'u16': some(lambda i: 65535 - i % 65536, pa.uint16()),
  'u32': some(lambda i: 2**32 - 1 - i, pa.uint32()),
  'f32': some(lambda i: i / 3, pa.float32()),
  'f64': some(lambda i: i / 3 if i else float('inf'), pa.float64()),
  'dec4': some(lambda i: Decimal(i % 99) / Decimal(100), pa.decimal128(4, 2)),
  'dec': some(lambda i: Decimal(i) / Decimal(-100), pa.decimal128(18, 2)),
  'dec38': some(lambda i: Decimal(i) * Decimal(10) ** 30, pa.decimal128(38, 2)),
  'dec256': some(lambda i: Decimal(-i), pa.decimal256(38, 0)),
  'text': some(lambda i: 'ä' * (i % 40), pa.string()),
  'large': some(lambda i: str(i), pa.large_string()),
  'view': some(lambda i: 'a longer text than fits ' + str(i), pa.string_view()),
  'bytes': some(lambda i: bytes([i % 256, 0, 255]), pa.binary()),
  'fixed': some(lambda i: i.to_bytes(4, 'big'), pa.binary(4)),
  'day': some(lambda i: date(1900, 1, 1) + timedelta(days=i % 60000), pa.date32()),
  'ts': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i % 1000000), pa.timestamp('us')),
  'ts_tz': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i % 1000000, timezone.utc), pa.timestamp('us', tz='UTC')),
  'ts_far': some(lambda i: datetime(1583, 1, 1, 0, 0, 0, 1, timezone.utc), pa.timestamp('us', tz='Europe/Lisbon')),
  'category': pa.array(['c' + str(i % 5) for i in range(n)]).dictionary_encode(),
  'list': some(lambda i: [i, None, i + 1] if i % 2 else [], pa.list_(pa.int32())),
  'struct': some(lambda i: {'a': i, 'b': {'c': str(i)}}, pa.struct([('a', pa.int32()), ('b', pa.struct([('c', pa.string())]))])),
  'structs': some(lambda i: [{'x': i, 'y': [str(i)]}], pa.list_(pa.struct([('x', pa.int64()), ('y', pa.list_(pa.string()))]))),
  'nothing': pa.nulls(n, pa.string()),
})`;

const simple = (rows: string) => arrowBytes(`table = pa.table({${rows}})`);

/** What wrote each data file, as its footer says. */
function writersOf(table: string): Promise<readonly string[]> {
  return runPythonJson(
    `
import json, sys, pyarrow.parquet as pq
from deltalake import DeltaTable
print(json.dumps([pq.read_metadata(f).created_by.split(' ')[0] for f in DeltaTable(sys.argv[1]).file_uris()]))`,
    [table],
  );
}

/** Whether a table's ids are the numbers from 0 on, as deltalake reads them. */
function isInOrder(table: string, count: number): Promise<boolean> {
  return runPythonJson(
    `
import json, sys, numpy as np
from deltalake import DeltaTable
ids = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=['id']).column('id').to_numpy()
print(json.dumps(bool(np.array_equal(ids, np.arange(int(sys.argv[2]))))))`,
    [table, String(count)],
  );
}

describe('Delta loads whose files DuckDB writes', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after }, withParquetWriter());
  const scratch = makeTempFolder({ after });
  const place = (table: string) => join(root, table);
  const duckdb = { writer: 'duckdb' } as const;

  it('keep every type that they cover value-exact, and read the same everywhere', async () => {
    const bytes = await arrowBytes(coveredTypes(1000), { codec: 'zstd', batchRows: 300 });
    const first = await loadBytes(backend, 'types', bytes, { delta: duckdb });
    assert.deepEqual([first.rows, first.version], [1000, 0]);
    assert.deepEqual(await writersOf(place('types')), ['DuckDB']);
    const seen = await compareWithSent(scratch, place('types'), [bytes], 'id');
    assert.deepEqual(seen.differing, []);
    assert.equal(seen.polars_rows, 1000);
  });

  it('keep the sign of every zero, also inside structs and lists', async () => {
    const bytes = await arrowBytes(
      `z = np.random.default_rng(1).choice(np.array([0.0, -0.0, 1.5]), 200_000)
z[:2] = [0.0, -0.0]
table = pa.table({'id': np.arange(len(z)), 'd': z, 'f': z.astype(np.float32),
  's': pa.StructArray.from_arrays([pa.array(z)], ['a']), 'l': [[x] for x in z.tolist()]})`,
      { codec: 'zstd' },
    );
    await loadBytes(backend, 'zeros', bytes, { delta: duckdb });
    assert.deepEqual(await writersOf(place('zeros')), ['DuckDB']);
    const signs = await runPythonJson<readonly number[]>(
      `
import json, sys, numpy as np, pyarrow as pa, pyarrow.compute as pc
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1]).to_pyarrow_table().combine_chunks().sort_by('id')
z = np.random.default_rng(1).choice(np.array([0.0, -0.0, 1.5]), 200_000)
z[:2] = [0.0, -0.0]
columns = [t['d'], t['f'], pc.struct_field(t['s'], 'a'), pc.list_flatten(t['l'])]
print(json.dumps([int((np.signbit(c.to_numpy()) != np.signbit(z)).sum()) for c in columns]))`,
      [place('zeros')],
    );
    assert.deepEqual(signs, [0, 0, 0, 0]);
  });

  it('fit a table that is there: other order, absent columns, narrower types', async () => {
    const schema =
      "'a': pa.array([1], pa.int64()), 'b': ['x'], 'd': pa.array([1], pa.decimal128(20, 2)), 'e': pa.array([1.5])";
    await loadBytes(backend, 'fitting', await simple(schema), { delta: { writer: 'delta-rs' } });
    const narrow = await simple(
      "'e': pa.array([0.5], pa.float32()), 'b': pa.array(['y']), 'a': pa.array([-7], pa.int16())",
    );
    await loadBytes(backend, 'fitting', narrow, { delta: duckdb });
    const rows = await askTable<unknown>(
      place('fitting'),
      "answer = sorted(([r['a'], r['b'], str(r['d']), r['e']] for r in rows), key=str)",
    );
    assert.deepEqual(rows, [
      [-7, 'y', 'None', 0.5],
      [1, 'x', '1.00', 1.5],
    ]);
    assert.deepEqual((await writersOf(place('fitting'))).toSorted(), ['DuckDB', 'parquet-rs']);
  });

  it('leave to delta-rs what DuckDB would change: maps, half floats, seconds, constraints', async () => {
    const map = await simple("'m': pa.array([[('k', 1), ('k', 2)]], pa.map_(pa.string(), pa.int64()))");
    const half = await simple("'h': pa.array([np.float16(1.5)])");
    const seconds = await simple("'t': pa.array([1], pa.timestamp('s'))");
    const plain = await simple("'a': [1], 'p': ['x']");
    await loadBytes(backend, 'map', map, { delta: duckdb });
    await loadBytes(backend, 'half', half, { delta: duckdb });
    await loadBytes(backend, 'seconds', seconds, { delta: duckdb });
    for (const table of ['map', 'half', 'seconds']) {
      assert.deepEqual(await writersOf(place(table)), ['parquet-rs'], table);
    }
    await loadBytes(backend, 'rules', plain, { delta: duckdb });
    await askTable(place('rules'), "t.alter.add_constraint({'positive': 'a > 0'}); answer = 1");
    await assert.rejects(
      loadBytes(backend, 'rules', await simple("'a': [-1], 'p': ['x']"), { delta: duckdb }),
      (error) => error instanceof ArrowportError && error.code === 'SCHEMA_MISMATCH',
    );
  });

  it('write statistics that hold every value, whatever has to be rounded', async () => {
    const bytes = await simple(`
      'big': pa.array([2**62 + 1, -2**62 - 1]), 'nan': [1.0, float('nan')], 'zero': [0.0, -0.0],
      'dec': pa.array([__import__('decimal').Decimal('-123.456'), None], pa.decimal128(14, 3)), 'long': pa.array([__import__('decimal').Decimal('12345678901234567890.123'), None], pa.decimal128(38, 3)),
      'ts': pa.array([1001, -1001], pa.timestamp('us')), 'tz': pa.array([1001, -1001], pa.timestamp('us', tz='UTC')),
      'text': ['b' * 40, 'a' * 40], 'b': [b'x', b'y'], 'day': pa.array([0, 1], pa.date32()),
      's': [{'x': 1, 'l': [5]}, {'x': None, 'l': None}], 'none': pa.array([None, None], pa.int32())`);
    await loadBytes(backend, 'statistics', bytes, { delta: duckdb });
    const stats = await runPythonJson<string>(
      `
import json, glob, sys
for line in open(glob.glob(sys.argv[1] + '/_delta_log/*0.json')[0]):
    action = json.loads(line)
    if 'add' in action: print(json.dumps(action['add']['stats']))`,
      [place('statistics')],
    );
    const low = `{"big":-4611686018427387905,"zero":-0.0,"dec":-123.456,"ts":"1969-12-31T23:59:59.998","tz":"1969-12-31T23:59:59.998Z","text":"${'a'.repeat(32)}","day":"1970-01-01","s":{"x":1}}`;
    const high = `{"big":4611686018427387905,"zero":0.0,"dec":-123.456,"ts":"1970-01-01T00:00:00.002","tz":"1970-01-01T00:00:00.002Z","text":"${'b'.repeat(32)}\u{10ffff}","day":"1970-01-02","s":{"x":1}}`;
    const nulls =
      '{"big":0,"nan":0,"zero":0,"dec":1,"ts":0,"tz":0,"text":0,"b":0,"day":0,"s":{"x":1},"none":2}';
    assert.equal(stats, `{"numRecords":2,"minValues":${low},"maxValues":${high},"nullCount":${nulls}}`);
    const found = await askTable<number[]>(
      place('statistics'),
      `
import polars as pl
from datetime import datetime
at = datetime(1970, 1, 1, 0, 0, 0, 1001)
answer = [pl.scan_delta(sys.argv[1]).filter(pl.col('ts') >= at).collect().height,
          pl.scan_delta(sys.argv[1]).filter(pl.col('text') >= 'b' * 40).collect().height,
          pl.scan_delta(sys.argv[1]).filter(pl.col('big') == 2**62 + 1).collect().height,
          pa.table(t.scan(predicate="ts >= '1970-01-01T00:00:00.001001'")).num_rows,
          pa.table(t.scan(predicate="tz >= '1970-01-01T00:00:00.001001Z'")).num_rows,
          pa.table(t.scan(predicate="nan > 5")).num_rows]`,
    );
    assert.deepEqual(found, [1, 1, 1, 1, 1, 1]);
  });

  it('turn to a new file at the target size, in every compression, and keep the order of rows', async () => {
    const bytes = await arrowBytes(
      `n = 300_000
table = pa.table({'id': pa.array(range(n), pa.int64()), 'x': pa.array(np.random.default_rng(1).random(n))})`,
      { batchRows: 7000 },
    );
    const codecs = {
      snappy: 'SNAPPY',
      gzip: 'GZIP',
      lz4: 'LZ4',
      zstd: 'ZSTD',
      none: 'UNCOMPRESSED',
    } as const;
    const compressions = ['snappy', 'gzip', 'lz4', 'zstd', 'none'] as const;
    for (const compression of compressions) {
      await loadBytes(backend, `files_${compression}`, bytes, {
        delta: { ...duckdb, compression, targetFileSize: 1_000_000 },
      });
    }
    const seen = await runPythonJson<{ sizes: number[]; codecs: string[]; ordered: boolean[] }[]>(
      `
import json, os, sys, polars as pl, pyarrow.parquet as pq
from deltalake import DeltaTable
ids = list(range(300_000))
def look(uri):
    t = DeltaTable(uri)
    files = t.file_uris()
    return {'sizes': [os.path.getsize(f) for f in files],
            'codecs': sorted({pq.read_metadata(f).row_group(0).column(0).compression for f in files}),
            'ordered': [t.to_pyarrow_table()['id'].to_pylist() == ids, pl.read_delta(uri)['id'].to_list() == ids]}
print(json.dumps([look(uri) for uri in sys.argv[1:]]))`,
      compressions.map((compression) => place(`files_${compression}`)),
    );
    for (const [index, compression] of compressions.entries()) {
      const { sizes = [], codecs: found, ordered } = seen[index] ?? {};
      assert.deepEqual(found, [codecs[compression]]);
      assert.ok(sizes.length > 2, `${sizes.length} files`);
      assert.ok(Math.max(...sizes) < 1_100_000, String(sizes));
      assert.deepEqual(ordered, [true, true], compression);
      assert.ok(!existsSync(join(place(`files_${compression}`), '_arrowport')));
    }
  });

  it('are chosen by themselves for large compressed loads of many small batches only, and keep their order', async () => {
    const rows = (n: number) => `n = ${n}
x = pa.array(np.random.default_rng(1).integers(-2**62, 2**62, n))
table = pa.table({'id': pa.array(range(n), pa.int64()), 'a': x, 'b': x, 'c': x, 'd': x})`;
    await loadBytes(backend, 'auto', await arrowBytes(rows(1000), { codec: 'zstd' }));
    assert.deepEqual(await writersOf(place('auto')), ['parquet-rs']);
    const count = 1_200_000;
    const large = await arrowBytes(rows(count), { codec: 'lz4', batchRows: 50_000 });
    const pieces = await arrowBytes(rows(count), { codec: 'lz4', batchRows: 2000 });
    await loadBytes(backend, 'auto', pieces, { mode: 'overwrite' });
    assert.deepEqual(await writersOf(place('auto')), ['DuckDB']);
    assert.ok(await isInOrder(place('auto'), count));
    await loadBytes(backend, 'auto', large, { mode: 'overwrite' });
    assert.deepEqual([...new Set(await writersOf(place('auto')))], ['parquet-rs']);
    assert.ok(await isInOrder(place('auto'), count));
    const plain = await arrowBytes(rows(count), { batchRows: 50_000 });
    await loadBytes(backend, 'auto', plain, { mode: 'overwrite' });
    assert.deepEqual([...new Set(await writersOf(place('auto')))], ['parquet-rs']);
    assert.ok(await isInOrder(place('auto'), count));
    const floats = await arrowBytes(
      `${rows(count)}
table = table.set_column(1, 'a', pa.array(np.random.default_rng(1).random(n)))`,
      { codec: 'lz4', batchRows: 2000 },
    );
    await loadBytes(backend, 'auto_floats', floats);
    assert.deepEqual([...new Set(await writersOf(place('auto_floats')))], ['parquet-rs']);
    await loadBytes(backend, 'auto', pieces, { mode: 'overwrite', delta: { writer: 'delta-rs' } });
    assert.deepEqual([...new Set(await writersOf(place('auto')))], ['parquet-rs']);
    assert.ok(await isInOrder(place('auto'), count));
  });

  it('leave nothing when they are broken off, before and after rows were written', async () => {
    const bytes = await arrowBytes(
      `n = 600_000
table = pa.table({'id': pa.array(range(n), pa.int64()), 'x': pa.array(np.random.default_rng(1).random(n))})`,
      { batchRows: 100_000 },
    );
    for (const [table, written, delta] of [
      ['broken_soon', 1, duckdb],
      ['broken_late', 6, { writer: 'delta-rs' }],
      ['broken_later', 6, duckdb],
    ] as const) {
      const { load, messages } = await beginLoad(backend, table, bytes, { delta });
      let left: number = written;
      for await (const message of messages) {
        left -= 1;
        if (left < 0) message.release();
        else await load.write(message);
      }
      await load.abort();
      assert.ok(!existsSync(place(table)) || readdirSync(place(table)).length === 0, table);
      assert.equal(await backend.findTable({ schema: null, name: table }), undefined);
    }
  });

  it('happen once under a key, and all of them when several come at the same time', async () => {
    const bytes = await simple("'id': pa.array(range(100), pa.int64())");
    const first = await loadBytes(backend, 'keys', bytes, { delta: duckdb, idempotencyKey: 'k' });
    const again = await loadBytes(backend, 'keys', bytes, { delta: duckdb, idempotencyKey: 'k' });
    assert.equal(again.version, first.version);
    assert.equal(again.replay?.commitId, first.commitId);
    await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        loadBytes(backend, 'keys', bytes, { delta: duckdb, idempotencyKey: `k${index % 3}` }),
      ),
    );
    assert.equal(await askTable(place('keys'), 'answer = len(rows)'), 400);
  });

  it('refuse values that a column has no room for, in either way, and write nothing', async () => {
    const extreme = await simple("'d': pa.array([0, None, 2**31 - 1], pa.date32()), 'n': [1, 2, 3]");
    const times = await simple("'d': pa.array([0], pa.timestamp('us'))");
    const far = await simple("'d': pa.array([95_026_236], pa.date32())");
    for (const way of ['duckdb', 'delta-rs'] as const) {
      const delta = { writer: way };
      await assert.rejects(
        loadBytes(backend, `days_${way}`, extreme, { delta }),
        (error) =>
          error instanceof ArrowportError && error.code === 'TYPE_UNSUPPORTED' && /"d"/.test(error.message),
      );
      assert.equal(await backend.findTable({ schema: null, name: `days_${way}` }), undefined);
      assert.equal((await loadBytes(backend, `far_${way}`, far, { delta })).version, 0);
      await loadBytes(backend, `times_${way}`, times, { delta });
      await assert.rejects(
        loadBytes(backend, `times_${way}`, far, { delta }),
        (error) =>
          error instanceof ArrowportError && ['TYPE_UNSUPPORTED', 'SCHEMA_MISMATCH'].includes(error.code),
      );
      const info = await backend.tables.info(`times_${way}`, { requestId: 'test' });
      assert.deepEqual([info.version, info.row_count], [0, 1]);
    }
  });

  it('of no rows commit none, and the flushes of a full server do no harm', async () => {
    const none = await loadBytes(backend, 'empty', await simple("'a': pa.array([], pa.int64())"), {
      delta: duckdb,
    });
    assert.deepEqual([none.rows, none.version], [0, 0]);
    const bytes = await arrowBytes("table = pa.table({'id': pa.array(range(500_000), pa.int64())})", {
      batchRows: 20_000,
    });
    const { load, messages } = await beginLoad(backend, 'pressed', bytes, { delta: duckdb });
    for await (const message of messages) {
      await load.write(message);
      load.flush?.();
    }
    assert.equal((await load.commit()).rows, 500_000);
    assert.ok(await isInOrder(place('pressed'), 500_000));
  });
});
