import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { deltaRoute, loadBytes, openBytes, startDeltaBackend } from './delta-support.ts';
import { askTable, compareWithSent } from './python-readers.ts';

const everyType = `
from datetime import datetime, date, timezone
from decimal import Decimal
n = 1000
ids = pa.array(range(n), pa.int64())
def some(values, type):
    return pa.array([None if i % 7 == 3 else values(i) for i in range(n)], type)
table = pa.table({
  'id': ids,
  'flag': some(lambda i: i % 2 == 0, pa.bool_()),
  'i8': some(lambda i: i % 128 - 64, pa.int8()),
  'i16': some(lambda i: i * 30 - 15000, pa.int16()),
  'i32': some(lambda i: i * 2000000 - 10**9, pa.int32()),
  'i64': some(lambda i: (i - 500) * 2**53, pa.int64()),
  'u8': some(lambda i: i % 256, pa.uint8()),
  'u16': some(lambda i: 65535 - i, pa.uint16()),
  'u32': some(lambda i: 2**32 - 1 - i, pa.uint32()),
  'f16': some(lambda i: np.float16(i / 8), pa.float16()),
  'f32': some(lambda i: i / 3, pa.float32()),
  'f64': some(lambda i: i / 3 if i else float('inf'), pa.float64()),
  'dec': some(lambda i: Decimal(i) / Decimal(100), pa.decimal128(20, 2)),
  'dec256': some(lambda i: Decimal(i), pa.decimal256(38, 0)),
  'text': some(lambda i: 'ä' * (i % 40), pa.string()),
  'large': some(lambda i: str(i), pa.large_string()),
  'view': some(lambda i: 'a longer text than fits ' + str(i), pa.string_view()),
  'bytes': some(lambda i: bytes([i % 256, 0, 255]), pa.binary()),
  'fixed': some(lambda i: i.to_bytes(4, 'big'), pa.binary(4)),
  'day': some(lambda i: date(1970, 1, 1).replace(year=1900 + i % 200), pa.date32()),
  'day64': some(lambda i: date(2000, 1, 1).replace(year=1900 + i % 200), pa.date64()),
  'ts': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i), pa.timestamp('us')),
  'ts_s': some(lambda i: datetime(1960, 1, 1, 0, 0, i % 60), pa.timestamp('s')),
  'ts_tz': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i, timezone.utc), pa.timestamp('us', tz='UTC')),
  'category': pa.array(['c' + str(i % 5) for i in range(n)]).dictionary_encode(),
  'list': some(lambda i: [i, None, i + 1] if i % 2 else [], pa.list_(pa.int32())),
  'fixed_list': some(lambda i: [i, i + 1], pa.list_(pa.int32(), 2)),
  'struct': some(lambda i: {'a': i, 'b': {'c': str(i)}}, pa.struct([('a', pa.int32()), ('b', pa.struct([('c', pa.string())]))])),
  'map': some(lambda i: [('k' + str(i), i)], pa.map_(pa.string(), pa.int64())),
})`;

const simple = (rows: string) => arrowBytes(`table = pa.table({${rows}})`);

function refusedAs(code: string, ...texts: readonly string[]) {
  return (error: unknown) => {
    assert.ok(error instanceof ArrowportError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of texts) assert.ok(error.message.includes(text), `${error.message} lacks ${text}`);
    return true;
  };
}

describe('Delta loads', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });
  const scratch = makeTempFolder({ after });
  const place = (table: string) => join(root, table);

  it('keep every type value-exact, plain and with compressed buffers', async () => {
    for (const codec of [undefined, 'zstd', 'lz4'] as const) {
      const table = `types_${codec ?? 'plain'}`;
      const bytes = await arrowBytes(everyType, codec === undefined ? {} : { codec });
      const result = await loadBytes(backend, table, bytes);
      assert.equal(result.rows, 1000);
      assert.equal(result.version, 0);
      const seen = await compareWithSent(scratch, place(table), [bytes], 'id');
      assert.deepEqual(seen.differing, []);
      assert.equal(seen.polars_rows, 1000);
    }
  });

  it('create nullable columns whatever the stream says', async () => {
    await loadBytes(
      backend,
      'nullable',
      await arrowBytes(
        `table = pa.table({'a': pa.array([1])}, schema=pa.schema([pa.field('a', pa.int64(), nullable=False)]))`,
      ),
    );
    const info = await backend.tables.info('nullable', { requestId: 'test' });
    assert.deepEqual(
      info.schema.fields.map((field) => [field.name, field.type, field.nullable]),
      [['a', 'long', true]],
    );
  });

  it('match columns by name: any order, absent ones are null, narrower ones grow', async () => {
    const first = await simple(
      `'a': pa.array([1], pa.int64()), 'b': ['x'], 'c': pa.array([1.5], pa.float64())`,
    );
    await loadBytes(backend, 'by_name', first);
    await loadBytes(backend, 'by_name', await simple(`'b': ['y'], 'a': pa.array([2], pa.int16())`));
    await loadBytes(
      backend,
      'by_name',
      await simple(`'c': pa.array([2.5], pa.float32()), 'a': pa.array([None], pa.null())`),
    );
    const rows = await askTable<unknown[]>(
      place('by_name'),
      `answer = sorted(([r['a'] or 0, r['b'], r['c']] for r in rows))`,
    );
    assert.deepEqual(rows, [
      [0, null, 2.5],
      [1, 'x', 1.5],
      [2, 'y', null],
    ]);
  });

  it('are refused whole when a column is new or wider, and the table stays', async () => {
    await loadBytes(backend, 'strict', await simple(`'a': pa.array([1], pa.int32()), 'b': ['x']`));
    const wider = await simple(`'a': pa.array([1], pa.int64()), 'b': [b'x'], 'z': [1]`);
    await assert.rejects(
      loadBytes(backend, 'strict', wider),
      refusedAs('SCHEMA_MISMATCH', '"a"', '"b"', '"z"'),
    );
    assert.equal((await backend.tables.info('strict', { requestId: 'test' })).version, 0);
  });

  it('with schema_mode merge add columns in the same commit', async () => {
    await loadBytes(backend, 'grows', await simple(`'a': [1]`));
    const result = await loadBytes(backend, 'grows', await simple(`'a': [2], 'b': ['new']`), {
      schemaMode: 'merge',
    });
    assert.equal(result.version, 1);
    const rows = await askTable<unknown[]>(place('grows'), `answer = sorted([r['a'], r['b']] for r in rows)`);
    assert.deepEqual(rows, [
      [1, null],
      [2, 'new'],
    ]);
  });

  it('name the column and type that Delta cannot hold, and leave no table', async () => {
    const cases = [
      [`pa.array([1], pa.timestamp('ns'))`, 'timestamp[ns]'],
      [`pa.array([1], pa.uint64())`, 'uint64'],
      [`pa.array([1], pa.time64('us'))`, 'time64[us]'],
      [`pa.array([1], pa.duration('us'))`, 'duration[us]'],
      [`pa.array([None], pa.null())`, 'null'],
      [`pa.array([[1]], pa.list_(pa.time32('s')))`, 'time32[s]'],
      [`pa.array([{}], pa.struct([]))`, 'struct<>'],
      [`pa.array([[[(1, None)]]], pa.list_(pa.map_(pa.int8(), pa.timestamp('s'))))`, 'timestamp[s]'],
      [
        `pa.array([[(1, {'a': 1, 'A': 2})]], pa.map_(pa.int8(), pa.struct({'a': pa.int8(), 'A': pa.int8()})))`,
        'struct<a: int8, A: int8>',
      ],
    ] as const;
    for (const [source, type] of cases) {
      const bytes = await simple(`'good': [1], 'bad': ${source}`);
      await assert.rejects(loadBytes(backend, 'unheld', bytes), refusedAs('TYPE_UNSUPPORTED', 'bad', type));
    }
    assert.ok(!existsSync(place('unheld')));
  });

  it('refuse columns that differ only in case, naming both', async () => {
    await assert.rejects(
      loadBytes(backend, 'cases', await simple(`'Name': [1], 'name': [2]`)),
      refusedAs('SCHEMA_MISMATCH', '"Name"', '"name"'),
    );
  });

  it('overwrite everything, or the rows that a predicate names', async () => {
    await loadBytes(backend, 'over', await simple(`'day': ['mon', 'tue'], 'v': [1, 2]`));
    await loadBytes(backend, 'over', await simple(`'day': ['tue', 'tue'], 'v': [3, 4]`), {
      mode: 'overwrite',
      replacePredicate: "day = 'tue'",
    });
    const partly = await askTable<unknown>(
      place('over'),
      `answer = sorted([r['day'], r['v']] for r in rows)`,
    );
    assert.deepEqual(partly, [
      ['mon', 1],
      ['tue', 3],
      ['tue', 4],
    ]);
    await loadBytes(backend, 'over', await simple(`'day': ['wed'], 'v': [9]`), { mode: 'overwrite' });
    assert.deepEqual(await askTable<unknown>(place('over'), `answer = rows`), [{ day: 'wed', v: 9 }]);
  });

  it('refuse rows outside the predicate that they replace', async () => {
    await loadBytes(backend, 'outside', await simple(`'day': ['mon'], 'v': [1]`));
    const wrong = loadBytes(backend, 'outside', await simple(`'day': ['sun'], 'v': [3]`), {
      mode: 'overwrite',
      replacePredicate: "day = 'mon'",
    });
    await assert.rejects(wrong, refusedAs('SCHEMA_MISMATCH'));
    assert.equal((await backend.tables.info('outside', { requestId: 'test' })).version, 0);
  });

  it('overwrite the schema, and the partitioning with it', async () => {
    await loadBytes(backend, 'remade', await simple(`'a': [1], 'b': ['x']`));
    await loadBytes(backend, 'remade', await simple(`'a': ['text'], 'p': [7]`), {
      mode: 'overwrite',
      schemaMode: 'overwrite',
      partitionBy: ['p'],
    });
    const answer = await askTable<unknown>(
      place('remade'),
      `answer = [rows, t.metadata().partition_columns]`,
    );
    assert.deepEqual(answer, [[{ a: 'text', p: 7 }], ['p']]);
  });

  it('merge by key: update, insert, delete, ignore', async () => {
    const start = await simple(`'k': [1, 2, 3], 'v': ['a', 'b', 'c']`);
    const source = await simple(`'v': ['B', 'D'], 'k': [2, 4]`);
    const cases = [
      [
        'update',
        'insert',
        [
          [1, 'a'],
          [2, 'B'],
          [3, 'c'],
          [4, 'D'],
        ],
      ],
      [
        'ignore',
        'insert',
        [
          [1, 'a'],
          [2, 'b'],
          [3, 'c'],
          [4, 'D'],
        ],
      ],
      [
        'delete',
        'ignore',
        [
          [1, 'a'],
          [3, 'c'],
        ],
      ],
      [
        'update',
        'ignore',
        [
          [1, 'a'],
          [2, 'B'],
          [3, 'c'],
        ],
      ],
    ] as const;
    for (const [whenMatched, whenNotMatched, expected] of cases) {
      const table = `merge_${whenMatched}_${whenNotMatched}`;
      await loadBytes(backend, table, start);
      await loadBytes(backend, table, source, {
        mode: 'merge',
        merge: { on: ['k'], whenMatched, whenNotMatched },
      });
      assert.deepEqual(
        await askTable(place(table), `answer = sorted([r['k'], r['v']] for r in rows)`),
        expected,
      );
    }
  });

  it('refuse a merge without keys, or with keys that the stream lacks', async () => {
    const bytes = await simple(`'k': [1]`);
    await loadBytes(backend, 'keyless', bytes);
    for (const on of [[], ['nope']]) {
      const merge = { on, whenMatched: 'update', whenNotMatched: 'insert' } as const;
      await assert.rejects(
        loadBytes(backend, 'keyless', bytes, { mode: 'merge', merge }),
        refusedAs('OPTION_INVALID'),
      );
    }
  });

  it('partition new tables, and refuse columns that are not there', async () => {
    const bytes = await simple(`'p': ['a b/c', 'x', None], 'v': [1, 2, 3]`);
    await loadBytes(backend, 'parts', bytes, { partitionBy: ['p'] });
    const answer = await askTable<unknown>(
      place('parts'),
      `answer = [sorted([r['p'] or '', r['v']] for r in rows), t.metadata().partition_columns]`,
    );
    assert.deepEqual(answer, [
      [
        ['', 3],
        ['a b/c', 1],
        ['x', 2],
      ],
      ['p'],
    ]);
    await assert.rejects(
      loadBytes(backend, 'parts2', bytes, { partitionBy: ['nope'] }),
      refusedAs('OPTION_INVALID', 'nope'),
    );
    await assert.rejects(
      loadBytes(backend, 'parts', bytes, { partitionBy: ['v'] }),
      refusedAs('OPTION_INVALID'),
    );
  });

  it('never leave the root, whatever the table is called', async () => {
    const bytes = await simple(`'a': [1]`);
    for (const name of [
      '../x',
      '..',
      '.',
      '/etc/x',
      'a/b',
      'a\\b',
      '',
      '_delta_log',
      'x'.repeat(129),
      '%2e%2e',
      '~',
    ]) {
      await assert.rejects(async () => loadBytes(backend, name, bytes), refusedAs('OPTION_INVALID'));
    }
  });

  it('without auto_create_table refuse a load of a table that is not there', async () => {
    await assert.rejects(
      loadBytes(backend, 'absent', await simple(`'a': [1]`), { delta: { autoCreateTable: false } }),
      refusedAs('TABLE_NOT_FOUND'),
    );
  });

  it('write table properties and every compression', async () => {
    for (const compression of ['snappy', 'gzip', 'lz4', 'zstd', 'none'] as const) {
      const table = `packed_${compression}`;
      await loadBytes(backend, table, await simple(`'a': ['x'] * 1000`), {
        delta: { compression, tableProperties: { 'delta.appendOnly': 'true' } },
      });
      const answer = await askTable<[string, string]>(
        place(table),
        `import pyarrow.parquet as pq
answer = [pq.ParquetFile(t.file_uris()[0].removeprefix('file://')).metadata.row_group(0).column(0).compression, t.metadata().configuration['delta.appendOnly']]`,
      );
      const name = { snappy: 'SNAPPY', gzip: 'GZIP', lz4: 'LZ4', zstd: 'ZSTD', none: 'UNCOMPRESSED' }[
        compression
      ];
      assert.deepEqual(answer, [name, 'true']);
    }
  });

  it('with no batches or no rows create the table and acknowledge zero rows', async () => {
    const bytes = await arrowBytes(`table = pa.table({'a': pa.array([], pa.int64())})`);
    assert.equal((await loadBytes(backend, 'empty', bytes)).rows, 0);
    assert.equal((await loadBytes(backend, 'empty', bytes)).rows, 0);
  });

  it('larger than memory wants are staged beside the table: value-exact, pruned by statistics, nothing left over', async () => {
    const source = (from: number) => `
rng = np.random.default_rng(${from})
n = 600000
noise = rng.bytes(n * 24).hex()
table = pa.table({'id': pa.array(range(${from}, ${from} + n)), 'text': [noise[i * 48:(i + 1) * 48] for i in range(n)], 'v': rng.normal(size=n)})`;
    const sent = [
      await arrowBytes(source(0), { batchRows: 50_000 }),
      await arrowBytes(source(600_000), { batchRows: 50_000 }),
    ];
    for (const bytes of sent) {
      assert.ok(bytes.length > 30e6);
      const result = await loadBytes(backend, 'large', bytes, { delta: { targetFileSize: 8_000_000 } });
      assert.equal(result.rows, 600_000);
    }
    const seen = await compareWithSent(scratch, place('large'), sent, 'id');
    assert.deepEqual(seen.differing, []);
    assert.ok(!readdirSync(place('large')).includes('_arrowport'));
    const pruned = await askTable<number[]>(
      place('large'),
      `answer = [len(t.file_uris(file_pruning_predicate='id < 10')), len(t.file_uris())]`,
    );
    assert.ok((pruned[0] ?? 0) < (pruned[1] ?? 0), String(pruned));
  });

  it('that are broken off leave nothing, small or staged', async () => {
    const small = await simple(`'a': [1, 2, 3]`);
    const large = await arrowBytes(
      `table = pa.table({'a': np.random.default_rng(1).integers(0, 2**62, 5_000_000)})`,
      { batchRows: 100_000 },
    );
    await loadBytes(backend, 'broken', small);
    const before = readdirSync(place('broken')).sort();
    for (const bytes of [small, large]) {
      const opened = await openBytes(bytes);
      const load = await backend.begin({
        route: deltaRoute('broken', { targetFileSize: 2_000_000 }),
        schema: opened.schema,
        schemaMetadata: opened.schemaMetadata,
        options: { mode: 'append', schemaMode: 'strict', partitionBy: null, idempotencyKey: null },
        requestId: 'broken',
      });
      for await (const message of opened.messages) await load.write(message);
      await load.abort();
      await load.abort();
    }
    await waitFor('its files gone', () => readdirSync(place('broken')).length <= before.length);
    assert.deepEqual(readdirSync(place('broken')).sort(), before);
    assert.equal((await backend.tables.info('broken', { requestId: 'test' })).version, 0);
  });
});

describe('Delta idempotency keys', { skip: skipWithoutPython }, () => {
  const { backend } = startDeltaBackend({ after });

  it('make a load happen once, and answer the first commit again', async () => {
    const bytes = await simple(`'a': [1, 2]`);
    const first = await loadBytes(backend, 'once', bytes, { idempotencyKey: 'k' });
    await loadBytes(backend, 'once', bytes, { idempotencyKey: 'other' });
    const again = await loadBytes(backend, 'once', bytes, { idempotencyKey: 'k' });
    assert.equal(again.rows, 2);
    assert.equal(again.version, first.version);
    assert.equal(again.replay?.commitId, first.commitId);
    assert.equal((await backend.tables.info('once', { requestId: 'test' })).row_count, 4);
  });

  it('hold against loads at the same time', async () => {
    const bytes = await simple(`'a': [1]`);
    await loadBytes(backend, 'race', bytes);
    const results = await Promise.all(
      Array.from({ length: 8 }, () => loadBytes(backend, 'race', bytes, { idempotencyKey: 'same' })),
    );
    assert.equal(results.filter((result) => result.replay === null).length, 1);
    assert.equal((await backend.tables.info('race', { requestId: 'test' })).row_count, 2);
  });

  it('conflict with another stream or mode', async () => {
    const bytes = await simple(`'a': [1]`);
    await loadBytes(backend, 'owned', bytes, { idempotencyKey: 'k', stream: 'mine' });
    await assert.rejects(
      loadBytes(backend, 'owned', bytes, { idempotencyKey: 'k', stream: 'yours' }),
      refusedAs('IDEMPOTENCY_CONFLICT'),
    );
    await assert.rejects(
      loadBytes(backend, 'owned', bytes, { idempotencyKey: 'k', stream: 'mine', mode: 'overwrite' }),
      refusedAs('IDEMPOTENCY_CONFLICT'),
    );
  });
});
