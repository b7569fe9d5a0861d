import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { substituteVariables } from '../../../src/config/substitute.ts';

type Environment = Readonly<Record<string, string>>;

const replace = (text: string, environment: Environment = {}) => {
  const result = substituteVariables(text, environment);
  return result.kind === 'replaced' ? result.text : result.kind;
};

const faultOf = (text: string, environment: Environment = {}) => {
  try {
    checkConfig(text, 'f.yaml', environment);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
};

test('references are replaced wherever they stand in a text', () => {
  const environment = { A: 'one', B_2: 'two', E: '' };
  assert.equal(replace(`x\${A}y\${B_2}`, environment), 'xoneytwo');
  assert.equal(replace(`\${E}`, environment), '');
  assert.equal(replace(`\${E:-d}`, environment), 'd');
  assert.equal(replace(`\${NO:-}`, environment), '');
  assert.equal(replace(`\${NO:-a:-b c}`, environment), 'a:-b c');
  assert.equal(replace('$A {A} $', environment), 'unchanged');
});

test('two dollars keep a reference as it is', () => {
  assert.equal(replace(`$\${A} \${A}`, { A: 'x' }), `\${A} x`);
});

test('what a variable holds is not looked at again', () => {
  assert.equal(replace(`\${A}`, { A: `\${B} $\${C}` }), `\${B} $\${C}`);
});

test('malformed references fail', () => {
  for (const text of [`\${}`, `\${1A}`, `\${A`, `\${A-b}`, `\${ A }`, `\${A:-\${B}}`, `\${A.b}`]) {
    assert.equal(replace(text, { A: 'x', B: 'y' }), 'failed', text);
  }
});

test('an unset variable without default is told by name, at its own place', () => {
  assert.equal(
    faultOf(`host: a\ndb_path: /data/\${NOPE}.db\n`),
    `f.yaml:2:16: db_path: the environment variable NOPE is not set; set it or write \${NOPE:-default}`,
  );
  assert.match(
    faultOf(`streams:\n  a:\n    target_table: >-\n      x\n      \${NOPE}\n`) ?? '',
    /^f\.yaml:5:7: /,
  );
});

test('a variable in a numeric or true-false field is taken as what it reads like', () => {
  const text = `port: \${PORT}\nflight_port: "\${FLIGHT:-}"\nauth: {public_metrics: "\${OPEN}"}\nlimits: {max_decompressed_ratio: "\${R}"}`;
  const config = checkConfig(text, 'f.yaml', { PORT: '9000', OPEN: 'true', R: '1.5' });
  assert.equal(config.port, 9000);
  assert.equal(config.flight_port, null);
  assert.equal(config.auth.public_metrics, true);
  assert.equal(config.limits.max_decompressed_ratio, 1.5);
});

test('a variable of digits in a text field stays text', () => {
  const text = `db_path: \${N}\ndelta_config: {storage_options: {k: "\${N}"}}\nduckdb: {settings: {x: "\${N}"}}`;
  const config = checkConfig(text, 'f.yaml', { N: '0123' });
  assert.equal(config.db_path, '0123');
  assert.equal(config.delta_config.storage_options['k'], '0123');
  assert.equal(config.duckdb.settings['x'], '0123');
});

test('quoted digits of the file itself are no number', () => {
  assert.match(faultOf('port: "9000"') ?? '', /expected a whole number/);
});

test('what a variable holds never appears in an error', () => {
  const environment = { S: 'hunter2', N: '424242' };
  for (const text of [
    `port: \${S}`,
    `port: \${N}`,
    `storage_backend: \${S}`,
    `streams: {a: {target_table: "\${S}.", chunk_size: "\${S}"}}`,
    `delta_config: {table_path: "x\${S}://"}`,
    `duckdb: {memory_limit: "\${S}", settings: {"\${S}": 1}}`,
    `limits: \${S}`,
    `streams: ["\${S}"]`,
  ]) {
    const fault = faultOf(text, environment);
    assert.ok(fault !== undefined, text);
    assert.doesNotMatch(fault, /hunter2|424242/);
  }
});

test('keys are not substituted', () => {
  assert.match(
    faultOf(`streams: {"\${A}": {}}`, { A: 'x' }) ?? '',
    /streams\."\$\{A\}": expected a stream name/,
  );
});
