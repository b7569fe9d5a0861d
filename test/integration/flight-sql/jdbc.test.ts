import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { patienceMs } from '../../support/patience.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { startServer } from '../../support/server.ts';

const version = '18.3.0';
const folder = join(repositoryRoot, 'node_modules', '.cache', 'flight-sql-jdbc-driver');
const driver = join(folder, `flight-sql-jdbc-driver-${version}.jar`);
const program = join(repositoryRoot, 'test', 'integration', 'flight-sql', 'jdbc', 'JdbcSteps.java');

/** Gets the driver once; returns why it cannot be used. */
function prepareDriver(): string | false {
  const java = spawnSync('java', ['-version'], { timeout: 60_000 });
  if (java.error !== undefined) return 'Java was not found';
  const [, major = '0'] = /version "(\d+)/.exec(String(java.stderr)) ?? [];
  if (Number(major) < 17) return `Java ${major} is older than 17`;
  if (existsSync(driver)) return false;
  const artifact = `org.apache.arrow:flight-sql-jdbc-driver:${version}`;
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
  const { error, status } = spawnSync(
    'mvn',
    ['-q', '-B', goal, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`],
    { timeout: 240_000 },
  );
  if (error !== undefined) return 'Maven was not found';
  return status === 0 && existsSync(driver) ? false : 'the JDBC driver could not be fetched';
}

test('the Flight SQL JDBC driver runs statements and reads the catalog', {
  skip: prepareDriver(),
}, async (t) => {
  const server = await startServer(t);
  const url = `jdbc:arrow-flight-sql://127.0.0.1:${server.flightPort}?useEncryption=false`;
  const args = ['--add-opens=java.base/java.nio=ALL-UNNAMED', '-cp', driver, program, url];
  const { stdout } = await promisify(execFile)('java', args, { timeout: 2 * patienceMs });
  const steps = new Map(
    stdout
      .split('\n')
      .filter((line) => line.startsWith('['))
      .map((line) => JSON.parse(line) as [string, { value?: string; message?: string }]),
  );
  const value = (name: string) => {
    assert.equal(steps.get(name)?.message, undefined, name);
    return steps.get(name)?.value;
  };
  assert.equal(value('create'), 'false');
  assert.equal(value('insert'), '2');
  assert.equal(value('rows'), '1,one,1.50;2,two,2.25');
  assert.match(String(value('timestamp')), /^2026-01-02 03:04:05/);
  assert.match(String(value('digits')), /^\d+,2 2$/);
  assert.equal(value('types'), '[INTEGER, VARCHAR, DECIMAL, TIMESTAMP]');
  assert.equal(value('prepared'), 'two|one');
  assert.equal(value('prepared update'), '1');
  assert.equal(value('batch'), '3');
  assert.equal(value('many'), '44999850000');
  assert.match(String(steps.get('syntax')?.message), /QUERY_INVALID: /);
  assert.match(String(steps.get('missing')?.message), /TABLE_NOT_FOUND: /);
  assert.equal(value('product'), 'Arrowport');
  assert.equal(value('tables'), 'main:items:TABLE');
  assert.equal(value('columns'), 'id:INTEGER name:VARCHAR price:DECIMAL made:TIMESTAMP');
  assert.equal(value('keys'), 'id');
  assert.equal(value('table types'), 'LOCAL TEMPORARY;TABLE;VIEW');
  assert.equal(value('what fails'), '[]');
});
