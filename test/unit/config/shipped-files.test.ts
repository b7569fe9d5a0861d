import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { configJsonSchema } from '../../../src/config/json-schema.ts';
import { listOptions } from '../../../src/config/options.ts';
import { createRouteTable } from '../../../src/router/route-table.ts';
import { repositoryRoot } from '../../support/repository.ts';

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8');

/** What the examples take from the environment without a default. */
const environment = { ARROWPORT_BUCKET: 'bucket', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };

const examples = readdirSync(join(repositoryRoot, 'config/examples')).map(
  (name) => `config/examples/${name}`,
);

/** The shipped file with its example routes switched on. */
const uncommented = read('arrowport.yaml').replaceAll(/^ {2}# /gm, (marker, offset: number, text: string) =>
  isWithinStreams(text, offset) ? '  ' : marker,
);

function isWithinStreams(text: string, offset: number): boolean {
  return offset > text.indexOf('\nstreams:') && offset < text.indexOf('\nduckdb_extensions:');
}

test('the shipped file is the built-in defaults, but for the address it listens on', () => {
  const shipped = checkConfig(read('arrowport.yaml'), 'arrowport.yaml', {});
  assert.deepEqual({ ...shipped, host: '127.0.0.1' }, checkConfig('', 'empty.yaml', {}));
  assert.equal(shipped.host, '0.0.0.0');
});

test('the shipped file shows every key, with a comment', () => {
  const lines = uncommented.split('\n');
  for (const { path } of listOptions()) {
    const key = path.at(-1) ?? '';
    if (key === '*') continue;
    const shown = lines.some((line) => line.replace(/^[\s#]+/, '').startsWith(`${key}:`));
    assert.ok(shown, path.join('.'));
  }
  for (const [index, line] of lines.entries()) {
    if (!/^[a-z_]+:/.test(line)) continue;
    assert.ok(line.startsWith('log:') || lines[index - 1]?.startsWith('#'), `no comment above ${line}`);
  }
});

test('the example routes in the comments of the shipped file check, and show each key of a route', () => {
  const { streams } = checkConfig(uncommented, 'arrowport.yaml', {});
  assert.deepEqual(Object.keys(streams), ['sensors', 'metrics.*', 'events']);
});

test('every example checks and begins with the schema for editors', () => {
  assert.ok(examples.length >= 6);
  for (const path of examples) {
    const text = read(path);
    assert.match(text, /^# yaml-language-server: \$schema=\.\.\/arrowport\.schema\.json\n#/, path);
    checkConfig(text, path, environment);
  }
});

test('the patterns of the example go where its comments say', () => {
  const config = checkConfig(read('config/examples/patterns.yaml'), 'patterns.yaml', {});
  const routes = createRouteTable(config);
  const labelOf = (stream: string) => routes.resolve(stream).label;
  assert.equal(labelOf('metrics.disk.sda'), 'metrics.*');
  assert.equal(labelOf('metrics.gpu.0'), 'metrics.gpu*');
  assert.equal(labelOf('metrics.billing'), 'metrics.billing');
  assert.equal(routes.resolve('tenant-a.raw').table.name, 'tenant-a.raw');
  assert.equal(labelOf('anything'), '*');
});

test('every YAML snippet of the guide checks', () => {
  const guide = read('docs/guides/configuration.md');
  const snippets = [...guide.matchAll(/^```yaml\n(.*?)^```$/gms)];
  assert.ok(snippets.length >= 5);
  for (const { 1: text = '', index } of snippets) {
    const line = guide.slice(0, index).split('\n').length;
    checkConfig(text, `configuration.md, snippet of line ${line}`, environment);
  }
});

test('what the guide says of a pattern is what the routes do', () => {
  const guide = read('docs/guides/configuration.md');
  const snippet = /^```yaml\n(streams:\n {2}sensors.*?)^```$/ms.exec(guide)?.[1] ?? '';
  const routes = createRouteTable(checkConfig(snippet, 'snippet', {}));
  assert.equal(routes.resolve('metrics.gpu.0').table.name, 'gpu_metrics');
  assert.deepEqual(routes.resolve('orders').table, { schema: 'sales', name: 'orders' });
});

test('the errors that the guide shows are those of such a file', () => {
  const file =
    '\nlimits:\n  max_mesage_bytes: 1\nstreams:\n  sensors:\n    target_table: x\n    chunk_size: 1.5\n';
  const shown = /^```text\n(.*?)^```$/ms.exec(read('docs/guides/configuration.md'))?.[1]?.trim();
  assert.throws(() => checkConfig(file, 'arrowport.yaml', {}), { message: shown });
});

test('every option has manual text', () => {
  for (const { path, description } of listOptions()) assert.ok(description.length > 10, path.join('.'));
});

test('the JSON Schema knows every key and holds nothing but JSON Schema', () => {
  const text = JSON.stringify(configJsonSchema());
  for (const { path } of listOptions())
    assert.ok(path.at(-1) === '*' || text.includes(`"${path.at(-1)}":`), path.join('.'));
  assert.ok(!text.includes('"restart"') && !text.includes('"expected"'));
  assert.match(text, /"additionalProperties":false/);
});
