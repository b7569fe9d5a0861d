import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { runPython, skipWithoutPython } from '../../support/python.ts';
import { collect, loadBytes, startDeltaBackend, type TestLoad, withParquetWriter } from './delta-support.ts';

const context = { requestId: 'test' };

/** Tables as plain deltalake makes them. */
const maker = `
import os, sys
from decimal import Decimal
import pyarrow as pa
from deltalake import DeltaTable, Field, Schema, write_deltalake
root = sys.argv[1]
def make(name, fields, rows, **settings):
    table = DeltaTable.create(f'{root}/{name}', schema=Schema(fields), **settings)
    write_deltalake(table, rows, mode='append')
    return DeltaTable(f'{root}/{name}')
rows = pa.table({'id': [1], 'x': [10]})
plain = [Field('id', 'long'), Field('x', 'long')]
make('checked', plain, rows).alter.add_constraint({'positive': 'x > 0'})
make('needed', [Field('id', 'long', nullable=False), Field('x', 'long')], rows.cast(pa.schema([pa.field('id', pa.int64(), False), ('x', pa.int64())])))
make('invariant', [Field('id', 'long'), Field('x', 'long', metadata={'delta.invariants': '{"expression": {"expression": "x > 0"}}'})], rows)
make('generated', [*plain, Field('double', 'long', metadata={'delta.generationExpression': 'x * 2'})], rows)
make('mapped', plain, rows, configuration={'delta.columnMapping.mode': 'name'})
make('exact', [Field('id', 'long'), Field('d', 'decimal(38,0)')], pa.table({'id': [1], 'd': pa.array([Decimal(1)], pa.decimal128(38, 0))}))
make('counted', [Field('id', 'long'), Field('d', 'decimal(38,0)')], pa.table({'id': [1], 'd': pa.array([Decimal(1)], pa.decimal128(38, 0))}), configuration={'delta.dataSkippingStatsColumns': 'id,d'})
make('kept', plain, rows, configuration={'delta.appendOnly': 'true'})
make('stamped', [*plain, Field('at', 'timestamp_ntz')], rows.append_column('at', pa.array([1], pa.timestamp('us'))))
first = f'{root}/stamped/_delta_log/{0:020}.json'
log = open(first).read()
open(first, 'w').write(log.replace('"writerFeatures":[', '"writerFeatures":["inCommitTimestamp",'))
DeltaTable.create(f'{root}/vectors', schema=Schema(plain), configuration={'delta.enableDeletionVectors': 'true'})
os._exit(0)
`;

describe('Rules of Delta tables that others made', { skip: skipWithoutPython }, async () => {
  const { backend, root } = startDeltaBackend({ after }, withParquetWriter());

  const load = async (table: string, source: string, settings: TestLoad = {}) =>
    loadBytes(backend, table, await arrowBytes(`table = pa.table(${source})`), settings);
  const rows = async (table: string) => {
    const { bytes } = await backend.tables.read(table, { format: 'ndjson' }, context);
    const lines = (await collect(bytes)).toString().trim().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, number>);
  };
  const ids = async (table: string) => (await rows(table)).map(({ id }) => id).sort();
  const refuses = async (attempt: Promise<unknown>, code: string, about: string) => {
    await assert.rejects(
      attempt,
      (error: unknown) => {
        assert.ok(error instanceof ArrowportError, String(error));
        assert.equal(error.code, code, `${about}: ${error.message}`);
        return true;
      },
      about,
    );
  };
  it('are there to begin with', async () => {
    await mkdir(root, { recursive: true });
    const made = await runPython(maker, [root]);
    assert.equal(made.code, 0, made.stderr);
  });

  for (const table of ['checked', 'invariant', 'needed']) {
    const bad =
      table === 'needed' ? `{'id': pa.array([None], pa.int64()), 'x': [1]}` : `{'id': [2], 'x': [-1]}`;
    it(`${table}: rows that break them are refused whole, however they come`, async () => {
      await load(table, `{'id': [3], 'x': [30]}`);
      const before = await backend.tables.info(table, context);
      const ways: readonly (readonly [string, TestLoad])[] = [
        ['append', {}],
        ['overwrite', { mode: 'overwrite' }],
        ['replacement', { mode: 'overwrite', replacePredicate: 'x <= 0 or x = 1' }],
        ['new column', { schemaMode: 'merge' }],
        ['merge', { mode: 'merge', merge: { on: ['x'], whenMatched: 'update', whenNotMatched: 'insert' } }],
      ];
      for (const [way, settings] of ways) {
        const source = way === 'new column' ? bad.replace('{', `{'extra': [1], `) : bad;
        await refuses(load(table, source, settings), 'SCHEMA_MISMATCH', way);
      }
      const big = `{'id': pa.array([${table === 'needed' ? 'None' : '5'}, 6] * 600_000, pa.int64()), 'x': pa.array([-1, 7] * 600_000)}`;
      await refuses(load(table, big), 'SCHEMA_MISMATCH', 'large append');
      const update = table === 'needed' ? { id: 'null' } : { x: '-5' };
      await refuses(backend.tables.update(table, { updates: update }, context), 'SCHEMA_MISMATCH', 'update');
      assert.equal((await backend.tables.info(table, context)).version, before.version);
      assert.deepEqual(await ids(table), [1, 3]);
    });
  }

  it('needed: a stream without the column is refused, naming it', async () => {
    await refuses(load('needed', `{'x': [1]}`), 'SCHEMA_MISMATCH', 'absent');
  });

  it('generated columns are filled in, and wrong values refused', async () => {
    await load('generated', `{'id': [2], 'x': [21]}`);
    await load('generated', `{'id': [3], 'x': [4], 'double': [8]}`);
    await refuses(
      load('generated', `{'id': [4], 'x': [4], 'double': [9]}`),
      'SCHEMA_MISMATCH',
      'wrong value',
    );
    assert.deepEqual((await rows('generated')).map(({ id, double }) => [id, double]).sort(), [
      [1, 20],
      [2, 42],
      [3, 8],
    ]);
  });

  it('mapped columns keep their names, in every way of writing', async () => {
    await load('mapped', `{'id': [2], 'x': [20]}`, { idempotencyKey: 'm' });
    await load('mapped', `{'x': [30], 'id': [3]}`);
    await load('mapped', `{'id': [3, 4], 'x': [33, 40]}`, {
      mode: 'merge',
      merge: { on: ['id'], whenMatched: 'update', whenNotMatched: 'insert' },
    });
    await backend.tables.update('mapped', { updates: { x: 'x + 1' }, predicate: 'id = 1' }, context);
    await backend.tables.delete('mapped', { predicate: 'id = 2' }, context);
    await refuses(backend.tables.optimize('mapped', {}, context), 'OPTION_INVALID', 'optimize');
    assert.deepEqual(
      (await rows('mapped')).sort((a, b) => Number(a['id']) - Number(b['id'])),
      [
        { id: 1, x: 11 },
        { id: 3, x: 33 },
        { id: 4, x: 40 },
      ],
    );
    const evolving = { schemaMode: 'merge' } as const;
    await refuses(
      load('mapped', `{'id': [5], 'x': [50], 'extra': ['e']}`, evolving),
      'OPTION_INVALID',
      'new column',
    );
    assert.ok((await rows('mapped')).every(({ id, x }) => typeof id === 'number' && typeof x === 'number'));
    await load('mapped', `{'id': [6], 'x': [60]}`, { mode: 'overwrite' });
    assert.deepEqual(
      (await rows('mapped')).map(({ id, x }) => [id, x]),
      [[6, 60]],
    );
  });

  it('mapped columns that a stream does not have are null, of whatever type', async () => {
    const all = `{'id': [1], 'n': [1], 's': ['a'], 'b': [b'a'], 'f': [True], 'd': pa.array([1], pa.date32()),
      't': pa.array([1], pa.timestamp('us', tz='UTC')), 'm': pa.array([Decimal(1)], pa.decimal128(20, 2)),
      'l': [[1]], 'st': [{'x': 1, 'y': [{'z': 'a'}]}], 'k': pa.array([[('a', 1)]], pa.map_(pa.string(), pa.int32()))}`;
    const delta = { tableProperties: { 'delta.columnMapping.mode': 'id' }, partitionBy: ['n'] };
    await loadBytes(
      backend,
      'sparse',
      await arrowBytes(`from decimal import Decimal\ntable = pa.table(${all})`),
      {
        delta,
      },
    );
    await load('sparse', `{'id': list(range(2, 2000))}`);
    await load('sparse', `{'id': [1], 'n': [1]}`, { mode: 'overwrite', replacePredicate: 'n = 1' });
    const found = await rows('sparse');
    assert.equal(found.length, 1999);
    const empty = {
      n: null,
      s: null,
      b: null,
      f: null,
      d: null,
      t: null,
      m: null,
      l: null,
      st: null,
      k: null,
    };
    const byId = new Map(found.map((row) => [row['id'], row]));
    assert.deepEqual(byId.get(1999), { ...empty, id: 1999 });
    assert.deepEqual(byId.get(1), { ...empty, id: 1, n: 1 });
  });

  for (const writer of ['delta-rs', 'duckdb'] as const) {
    it(`a large first load of ${writer} makes a table with mapped columns whose values are read back`, async () => {
      const table = `large_${writer.replace('-', '')}`;
      const delta = { tableProperties: { 'delta.columnMapping.mode': 'name' }, writer };
      const source = `table = pa.table({'id': np.arange(1_500_000), 'x': np.arange(1_500_000) * 2})`;
      await loadBytes(backend, table, await arrowBytes(source), { delta });
      const { bytes } = await backend.tables.read(table, { format: 'csv', filter: 'id >= 1499998' }, context);
      assert.equal((await collect(bytes)).toString(), 'id,x\n1499998,2999996\n1499999,2999998\n');
    });
  }

  it('mapped columns and timestamps without a time zone make no table that others open, so none is made', async () => {
    const delta = { tableProperties: { 'delta.columnMapping.mode': 'name' } };
    const source = `{'id': [1], 'at': pa.array([1], pa.timestamp('us'))}`;
    await refuses(load('local_times', source, { delta }), 'TYPE_UNSUPPORTED', 'small');
    await refuses(backend.tables.info('local_times', context), 'TABLE_NOT_FOUND', 'no table');
  });

  for (const rows of [10, 1_500_000]) {
    it(`a table that ${rows} rows replace is opened also where they bring the first timestamps without a time zone`, async () => {
      const table = `times_${rows}`;
      await load(table, `{'id': [1]}`);
      const source = `table = pa.table({'id': np.arange(${rows}), 'at': pa.array(np.arange(${rows}), pa.timestamp('us')),
        'x': np.arange(${rows}), 'y': np.arange(${rows})})`;
      await loadBytes(backend, table, await arrowBytes(source), {
        mode: 'overwrite',
        schemaMode: 'overwrite',
      });
      await load(table, `{'id': [7]}`);
      assert.equal((await backend.tables.info(table, context)).row_count, rows + 1);
    });
  }

  it('decimals of many digits are found wherever they come in, since files say no rounded bounds of them', async () => {
    const made = (rows: number) =>
      arrowBytes(`from decimal import Decimal
table = pa.table({'id': np.arange(${rows}), 'd': pa.array([Decimal(10) ** 30] * ${rows}, pa.decimal128(38, 0)),
  's': pa.array([{'d': Decimal(10) ** 30}] * ${rows}, pa.struct([('d', pa.decimal128(38, 0))]))})`);
    const plain = async (rows: number) =>
      arrowBytes(`from decimal import Decimal
table = pa.table({'id': np.arange(${rows}), 'd': pa.array([Decimal(10) ** 30] * ${rows}, pa.decimal128(38, 0))})`);
    const found = async (table: string, column = 'd') => {
      const filter = `${column} > cast('12345678901234567890' as decimal(38,0))`;
      const { bytes } = await backend.tables.read(table, { format: 'csv', columns: ['id'], filter }, context);
      return (await collect(bytes)).toString().trim().split('\n').length - 1;
    };
    await load('later', `{'id': [1]}`);
    await loadBytes(backend, 'later', await made(3), { schemaMode: 'merge' });
    assert.deepEqual([await found('later'), await found('later', 's.d')], [3, 3]);
    await backend.tables.update('later', { updates: { id: 'id + 1' }, predicate: 'id >= 0' }, context);
    await backend.tables.optimize('later', {}, context);
    assert.deepEqual([await found('later'), await found('later', 's.d')], [3, 3]);
    await load('instead', `{'id': [1]}`);
    await loadBytes(backend, 'instead', await made(200_000), { mode: 'overwrite', schemaMode: 'overwrite' });
    assert.equal(await found('instead'), 200_000);
    await loadBytes(backend, 'exact', await plain(5));
    await loadBytes(backend, 'exact', await plain(1_000_000));
    assert.equal(await found('exact'), 1_000_005);
    // A table's own properties may ask for the statistics that cannot be told.
    await loadBytes(backend, 'counted', await plain(5));
    for (const writer of ['delta-rs', 'duckdb'] as const) {
      await loadBytes(backend, 'counted', await plain(1_000_000), { delta: { writer } });
    }
    assert.equal(await found('counted'), 2_000_005);
    const asked = { tableProperties: { 'delta.dataSkippingStatsColumns': 'd' } };
    await loadBytes(backend, 'asked', await plain(5), { delta: asked });
    assert.equal(await found('asked'), 5);
    const merge = { on: ['id'], whenMatched: 'update', whenNotMatched: 'insert' } as const;
    await load('merged', `{'id': [1], 'd': pa.array([1], pa.decimal128(38, 0))}`);
    await loadBytes(backend, 'merged', await plain(3), { mode: 'merge', merge });
    assert.equal(await found('merged'), 3);
  });

  it('wider types and the first timestamps without a time zone do not come in one load', async () => {
    await load('both', `{'id': pa.array([1], pa.int32())}`);
    const evolving = { schemaMode: 'merge' } as const;
    const at = `pa.array([1], pa.timestamp('us'))`;
    await refuses(load('both', `{'id': [2], 'at': ${at}}`, evolving), 'SCHEMA_MISMATCH', 'both');
    await load('both', `{'id': [2]}`, evolving);
    await load('both', `{'id': [3], 'at': ${at}}`, evolving);
    assert.deepEqual(await ids('both'), [1, 2, 3]);
  });

  it('tables that only grow take no deletes, updates or replacements', async () => {
    await load('kept', `{'id': [2], 'x': [20]}`);
    await refuses(
      load('kept', `{'id': [3], 'x': [1]}`, { mode: 'overwrite' }),
      'OPTION_INVALID',
      'overwrite',
    );
    await refuses(backend.tables.delete('kept', { predicate: 'true' }, context), 'OPTION_INVALID', 'delete');
    await refuses(
      backend.tables.update('kept', { updates: { x: '1' } }, context),
      'OPTION_INVALID',
      'update',
    );
    assert.deepEqual(await ids('kept'), [1, 2]);
    await backend.tables.optimize('kept', {}, context);
    assert.deepEqual(await ids('kept'), [1, 2]);
  });

  it('tables whose commits need more than delta-rs gives them are not changed', async () => {
    const attempt = backend.tables.setProperties('stamped', { 'delta.appendOnly': 'true' }, context);
    await assert.rejects(attempt, /with inCommitTimestamp/);
    await refuses(load('stamped', `{'id': [2]}`), 'OPTION_INVALID', 'append');
    assert.equal((await backend.tables.info('stamped', context)).version, 1);
  });

  it('tables with deletion vectors take rows, and give them back', async () => {
    await load('vectors', `{'id': [1], 'x': [1]}`);
    assert.deepEqual(await ids('vectors'), [1]);
  });
});
