import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';

/** Loads a table with every type that Delta has, small or large enough to be staged, and reads it with DuckDB's own delta_scan, deltalake and polars. */
const program = `
import glob, io, json, math, os, sys
import duckdb, duckdb_extension_delta, numpy as np, polars as pl, pyarrow as pa, requests
from decimal import Decimal
from deltalake import DeltaTable
url, folder, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
ids = np.arange(rows, dtype='int64')
def with_nulls(array):
    return pa.array([None if i % 11 == 3 else v for i, v in enumerate(array.to_pylist())], array.type)
big = pa.decimal128(38, 10)
table = pa.table({
    'id': ids,
    'i8': pa.array(ids % 100 - 50, pa.int8()), 'i16': pa.array(ids % 30000, pa.int16()), 'i32': pa.array(ids, pa.int32()),
    'i64': pa.array((ids * 922337203685477) % (2**63 - 1), pa.int64()), 'u8': pa.array(ids % 256, pa.uint8()),
    'u16': pa.array(ids % 65536, pa.uint16()), 'u32': pa.array(4294967295 - ids, pa.uint32()),
    'f32': pa.array((ids / 3).astype('float32')), 'f64': pa.array([math.inf, -math.inf, math.nan, -0.0] + [i / 7 for i in range(rows - 4)]),
    'dec': pa.array([Decimal(int(i)) / 100 for i in ids[:50]] * (rows // 50), pa.decimal128(12, 2)),
    'wide': pa.array([Decimal('1234567890123456789012345678.0123456789') - int(i) for i in ids[:50]] * (rows // 50), big),
    'flag': pa.array(ids % 2 == 0), 'text': with_nulls(pa.array([f'tëxt {i} 😀' for i in range(rows)])),
    'raw': with_nulls(pa.array([bytes([i % 256, 0, 255]) for i in range(rows)])),
    'day': pa.array(ids % 40000 - 20000, pa.int32()).cast(pa.date32()),
    'utc': pa.array(ids * 1000003, pa.timestamp('us', 'UTC')), 'berlin': pa.array(ids * 1000003, pa.timestamp('us', 'Europe/Berlin')),
    'local': pa.array(ids * 1000003 - 10**15, pa.timestamp('us')), 'seconds': pa.array(ids, pa.timestamp('s')),
    'list': with_nulls(pa.array([[i, None, i + 1] if i % 3 else [] for i in range(rows)], pa.list_(pa.int64()))),
    'deep': with_nulls(pa.array([{'a': i, 'b': {'c': f'{i}', 'd': [i]}} for i in range(rows)])),
    'map': pa.array([[(f'k{i}', i), ('z', None)] for i in range(rows)], pa.map_(pa.string(), pa.int64())),
    'pad': pa.array(['x' * 500] * rows),
    'dict': pa.array([f'v{i % 5}' for i in range(rows)]).dictionary_encode(),
})
body = io.BytesIO()
with pa.ipc.new_stream(body, table.schema) as writer:
    writer.write_table(table, max_chunksize=20_000)
answer = requests.post(f'{url}/delta/all', data=body.getvalue(), headers={'Content-Type': 'application/vnd.apache.arrow.stream'})
assert answer.status_code == 200, answer.text
uri = f'{folder}/all'
con = duckdb.connect()
con.execute("set timezone = 'UTC'")
con.execute("load '%s'" % glob.glob(os.path.join(os.path.dirname(duckdb_extension_delta.__file__), 'extensions', 'v' + duckdb.__version__, '*.duckdb_extension'))[0])
reads = {
    'duckdb': con.execute('select * from delta_scan(?) order by id', [uri]).to_arrow_table(),
    'deltalake': DeltaTable(uri).to_pyarrow_table().sort_by('id'),
    'polars': pl.read_delta(uri).sort('id').to_arrow(),
}
def plain(array):
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type): array = array.dictionary_decode()
    values = array.to_pylist()
    if pa.types.is_timestamp(array.type): values = [v and (v.timestamp() if v.tzinfo else v) for v in values]
    if pa.types.is_floating(array.type): values = [repr(v) for v in values]
    if 'map' in str(array.type) or 'key' in str(array.type): values = [v and {(e['key'] if isinstance(e, dict) else e[0]): (e['value'] if isinstance(e, dict) else e[1]) for e in v} for v in values]
    return values
differing = {reader: [n for n in table.column_names if plain(got.column(n)) != plain(table.column(n))] for reader, got in reads.items()}
filters = {f: con.execute(f'select count(*) from delta_scan(?) where {f}', [uri]).fetchone()[0] for f in ('wide > 1234567890123456789012345670', 'id = 7', "text = 'tëxt 8 😀'", "i64 = 922337203685477 * 5", "day = date '1915-04-01'")}
print(json.dumps({'differing': differing, 'filters': list(filters.values()), 'rows': [r.num_rows for r in reads.values()]}), flush=True)
os._exit(0)
`;

for (const rows of [200, 40_000]) {
  test(`${rows} rows of every type read the same by delta_scan, deltalake and polars`, {
    skip: skipWithoutPython,
  }, async (t) => {
    const server = await startServer(t);
    const answer = await runPythonJson<{
      differing: object;
      filters: readonly number[];
      rows: readonly number[];
    }>(program, [server.url, join(server.folder, 'delta_tables'), String(rows)]);
    assert.deepEqual(answer.differing, { duckdb: [], deltalake: [], polars: [] });
    assert.deepEqual(answer.rows, [rows, rows, rows]);
    const [wide, ...found] = answer.filters;
    assert.equal(wide, (rows / 50) * 8);
    assert.deepEqual(found, [1, 1, 1, Math.ceil((rows - 1) / 40_000)]);
  });
}
