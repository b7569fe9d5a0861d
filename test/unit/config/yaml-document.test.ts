import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { readYamlDocument } from '../../../src/config/yaml-document.ts';
import { patienceMs } from '../../support/patience.ts';

const faultOf = (text: string) => {
  try {
    checkConfig(text, 'f.yaml', {});
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
};

test('text that is no YAML is told with its place', () => {
  assert.match(faultOf('port: [1\nhost: x') ?? '', /^f\.yaml:\d+:\d+: not valid YAML: /);
  assert.match(faultOf('host: "abc\n') ?? '', /^f\.yaml:\d+:\d+: not valid YAML: /);
  assert.match(faultOf('a: b: c') ?? '', /^f\.yaml:1:\d+: not valid YAML: /);
  assert.match(faultOf('host: *nowhere') ?? '', /^f\.yaml:1:7: host: no anchor &nowhere/);
  assert.match(faultOf('port: !mine 1') ?? '', /^f\.yaml:1:7: /);
});

test('a document that is no mapping is refused', () => {
  assert.equal(faultOf('- port: 1'), 'f.yaml:1:1: expected a section (key: value); found a list');
  assert.equal(faultOf('port'), 'f.yaml:1:1: expected a section (key: value); found text');
});

test('a second document in the file is refused', () => {
  assert.match(faultOf('port: 1\n---\nport: 2\n') ?? '', /^f\.yaml:2:1: a second document begins here/);
});

test('a key that is there twice is refused at its second place, also when written otherwise', () => {
  assert.equal(faultOf('port: 1\nhost: a\nport: 2\n'), 'f.yaml:3:1: port: the key is there twice');
  assert.equal(faultOf('streams:\n  a: {}\n  "a": {}\n'), 'f.yaml:3:3: streams.a: the key is there twice');
});

test('a key that is no plain text is refused', () => {
  assert.match(faultOf('? [a, b]\n: 1\n') ?? '', /a key must be plain text/);
});

test('a key that would reach into the prototype is refused', () => {
  assert.equal(
    faultOf('streams:\n  __proto__: {}\n'),
    'f.yaml:2:3: streams.__proto__: this name is not allowed here',
  );
});

test('anchors, aliases and merges work, and what a mapping says itself wins over what it merges', () => {
  const config = checkConfig(
    `streams:
  a: &base {chunk_size: 7, schema_mode: merge}
  b: *base
  c:
    chunk_size: 9
    <<: *base
  d:
    <<: [{target_table: x}, *base]
`,
    'f.yaml',
    {},
  );
  assert.equal(config.streams['b']?.chunk_size, 7);
  assert.equal(config.streams['c']?.chunk_size, 9);
  assert.equal(config.streams['c']?.schema_mode, 'merge');
  assert.equal(config.streams['d']?.target_table, 'x');
  assert.equal(config.streams['d']?.chunk_size, 7);
});

test('a fault in a merged value is told where the value stands', () => {
  assert.equal(
    faultOf('streams:\n  a: &base {chunk_size: 1}\n  b:\n    <<: *base\n    schema_mode: 1\n'),
    'f.yaml:5:18: streams.b.schema_mode: expected one of strict, merge; found 1',
  );
  assert.match(
    faultOf('streams:\n  a: {<<: &x {chunk_size: no}}\n') ?? '',
    /^f\.yaml:2:27: streams\.a\.chunk_size/,
  );
  assert.match(
    faultOf('streams: {a: {<<: 1}}') ?? '',
    /^f\.yaml:1:19: streams\.a\."<<": expected a mapping to merge/,
  );
});

test('aliases that unfold to a flood, or hold themselves, are refused at once', () => {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let index = 1; index < 9; index++) {
    const [name, last] = [String.fromCharCode(97 + index), String.fromCharCode(96 + index)];
    lines.push(`${name}: &${name} [${Array(10).fill(`*${last}`).join(', ')}]`);
  }
  const started = performance.now();
  assert.match(faultOf(lines.join('\n')) ?? '', /the aliases unfold to too much/);
  assert.ok(performance.now() - started < patienceMs);
  assert.match(faultOf('a: &a [*a]') ?? '', /an alias holds itself/);
  assert.match(faultOf('a: &a {<<: *a}') ?? '', /an alias holds itself/);
});

test('a document nested without end is refused, not run into the ground', () => {
  assert.match(faultOf('['.repeat(100_000)) ?? '', /nested too deeply/);
  assert.match(faultOf('{a: '.repeat(500) + '}'.repeat(500)) ?? '', /nested too deeply/);
});

test('a mapping of very many keys is read in time', () => {
  const timeReading = (keys: number) => {
    const text = Array.from({ length: keys }, (_, index) => `k${index}: 1\n`).join('');
    const started = performance.now();
    const document = readYamlDocument(text, 'f.yaml', {});
    assert.equal(Object.keys(document.value as object).length, keys);
    return performance.now() - started;
  };
  const few = Math.min(timeReading(6000), timeReading(6000));
  const many = timeReading(60_000);
  assert.ok(many < Math.max(10_000, 40 * few), `${many} ms for ten times what took ${few} ms`);
});
