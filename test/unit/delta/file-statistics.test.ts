import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeltaField } from '../../../src/backends/delta/delta-schema.ts';
import { describeStatistics } from '../../../src/backends/delta/file-statistics.ts';
import type { ParquetBound, ParquetColumnStatistics } from '../../../src/core/parquet-writer.ts';

const field = (name: string, type: DeltaField['type']): DeltaField => ({
  name,
  type,
  nullable: true,
  metadata: {},
});

function column(path: string, min: ParquetBound | null, max = min, nullCount = 0): ParquetColumnStatistics {
  return { path: path.split('.'), nullCount, min, max };
}

function describe(
  columns: readonly ParquetColumnStatistics[],
  schema: readonly DeltaField[],
  configuration: Readonly<Record<string, string>> = {},
): string {
  return describeStatistics({ name: 'f', partition: [], rows: 2, bytes: 10, columns }, schema, configuration);
}

const bounds = (text: string) => /"minValues":(.*),"maxValues":(.*),"nullCount"/.exec(text)?.slice(1);

test('integers and decimals keep every digit', () => {
  const schema = [field('a', 'long'), field('b', 'decimal(38,3)'), field('c', 'decimal(5,5)')];
  const columns = [
    column('a', -(2n ** 63n), 2n ** 63n - 1n),
    column('b', -12345678901234567890123n),
    column('c', 7n),
  ];
  assert.deepEqual(bounds(describe(columns, schema)), [
    '{"a":-9223372036854775808,"b":-12345678901234567890.123,"c":0.00007}',
    '{"a":9223372036854775807,"b":-12345678901234567890.123,"c":0.00007}',
  ]);
});

test('instants are rounded outward to milliseconds, and years without a spelling have no bounds', () => {
  const schema = [
    field('a', 'timestamp'),
    field('b', 'timestamp_ntz'),
    field('c', 'date'),
    field('d', 'date'),
  ];
  const columns = [
    column('a', -1n, 1n),
    column('b', 1000n),
    column('c', 0n, 19_000n),
    column('d', 10n ** 8n),
  ];
  assert.deepEqual(bounds(describe(columns, schema)), [
    '{"a":"1969-12-31T23:59:59.999Z","b":"1970-01-01T00:00:00.001","c":"1970-01-01"}',
    '{"a":"1970-01-01T00:00:00.001Z","b":"1970-01-01T00:00:00.001","c":"2022-01-08"}',
  ]);
});

test('floats that JSON has no numbers for have no bounds, and zeros take both signs in', () => {
  const schema = [field('a', 'double'), field('b', 'double'), field('c', 'float'), field('d', 'double')];
  const columns = [
    column('a', -0, 0),
    column('b', 1, Number.POSITIVE_INFINITY),
    column('c', 3, 1e21),
    column('d', null),
  ];
  assert.deepEqual(bounds(describe(columns, schema)), ['{"a":-0.0,"c":3.0}', '{"a":0.0,"c":1e+21}']);
});

test('long texts are cut between characters, the greatest one with a mark that nothing follows', () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const smiling = '😀'.repeat(40);
  const described = describe([column('a', text(smiling))], [field('a', 'string')]);
  assert.deepEqual(bounds(described), [
    JSON.stringify({ a: '😀'.repeat(32) }),
    JSON.stringify({ a: `${'😀'.repeat(32)}\u{10ffff}` }),
  ]);
  assert.deepEqual(
    bounds(describe([column('a', text('"\\\n'))], [field('a', 'string')]))?.[0],
    '{"a":"\\"\\\\\\n"}',
  );
});

test('only columns that the table indexes have statistics', () => {
  const inner = { type: 'struct', fields: [field('x', 'long'), field('y.z', 'long')] } as const;
  const schema = [field('a', 'long'), field('s', inner), field('b', 'long'), field('`c,', 'long')];
  const columns = [
    column('a', 1n),
    column('s.x', 2n),
    { ...column('', 3n), path: ['s', 'y.z'] },
    column('b', 4n),
    { ...column('', 5n), path: ['`c,'] },
  ];
  const indexed = (configuration: Readonly<Record<string, string>>) =>
    bounds(describe(columns, schema, configuration))?.[0];
  assert.equal(indexed({}), '{"a":1,"s":{"x":2,"y.z":3},"b":4,"`c,":5}');
  assert.equal(indexed({ 'delta.dataSkippingNumIndexedCols': '2' }), '{"a":1,"s":{"x":2}}');
  assert.equal(indexed({ 'delta.dataSkippingNumIndexedCols': '0' }), '{}');
  assert.equal(indexed({ 'delta.dataSkippingNumIndexedCols': '-1' }), indexed({}));
  assert.equal(indexed({ 'delta.dataSkippingStatsColumns': 's.`y.z`,```c,`' }), '{"s":{"y.z":3},"`c,":5}');
  assert.equal(indexed({ 'delta.dataSkippingStatsColumns': 's, b' }), '{"s":{"x":2,"y.z":3},"b":4}');
});
