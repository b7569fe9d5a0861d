import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { loadBytes, startDeltaBackend, withParquetWriter } from './delta-support.ts';
import { askTable } from './python-readers.ts';

const duckdb = { writer: 'duckdb' } as const;

/** Each file of a table: who wrote it, and what the log says its rows share. */
function filesOf(table: string): Promise<{ writer: string; values: Record<string, string | null> }[]> {
  return runPythonJson(
    `
import json, glob, os, sys, pyarrow.parquet as pq
from urllib.parse import unquote
found = []
for name in sorted(glob.glob(sys.argv[1] + '/_delta_log/*.json')):
    for line in open(name):
        add = json.loads(line).get('add')
        if add is None: continue
        meta = pq.read_metadata(os.path.join(sys.argv[1], unquote(add['path'])))
        assert meta.num_rows == json.loads(add['stats'])['numRecords']
        assert not set(add['partitionValues']) & {c.path for c in map(meta.schema.column, range(len(meta.schema)))}
        found.append({'writer': meta.created_by.split(' ')[0], 'values': add['partitionValues']})
print(json.dumps(found))`,
    [table],
  );
}

/** Each table of a folder beside what was sent twice: columns that differ in some reader, partition values, writers. */
const readTables = `
import json, glob, os, sys, polars as pl, pyarrow as pa, pyarrow.parquet as pq
from deltalake import DeltaTable
from urllib.parse import unquote
sent = pa.ipc.open_stream(sys.argv[1]).read_all()
def plain(table):
    table = table.sort_by('id')
    if table.num_rows != 2 * sent.num_rows: raise SystemExit(f'{table.num_rows} rows')
    return {c: [v if v is None else str(v) for v in table[c].cast(pa.string()).to_pylist()][::2] for c in sent.column_names}
def utc(table):
    return table.set_column(table.column_names.index('tz'), 'tz', table['tz'].cast(pa.timestamp('us', 'UTC')))
wanted = plain(pa.concat_tables([utc(sent.set_column(sent.column_names.index('word'), 'word', sent['word'].cast(pa.string())))] * 2))
found = {}
for name in os.listdir(sys.argv[2]):
    place = sys.argv[2] + '/' + name
    t = DeltaTable(place)
    reads = {'deltalake': utc(pa.table(t.to_pyarrow_table())), 'polars': utc(pl.read_delta(place).to_arrow())}
    differing = [f'{who}: {c}' for who, rows in reads.items() for c, v in plain(rows).items() if v != wanted[c]]
    adds = [json.loads(l)['add'] for f in glob.glob(place + '/_delta_log/*.json') for l in open(f) if '"add":' in l]
    writers = {pq.read_metadata(os.path.join(place, unquote(a['path']))).created_by.split(' ')[0] for a in adds}
    values = sorted({json.dumps(a['partitionValues']) for a in adds})
    found[name] = {'differing': differing, 'values': values, 'writers': sorted(writers)}
print(json.dumps(found))
`;

describe('Delta loads into partitions whose files DuckDB writes', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after }, withParquetWriter());
  const scratch = makeTempFolder({ after });
  const place = (table: string) => join(root, table);

  it('say every value as delta-rs does, nulls and strange texts among them, and read the same everywhere', async () => {
    const bytes = await arrowBytes(
      `
from datetime import date, datetime, timezone
from decimal import Decimal
texts = ['a b/c%d=é:', None, "q'\\"#?&*+", 'x\\n\\t\\x01', '.', '..', 'a\\\\b', 'ßU0001f600', 'plain', '0']
n = 200
pick = lambda values, type: pa.array([values[i % len(values)] for i in range(n)], type)
table = pa.table({
  'id': pa.array(range(n), pa.int64()),
  'Te xt': pick(texts, pa.string()),
  'word': pick(['u', 'v'], pa.string()).dictionary_encode(),
  'day': pick([date(2024, 2, 29), date(1, 1, 1), None, date(9999, 12, 31)], pa.date32()),
  'ts': pick([datetime(2024, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), None], pa.timestamp('us')),
  'tz': pick([datetime(2024, 1, 1, 12, 0, 0, 500, timezone.utc), None], pa.timestamp('us', tz='Europe/Lisbon')),
  'flag': pick([True, False, None], pa.bool_()),
  'small': pick([-128, 127, None], pa.int8()),
  'big': pick([-2**63, 2**63 - 1], pa.int64()),
  'money': pick([Decimal('0.50'), Decimal('12.00'), None], pa.decimal128(10, 2)),
})`,
      { codec: 'zstd' },
    );
    const columns = ['Te xt', 'word', 'day', 'ts', 'tz', 'flag', 'small', 'big', 'money'];
    const ways = ['duckdb', 'delta-rs'] as const;
    for (const [index, column] of columns.entries()) {
      for (const way of ways) {
        const route = { delta: { writer: way, partitionBy: [column] } };
        await loadBytes(backend, `${way}_${index}`, bytes, route);
        // The second load is added to the log in another manner than the one that makes the table.
        await loadBytes(backend, `${way}_${index}`, bytes, route);
      }
    }
    const sent = join(scratch, 'sent.arrows');
    writeFileSync(sent, bytes);
    const seen = await runPythonJson<
      Record<string, { differing: string[]; values: string; writers: string[] }>
    >(readTables, [sent, root]);
    for (const [index, column] of columns.entries()) {
      const [duck, delta] = ways.map((way) => seen[`${way}_${index}`]);
      assert.deepEqual([duck?.differing, delta?.differing], [[], []], column);
      assert.deepEqual([duck?.writers, delta?.writers], [['DuckDB'], ['parquet-rs']], column);
      assert.deepEqual(duck?.values, delta?.values, column);
    }
  });

  it('of large loads lie where the log says they do, whoever writes them', async () => {
    const bytes = await arrowBytes(
      `n = 900_000
x = pa.array(np.random.default_rng(1).random(n))
table = pa.table({'id': pa.array(range(n), pa.int64()), 'p': pa.array(['a b/c%d', 'ü'] * (n // 2)), 'x': x, 'y': x})`,
      { batchRows: 100_000 },
    );
    for (const way of ['duckdb', 'delta-rs'] as const) {
      const route = { delta: { writer: way, partitionBy: ['p'] } };
      for (let version = 0; version < 2; version += 1) {
        await loadBytes(backend, `large_${way}`, bytes, route);
      }
      assert.equal(
        await askTable(
          place(`large_${way}`),
          "answer = t.to_pyarrow_table(filters=[('p', '=', 'a b/c%d')], columns=['id']).num_rows",
        ),
        900_000,
      );
    }
  });

  it('keep the order of rows in each of few and of many partitions, in files of the target size, and prune', async () => {
    for (const [table, partitions, targetFileSize] of [
      ['few', 3, 500_000],
      ['many', 200, 134_217_728],
    ] as const) {
      const bytes = await arrowBytes(
        `n = 400_000
r = np.random.default_rng(1)
table = pa.table({'id': pa.array(range(n), pa.int64()), 'p': pa.array(r.integers(0, ${partitions}, n), pa.int32()), 'x': pa.array(r.random(n))})`,
        { batchRows: 9000, codec: 'lz4' },
      );
      await loadBytes(backend, table, bytes, { delta: { ...duckdb, partitionBy: ['p'], targetFileSize } });
      const seen = await runPythonJson<{ ordered: boolean; files: number; largest: number; pruned: number }>(
        `
import json, os, sys, pyarrow as pa, numpy as np, pyarrow.parquet as pq
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1])
files = t.file_uris()
byp = {}
for f in sorted(files): byp.setdefault(os.path.dirname(f), []).append(f)
ids = [np.concatenate([pq.read_table(f, partitioning=None)['id'].to_numpy() for f in fs]) for fs in byp.values()]
ordered = all((np.diff(i) > 0).all() for i in ids) and sum(map(len, ids)) == 400_000 and t.count() == 400_000
print(json.dumps({'ordered': bool(ordered), 'files': len(files), 'largest': max(map(os.path.getsize, files)),
  'pruned': len(t.file_uris([('p', '=', '1')]))}))`,
        [place(table)],
      );
      assert.ok(seen.ordered, table);
      assert.ok(seen.largest < 600_000, JSON.stringify(seen));
      assert.equal(seen.files, table === 'few' ? seen.files : 200);
      assert.ok(seen.files >= 2 * partitions || table === 'many', JSON.stringify(seen));
      assert.ok(seen.pruned > 0 && seen.pruned <= Math.ceil(seen.files / partitions), JSON.stringify(seen));
      assert.ok(!existsSync(join(place(table), '_arrowport')));
    }
  });

  it('refuse what no text says, in either way, and leave nothing', async () => {
    const column = (values: string) => arrowBytes(`table = pa.table({'id': [1, 2], 'p': ${values}})`);
    const inputs = {
      day: await column('pa.array([0, 4_000_000], pa.date32())'),
      time: await column("pa.array([0, -62_135_596_800_000_001], pa.timestamp('us'))"),
      money: await column("pa.array([__import__('decimal').Decimal('-1.50'), None], pa.decimal128(10, 2))"),
      long: await column("['ä' * 400, '']"),
    };
    for (const [name, bytes] of Object.entries(inputs)) {
      for (const way of ['duckdb', 'delta-rs'] as const) {
        const table = `refused_${name}_${way}`;
        await assert.rejects(
          loadBytes(backend, table, bytes, { delta: { writer: way, partitionBy: ['p'] } }),
          (error) => error instanceof ArrowportError && error.code === 'TYPE_UNSUPPORTED',
          table,
        );
        assert.equal(await backend.findTable({ schema: null, name: table }), undefined);
        assert.ok(way === 'delta-rs' || !existsSync(place(table)));
      }
    }
  });

  it('are only taken where the configuration says so, and never for partitions of numbers with a point', async () => {
    const bytes = await arrowBytes(
      `n = 1_200_000
x = pa.array(np.random.default_rng(1).random(n))
table = pa.table({'id': pa.array(range(n), pa.int64()), 'f': pa.array([1.5] * n), 'a': x, 'b': x})`,
      { codec: 'zstd', batchRows: 100_000 },
    );
    await loadBytes(backend, 'by_itself', bytes, { delta: { partitionBy: ['f'] } });
    await loadBytes(backend, 'floats', bytes, { delta: { ...duckdb, partitionBy: ['f'] } });
    for (const table of ['by_itself', 'floats']) {
      assert.deepEqual(
        (await filesOf(place(table))).map((file) => file.writer),
        ['parquet-rs'],
      );
    }
  });
});
