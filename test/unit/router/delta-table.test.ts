import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { createRouteTable } from '../../../src/router/route-table.ts';

const routes = createRouteTable(
  checkConfig(
    `
streams:
  events: {storage_backend: delta, target_table: landed, delta_options: {partition_by: [day]}}
  landed: {target_table: elsewhere, delta_options: {partition_by: [wrong]}}
  "log.*": {storage_backend: delta, delta_options: {compression: zstd}}
  ducks: {delta_options: {partition_by: [wrong]}}
`,
    'test.yaml',
    {},
  ),
);

test('a Delta table is written as the route that leads there says', () => {
  const { stream, table, label, backend, delta } = routes.resolveDeltaTable('landed');
  assert.deepEqual(
    [stream, table.name, label, backend, delta.partitionBy],
    ['landed', 'landed', 'events', 'delta', ['day']],
  );
  assert.equal(routes.resolveDeltaTable('log.x').delta.compression, 'zstd');
});

test('a Delta table that no route leads to is written with the defaults', () => {
  for (const table of ['events', 'ducks', 'unheard']) {
    const { stream, backend, label, delta, table: target } = routes.resolveDeltaTable(table);
    assert.deepEqual(
      [stream, target.name, backend, label, delta.partitionBy],
      [table, table, 'delta', null, []],
    );
  }
  assert.throws(() => routes.resolveDeltaTable('../x'), { code: 'STREAM_NAME_INVALID' });
});
