import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeltaType } from '../../../src/backends/delta/delta-schema.ts';
import { statisticsProperties } from '../../../src/backends/delta/skipping.ts';

const columns = (types: Readonly<Record<string, DeltaType>>) =>
  Object.entries(types).map(([name, type]) => ({ name, type, nullable: true, metadata: {} }));

test('tables without long decimals have the usual statistics', () => {
  assert.deepEqual(statisticsProperties(columns({ id: 'long', price: 'decimal(15,2)' })), {});
});

test('long decimals, also inside structs, are left out of the statistics', () => {
  const [inner] = columns({ wide: 'decimal(38,0)' });
  assert.ok(inner);
  const found = statisticsProperties(
    columns({
      id: 'long',
      wide: 'decimal(20,0)',
      deep: { type: 'struct', fields: [inner] },
      'a,b': 'string',
      'a`b': 'date',
    }),
  );
  assert.deepEqual(found, { 'delta.dataSkippingStatsColumns': '`id`,`a,b`' });
});

test('a table of nothing but long decimals has no statistics', () => {
  assert.deepEqual(statisticsProperties(columns({ wide: 'decimal(38,0)' })), {
    'delta.dataSkippingNumIndexedCols': '0',
  });
});
