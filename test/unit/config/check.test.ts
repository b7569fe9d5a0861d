import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { ArrowportError } from '../../../src/errors.ts';

type Environment = Readonly<Record<string, string>>;

/** The error's lines, without the file's name. */
function problemsOf(text: string, environment: Environment = {}): string[] {
  try {
    checkConfig(text, 'f.yaml', environment);
  } catch (error) {
    assert.ok(error instanceof ArrowportError);
    assert.equal(error.code, 'CONFIG_INVALID');
    return error.message.split('\n').map((line) => line.replace(/^f\.yaml:/, ''));
  }
  return [];
}

test('an empty file is the built-in defaults, on the loopback address', () => {
  for (const text of ['', '\n', '# nothing here\n', '---\n', '\uFEFF', 'null']) {
    const config = checkConfig(text, 'f.yaml', {});
    assert.equal(config.host, '127.0.0.1');
    assert.equal(config.port, 8888);
    assert.deepEqual(config.streams, {});
    assert.deepEqual(config.compression, { algorithm: 'zstd', level: 3 });
  }
});

test('every problem has a line of its own, in the order of the file, with its place and path', () => {
  const text = `prot: 1
port: x
streams:
  sensors: {chunk_size: 1.5, commit: {}}
  "a b": {}
  tracks: {target_table: ""}
limits:
  max_streams: 0
storage_backend: ducks
`;
  assert.deepEqual(problemsOf(text), [
    '1:1: prot: there is no such key; did you mean port?',
    '2:7: port: expected a whole number from 0 to 65535; found text',
    '4:25: streams.sensors.chunk_size: expected a whole number of rows from 1 to 100000000; found 1.5',
    '4:38: streams.sensors.commit: names no bound; give rows, bytes or interval_ms',
    '5:3: streams."a b": expected a stream name (1 to 128 of A-Z a-z 0-9 _ - ., the first a letter, a digit or _) or such a name with * for any characters',
    '6:26: streams.tracks.target_table: expected a table name: table or schema.table, double quotes around a part that has a dot',
    '8:16: limits.max_streams: expected a whole number, 1 or more; found 0',
    '9:18: storage_backend: expected one of duckdb, delta; found text',
  ]);
});

test('the details of the error point at its first problem', () => {
  assert.throws(() => checkConfig('host: a\n\n\n   \nport: {}\n', 'f.yaml', {}), {
    code: 'CONFIG_INVALID',
    details: { line: 5, position: 7 },
  });
});

test('columns count characters after tabs, wide characters, quotes and Windows line ends', () => {
  assert.deepEqual(problemsOf('host: "ä€"\r\n"port": "1"\r\n'), [
    '2:9: port: expected a whole number from 0 to 65535; found text',
  ]);
  assert.deepEqual(problemsOf('log: {level: "x", format:\tauto, colour: 1}'), [
    '1:14: log.level: expected one of trace, debug, info, warn, error, fatal, silent; found text',
    '1:33: log.colour: there is no such key; the keys here are level, format',
  ]);
});

test('a misspelt key is answered with the one that was meant', () => {
  const meant: readonly (readonly [string, string])[] = [
    ['db_pth: x', 'db_path'],
    ['Port: 1', 'port'],
    ['limits: {max_mesage_bytes: 1}', 'max_message_bytes'],
    ['streams: {a: {targettable: x}}', 'target_table'],
    ['duckdb: {theards: 1}', 'threads'],
  ];
  for (const [text, key] of meant)
    assert.match(problemsOf(text)[0] ?? '', new RegExp(`did you mean ${key}\\?$`), text);
});

test('sizes are whole numbers only', () => {
  for (const value of [
    '256MB',
    '"268435456"',
    '1.5',
    '-1',
    '0',
    'true',
    '[1]',
    '.inf',
    '1e99',
    '99999999999999999999',
  ]) {
    assert.match(
      problemsOf(`limits: {max_message_bytes: ${value}}`)[0] ?? '',
      /expected a whole number of bytes/,
      value,
    );
  }
  assert.deepEqual(problemsOf('limits: {max_message_bytes: 1024}'), []);
});

test('what DuckDB reads itself takes its spelling, and a plain number as bytes', () => {
  const config = checkConfig('duckdb: {memory_limit: 4GB, checkpoint_threshold: 16777216}', 'f.yaml', {});
  assert.equal(config.duckdb.memory_limit, '4GB');
  assert.equal(config.duckdb.checkpoint_threshold, '16777216B');
  for (const value of ['4 XB', '80%', '-1GB', "1GB'; drop"]) {
    assert.equal(problemsOf(`duckdb: {memory_limit: "${value}"}`).length, 1, value);
  }
});

test('ranges are checked on both ends', () => {
  const refused = [
    'port: -1',
    'port: 65536',
    'flight_port: 65536',
    'compression: {algorithm: zstd, level: 0}',
    'compression: {algorithm: zstd, level: 23}',
    'compression: {algorithm: lz4, level: 13}',
    'compression: {algorithm: none, level: 1}',
    'shutdown_grace_seconds: -1',
    'idempotency: {retention_hours: 0}',
    'limits: {max_decompressed_ratio: 0.5}',
  ];
  for (const text of refused) assert.equal(problemsOf(text).length, 1, text);
  const accepted = [
    'port: 0',
    'port: 65535',
    'compression: {level: 22}',
    'compression: {algorithm: lz4, level: 12}',
  ];
  for (const text of accepted) assert.deepEqual(problemsOf(text), [], text);
});

test('parts that need each other are asked for', () => {
  assert.deepEqual(problemsOf('tls:\n  cert: a.pem\n'), ['2:9: tls.cert: needs tls.key beside it']);
  assert.deepEqual(problemsOf('tls: {client_ca: ca.pem}'), [
    '1:18: tls.client_ca: needs tls.cert and tls.key beside it',
  ]);
});

test('a table name is checked by the rule of the backend that the route ends at', () => {
  assert.equal(problemsOf('streams: {a: {target_table: ../x, storage_backend: delta}}').length, 1);
  assert.equal(problemsOf('storage_backend: delta\nstreams: {a: {target_table: "a b"}}').length, 1);
  assert.deepEqual(problemsOf('streams: {a: {target_table: "a b"}}'), []);
  assert.deepEqual(problemsOf('storage_backend: delta\nstreams: {a: {target_table: "a.", }}'), []);
  assert.equal(problemsOf('streams: {a: {target_table: "a."}}').length, 1);
});

test('an address of an object store is one that is known', () => {
  for (const path of ['s3://b/p', 'gs://b', 'az://c/p', './x', '/x', 'tables', 'file:///x']) {
    assert.deepEqual(problemsOf(`delta_config: {table_path: "${path}"}`), [], path);
  }
  for (const path of ['http://x', 'ftp://x', '', 's3://']) {
    assert.equal(problemsOf(`delta_config: {table_path: "${path}"}`).length, 1, path);
  }
});

test('a section with nothing in it is an empty one, and a route with nothing in it is a route', () => {
  const config = checkConfig('streams:\n  a:\nlimits:\nduckdb_extensions:\ndelta_config:\n', 'f.yaml', {});
  assert.equal(config.streams['a']?.chunk_size, 122_880);
  assert.deepEqual(config.duckdb_extensions, []);
  assert.equal(config.limits.max_streams, 256);
});

test('a value with nothing in it is a fault, unless null is allowed', () => {
  assert.deepEqual(problemsOf('port:'), [
    '1:6: port: expected a whole number from 0 to 65535; found nothing',
  ]);
  assert.deepEqual(problemsOf('flight_port:'), []);
});

test('digits that a number would not give back stay text', () => {
  const text = 'delta_config: {storage_options: {account: 007, id: 123456789012345678901, n: 12, b: true}}';
  assert.deepEqual(checkConfig(text, 'f.yaml', {}).delta_config.storage_options, {
    account: '007',
    id: '123456789012345678901',
    n: '12',
    b: 'true',
  });
});

test('keys are the text that stands there', () => {
  const config = checkConfig('streams: {007: {}, 1.10: {}, true: {}, 2024-01-01: {}}', 'f.yaml', {});
  assert.deepEqual(Object.keys(config.streams), ['007', '1.10', 'true', '2024-01-01']);
});

test('the configuration cannot be changed by who reads it', () => {
  const config = checkConfig('streams: {a: {}}', 'f.yaml', {});
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.limits) && Object.isFrozen(config.streams['a']),
  );
});

test('a long list of problems is cut and counted', () => {
  const lines = problemsOf(Array.from({ length: 50 }, (_, index) => `k${index}: 1\n`).join(''));
  assert.equal(lines.length, 21);
  assert.equal(lines.at(-1), '… and 30 more');
});
