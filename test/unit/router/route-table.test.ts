import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkConfig } from '../../../src/config/check.ts';
import { createRouteTable, type RouteTable } from '../../../src/router/route-table.ts';
import { createRouter } from '../../../src/router/router.ts';

const routesOf = (text: string): RouteTable => createRouteTable(checkConfig(text, 'test.yaml', {}));

test('a stream without a route goes to the table of its name on the default backend', () => {
  const route = routesOf('storage_backend: delta').resolve('a.b');
  assert.equal(route.backend, 'delta');
  assert.equal(route.label, null);
  assert.equal(route.stream, 'a.b');
  assert.deepEqual(route.table, { schema: null, name: 'a.b' });
  assert.equal(route.chunkSize, 122_880);
  assert.equal(route.commit, null);
  assert.equal(route.schemaMode, 'strict');
});

test('an exact name wins over every pattern, and the longest pattern over the others', () => {
  const routes = routesOf(`
streams:
  "*": {target_table: inbox}
  "metrics.*": {target_table: metrics}
  "metrics.gpu*": {target_table: gpu}
  metrics.billing: {target_table: finance.usage}
`);
  const tableOf = (stream: string) => routes.resolve(stream).table.name;
  assert.equal(tableOf('metrics.billing'), 'usage');
  assert.equal(tableOf('metrics.gpu.0'), 'gpu');
  assert.equal(tableOf('metrics.cpu'), 'metrics');
  assert.equal(tableOf('metrics'), 'inbox');
  assert.equal(routes.resolve('metrics.billing').table.schema, 'finance');
});

test('the order of the lines in the file does not decide between patterns', () => {
  const patterns = ['*', 'a*', '*a', 'a*a', '*a*', 'ab*', '*b', 'b*', 'a*b*'];
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 });
  const tableFor = (order: readonly string[]) =>
    routesOf(`streams:\n${order.map((pattern) => `  "${pattern}": {}\n`).join('')}`);
  const expected = tableFor(patterns);
  fc.assert(
    fc.property(fc.shuffledSubarray(patterns, { minLength: patterns.length }), name, (order, stream) => {
      assert.equal(tableFor(order).resolve(stream).label, expected.resolve(stream).label);
    }),
    { numRuns: 40 },
  );
});

test('a pattern without a target table gives each stream the table of its name', () => {
  const routes = routesOf('streams: {"raw.*": {storage_backend: delta}}');
  const route = routes.resolve('raw.x');
  assert.deepEqual(route.table, { schema: null, name: 'raw.x' });
  assert.equal(route.label, 'raw.*');
  assert.equal(route.backend, 'delta');
});

test('the dots of a Delta target table are part of its name', () => {
  const routes = routesOf('streams: {a: {storage_backend: delta, target_table: sales.orders}}');
  assert.deepEqual(routes.resolve('a').table, { schema: null, name: 'sales.orders' });
});

test('a name that is none is refused before anything is looked up', () => {
  const routes = routesOf('streams: {"*": {}}');
  for (const name of ['', '../x', 'a b', 'a"b', '.hidden', 'x'.repeat(129), 'a\n']) {
    assert.throws(() => routes.resolve(name), { code: 'STREAM_NAME_INVALID' }, JSON.stringify(name));
  }
});

test('names that objects inherit are streams like any other', () => {
  const routes = routesOf('streams: {sensors: {}}');
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    assert.equal(routes.resolve(name).label, null);
    assert.equal(routes.resolve(name).table.name, name);
  }
});

test('the options of a route arrive in the words of the domain', () => {
  const route = routesOf(`
streams:
  events:
    storage_backend: delta
    chunk_size: 10
    schema_mode: merge
    commit: {rows: 5, interval_ms: 7}
    delta_options:
      partition_by: [date]
      z_order_by: [user_id]
      target_file_size: 99
      compression: zstd
      write_mode: overwrite
      auto_create_table: false
      max_commit_retries: 9
      table_properties: {delta.appendOnly: true, delta.checkpointInterval: 1}
`).resolve('events');
  assert.equal(route.chunkSize, 10);
  assert.equal(route.schemaMode, 'merge');
  assert.deepEqual(route.commit, { rows: 5, bytes: null, intervalMs: 7 });
  assert.deepEqual(route.delta, {
    partitionBy: ['date'],
    zOrderBy: ['user_id'],
    targetFileSize: 99,
    compression: 'zstd',
    writeMode: 'overwrite',
    autoCreateTable: false,
    maxCommitRetries: 9,
    autoCompact: null,
    writer: 'auto',
    tableProperties: { 'delta.appendOnly': 'true', 'delta.checkpointInterval': '1' },
  });
});

test('the configured routes are listed: exact names, then patterns in the order they are tried', () => {
  const { routes } = routesOf('streams: {"*": {}, b: {target_table: x.y}, "a.*": {}, a: {}}');
  assert.deepEqual(
    routes.map(({ name, pattern, route }) => [name, pattern, route.table.name]),
    [
      ['b', false, 'y'],
      ['a', false, 'a'],
      ['a.*', true, 'a.*'],
      ['*', true, '*'],
    ],
  );
});

test('a route and a table cannot be changed', () => {
  const routes = routesOf('streams: {a: {delta_options: {partition_by: [x]}}}');
  const route = routes.resolve('a');
  for (const part of [
    routes,
    routes.routes,
    routes.routes[0],
    route,
    route.table,
    route.delta,
    route.delta.partitionBy,
  ]) {
    assert.ok(Object.isFrozen(part));
  }
});

test('a load keeps its route when the router swaps', () => {
  const router = createRouter(routesOf('streams: {a: {target_table: old}}'));
  const kept = router.current().resolve('a');
  router.swap(routesOf('streams: {a: {target_table: new}}'));
  assert.equal(kept.table.name, 'old');
  assert.equal(router.current().resolve('a').table.name, 'new');
});
