import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { diffConfig } from '../../../src/config/diff.ts';
import { listOptions, needsRestart } from '../../../src/config/options.ts';

const diff = (before: string, after: string) =>
  diffConfig(checkConfig(before, 'a.yaml', {}), checkConfig(after, 'b.yaml', {}));

test('two files that say the same have no difference', () => {
  assert.deepEqual(diff('', 'port: 8888\nstreams:\nlog: {level: info}\n'), { changed: [], needsRestart: [] });
  assert.deepEqual(diff('streams: {a: {}, b: {}}', 'streams: {b: {}, a: {chunk_size: 122880}}').changed, []);
});

test('changes are told by the path of their key, streams that come and go as one', () => {
  const before = 'streams: {a: {target_table: x}, gone: {}}\nlog: {level: info}';
  const after =
    'streams: {a: {target_table: y, delta_options: {partition_by: [d]}}, "m.*": {}}\nlog: {level: debug}';
  assert.deepEqual(diff(before, after), {
    changed: [
      'streams.a.target_table',
      'streams.a.delta_options.partition_by',
      'streams.gone',
      'streams."m.*"',
      'log.level',
    ],
    needsRestart: [],
  });
});

test('keys that are only read at start are named', () => {
  const after = `
host: x
port: 1
db_path: y
duckdb: {threads: 2, settings: {x: 1}}
duckdb_extensions: [httpfs]
tls: {cert: a, key: b}
delta_config: {storage_options: {k: v}}
limits: {max_inflight_bytes: 1, max_body_bytes: 5}
shutdown_grace_seconds: 1
storage_backend: delta
compression: {level: 5}
`;
  const { changed, needsRestart } = diff('', after);
  assert.deepEqual(
    changed.filter((key) => !needsRestart.includes(key)),
    ['storage_backend', 'compression.level', 'limits.max_body_bytes', 'shutdown_grace_seconds'],
  );
  assert.ok(needsRestart.includes('delta_config.storage_options.k'));
  assert.ok(needsRestart.includes('duckdb.settings.x'));
});

test('no key of a route needs a restart', () => {
  const paths = listOptions().map(({ path }) => path);
  assert.deepEqual(
    paths.filter((path) => path[0] === 'streams' && needsRestart(path)),
    [],
  );
});
