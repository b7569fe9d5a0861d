import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { readFile, runScenario } from './scenario.ts';

/** The most memory that the server has had so far, in MB, as Linux counts it. */
function peakMegabytes(server: Pick<TestServer, 'pid'>): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

test('a message of 200 MB passes both doors, and a stream of 2 GB stays below 1 GB of memory', {
  skip: skipWithoutPython || process.platform !== 'linux',
}, async (t) => {
  const server = await startServer(t);
  const answers = await runScenario<Record<string, readonly [verdict: unknown, seconds: number]>>(
    server,
    'sizes_send',
  );
  const peak = peakMegabytes(server);
  assert.equal(await server.stop(), 0);
  const verdict = (name: string) => answers[name]?.[0];
  const seconds = Object.entries(answers).map(([name, [, took]]) => `${name} ${took} s`);
  t.diagnostic(`${seconds.join(', ')}; at most ${Math.round(peak)} MB`);
  assert.deepEqual([verdict('large_http'), verdict('large_flight')], [13_107_200, 13_107_200]);
  assert.deepEqual(
    [verdict('too_large_http'), verdict('too_large_flight')],
    ['BODY_TOO_LARGE', 'BODY_TOO_LARGE'],
  );
  const longRows = 134_307_840;
  assert.deepEqual([verdict('long_http'), verdict('long_flight')], [longRows, longRows]);
  assert.ok(peak < 1024, `${peak} MB`);
  const found = await readFile<Record<string, unknown[][]>>(server, 'query_tables', [
    JSON.stringify({
      large: 'SELECT count(*)::INTEGER, sum(id)::VARCHAR, sum(value)::BIGINT::VARCHAR FROM large',
      http: 'SELECT count(*)::INTEGER, sum(id)::VARCHAR FROM long_http',
      flight: 'SELECT count(*)::INTEGER, sum(id)::VARCHAR FROM long_flight',
      refused: "SELECT count(*)::INTEGER FROM duckdb_tables() WHERE table_name = 'too_large'",
    }),
  ]);
  const sum = `${13_107_200 * 13_107_199}`;
  const longSum = `${(longRows / 122_880) * ((122_880 * 122_879) / 2)}`;
  assert.deepEqual(found, {
    large: [[26_214_400, sum, sum]],
    http: [[longRows, longSum]],
    flight: [[longRows, longSum]],
    refused: [[0]],
  });
});
