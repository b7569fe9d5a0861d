import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { testPython } from '../../support/python.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { loadBytes, startDeltaBackend, withParquetWriter } from './delta-support.ts';

/** A Python with pyspark 3.5 and pyarrow, which are too large to be among the test packages. */
const python = process.env['ARROWPORT_TEST_SPARK_PYTHON'] ?? testPython ?? 'python3';
const jarFolder = join(repositoryRoot, 'node_modules', '.cache', 'delta-spark');
const artifacts = ['delta-spark_2.12', 'delta-storage'].map((name) => ({ name, version: '3.3.2' }));
const jars = artifacts.map(({ name, version }) => join(jarFolder, `${name}-${version}.jar`));

/** Gets Delta's part of Spark once; returns why Spark cannot be used. */
function prepareSpark(): string | false {
  if (spawnSync(python, ['-c', 'import pyspark, pyarrow'], { timeout: 60_000 }).status !== 0) {
    return 'pyspark was not found: ARROWPORT_TEST_SPARK_PYTHON names a Python that has it';
  }
  const java = spawnSync('java', ['-version'], { timeout: 60_000 });
  const [, major = '0'] = /version "(\d+)/.exec(String(java.stderr)) ?? [];
  if (!['11', '17'].includes(major)) return `Spark 3.5 runs on Java 11 or 17, and here is ${major}`;
  for (const { name, version } of artifacts) {
    if (existsSync(join(jarFolder, `${name}-${version}.jar`))) continue;
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
    const artifact = `-Dartifact=io.delta:${name}:${version}`;
    spawnSync('mvn', ['-q', '-B', goal, artifact, `-DoutputDirectory=${jarFolder}`], { timeout: 240_000 });
  }
  return jars.every((jar) => existsSync(jar)) ? false : "Delta's jars for Spark could not be fetched";
}

const types = `
from datetime import datetime, date, timezone, timedelta
from decimal import Decimal
n = 40
def some(values, type):
    return pa.array([None if i % 7 == 3 else values(i) for i in range(n)], type)
table = pa.table({
  'id': pa.array(range(n), pa.int64()),
  'p': pa.array([['a b/%', 'ü=:', None, 'x'][i % 4] for i in range(n)]),
  'flag': some(lambda i: i % 2 == 0, pa.bool_()),
  'i8': some(lambda i: i % 128 - 64, pa.int8()),
  'i16': some(lambda i: i * 100 - 15000, pa.int16()),
  'i32': some(lambda i: i * 2000 - 10**9, pa.int32()),
  'i64': some(lambda i: (i - 150) * 2**50, pa.int64()),
  'f64': some(lambda i: i / 3 if i else float('inf'), pa.float64()),
  'dec4': some(lambda i: Decimal(i % 99) / Decimal(100), pa.decimal128(4, 2)),
  'dec': some(lambda i: Decimal(i) / Decimal(-100), pa.decimal128(18, 2)),
  'dec38': some(lambda i: Decimal(i) * Decimal(10) ** 30, pa.decimal128(38, 2)),
  'text': some(lambda i: 'ä' * (i % 40), pa.string()),
  'bytes': some(lambda i: bytes([i % 256, 0, 255]), pa.binary()),
  'day': some(lambda i: date(1900, 1, 1) + timedelta(days=i), pa.date32()),
  'ts': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i), pa.timestamp('us')),
  'ts_tz': some(lambda i: datetime(2024, 1, 1, 0, 0, 0, i, timezone.utc), pa.timestamp('us', tz='UTC')),
  'list': some(lambda i: [i, None, i + 1] if i % 2 else [], pa.list_(pa.int32())),
  'struct': some(lambda i: {'a': i, 'b': {'c': str(i)}}, pa.struct([('a', pa.int32()), ('b', pa.struct([('c', pa.string())]))])),
})`;

test('Spark reads what both ways write value-exact, also under mapped names, prunes, reads changes and versions, and appends', {
  skip: prepareSpark(),
}, async (t) => {
  const { backend, root } = startDeltaBackend(t, {
    enableCdc: true,
    ...withParquetWriter(),
  });
  const context = { requestId: 'test' };
  const bytes = await arrowBytes(types, { codec: 'zstd', batchRows: 15 });
  const sent = join(root, '..', 'sent.arrows');
  writeFileSync(sent, bytes);
  mkdirSync(root, { recursive: true });
  const script = join(import.meta.dirname, 'read_with_spark.py');
  const spark = spawn(python, [script, root, sent, jars.join(',')], { cwd: join(root, '..') });
  t.after(() => spark.kill('SIGKILL'));
  let complaint = '';
  spark.stderr.on('data', (text) => {
    complaint = `${complaint}${text}`.slice(-20_000);
  });
  const said = createInterface({ input: spark.stdout })[Symbol.asyncIterator]();
  const hear = async () => {
    const line = await said.next();
    if (line.done === true) throw new Error(`Spark ended early: ${complaint}`);
    return line.value;
  };
  assert.equal(await hear(), 'made');
  for (const way of ['duckdb', 'delta-rs'] as const) {
    for (const partitionBy of [[], ['p'], ['p', 'day', 'flag', 'dec4', 'ts', 'ts_tz']]) {
      const delta = { writer: way, partitionBy, compression: way === 'duckdb' ? 'zstd' : 'lz4' } as const;
      await loadBytes(backend, `types_${way.replace('-', '')}_${partitionBy.length}`, bytes, { delta });
    }
  }
  const mapped = { tableProperties: { 'delta.columnMapping.mode': 'name' }, partitionBy: ['p'] };
  const zoned = await arrowBytes(`${types}\ntable = table.drop_columns(['ts'])`);
  await loadBytes(backend, 'types_mapped', zoned, { delta: mapped });
  const more = await arrowBytes(`
st = pa.struct([('x', pa.int32()), ('y z', pa.string())])
table = pa.table({'new name': ['c'], 'id': [3], 'p': ['e'], 'st': pa.array([{'x': 3, 'y z': 'u'}], st)})`);
  const less = await arrowBytes(`table = pa.table({'id': [4]})`);
  const merge = { on: ['id'], whenMatched: 'update', whenNotMatched: 'insert' } as const;
  for (const table of ['spark_name', 'spark_id']) {
    await loadBytes(backend, table, more, { idempotencyKey: 'more' });
    await loadBytes(backend, table, less);
    await loadBytes(backend, table, await arrowBytes(`table = pa.table({'id': [2], 'new name': ['B']})`), {
      mode: 'merge',
      merge,
    });
    await backend.tables.delete(table, { predicate: '"new name" = \'a\'' }, context);
  }
  const ids = await arrowBytes(`table = pa.table({'id': pa.array(range(40), pa.int64())})`);
  await loadBytes(backend, 'changed', ids);
  await backend.tables.delete('changed', { predicate: 'id < 10' }, context);
  await backend.tables.update('changed', { updates: { id: 'id + 100' }, predicate: 'id >= 35' }, context);
  for (let version = 0; version < 12; version += 1) await loadBytes(backend, 'many', ids);
  await backend.tables.checkpoint('many', context);

  spark.stdin.write('\n');
  const seen = JSON.parse(await hear()) as Record<string, unknown>;
  assert.deepEqual(seen['differing'], []);
  const pruned = Object.values(seen['pruned'] as Record<string, number[]>);
  assert.equal(pruned.length, 7);
  for (const counts of pruned) assert.deepEqual(counts, pruned[0]);
  assert.deepEqual(pruned[0], [1, 10]);
  assert.deepEqual(seen['changes'], {
    insert: 40,
    delete: 10,
    update_preimage: 5,
    update_postimage: 5,
  });
  const rows = [
    { id: 2, 'new name': 'B', p: 'o', st: { x: 2, 'y z': 't' } },
    { id: 3, 'new name': 'c', p: 'e', st: { x: 3, 'y z': 'u' } },
    { id: 4, 'new name': null, p: null, st: null },
  ];
  assert.deepEqual(seen['mapped'], { name: rows, id: rows });
  assert.deepEqual(seen['versions'], [40, 320, 480]);
  assert.equal(seen['appended'], 481);
  assert.equal((await backend.tables.info('many', context)).row_count, 481);
  assert.equal((await loadBytes(backend, 'many', ids)).version, 13);
});
