import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { answer, startIngestServer } from './ingest-server.ts';
import { runCli } from './run-cli.ts';
import { runOnTerminal } from './terminal.ts';

const sensors = {
  stream: 'sensors',
  pattern: false,
  table: 'sensor_readings',
  storage_backend: 'duckdb',
  row_count: 1_234_567,
  schema: [{ name: 'id', type: 'BIGINT', nullable: true }],
  last_load: { commit_id: '01J', rows: 1000, bytes: 5, committed_at: '2026-01-02T03:04:05Z' },
};
const events = {
  ...sensors,
  stream: 'events.*',
  table: 'events',
  row_count: null,
  schema: null,
  last_load: null,
};

const startServer: typeof startIngestServer = (owner) =>
  startIngestServer(
    owner,
    (request, response) => {
      if (request.url === '/streams') answer(response, 200, { streams: [sensors, events] });
      else if (request.url === '/streams/sensors') answer(response, 200, sensors);
      else {
        const problem = {
          title: 'There is no such stream',
          status: 404,
          code: 'TABLE_NOT_FOUND',
          detail: 'none.',
        };
        answer(response, 404, problem);
      }
      return true;
    },
    true,
  );

test('streams lists streams as tab-separated lines away from a terminal', async (t) => {
  const { url } = await startServer(t);
  const { code, stdout } = await runCli(['streams', '--url', url]);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'stream\ttable\tbackend\trows\tlast load\n' +
      'sensors\tsensor_readings\tduckdb\t1234567\t2026-01-02T03:04:05Z (1000 rows)\n' +
      'events.*\tevents\tduckdb\t-\t-\n',
  );
});

test('streams NAME shows the schema', async (t) => {
  const { url } = await startServer(t);
  const { code, stdout } = await runCli(['streams', 'sensors', '--url', url]);
  assert.equal(code, 0);
  assert.match(stdout, /^table\tsensor_readings$/m);
  assert.match(stdout, /^column\ttype\tnullable\nid\tBIGINT\tyes$/m);
});

test('streams --json prints the answer of the server', async (t) => {
  const { url } = await startServer(t);
  assert.deepEqual(JSON.parse((await runCli(['streams', '--json', '--url', url])).stdout), {
    streams: [sensors, events],
  });
  assert.deepEqual(
    JSON.parse((await runCli(['streams', 'sensors', '--json', '--url', url])).stdout),
    sensors,
  );
});

test('an unknown stream is refused', async (t) => {
  const { url } = await startServer(t);
  const { code, stderr } = await runCli(['streams', 'nope', '--url', url]);
  assert.equal(code, 1);
  assert.equal(stderr, 'refused: TABLE_NOT_FOUND: none.\n');
});

test('what is no Arrowport server is told so', async (t) => {
  const { url } = await startIngestServer(t, (_request, response) => {
    response.end('<html>');
    return true;
  });
  const { code, stderr } = await runCli(['streams', '--url', url]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^refused: http:\S+ answered 200 without .* check that --url names an Arrowport server\n$/,
  );
});

test('on a terminal there are tables and colour, and NO_COLOR turns colour off', {
  skip: skipWithoutPython,
}, async (t) => {
  const { url } = await startServer(t);
  const run = (env: Record<string, string>) => runOnTerminal(['streams', '--url', url], { env });
  const coloured = await run({});
  assert.match(coloured, /1,234,567/);
  assert.match(coloured, /│/);
  assert.ok(coloured.includes('\u001b[1m'));
  const plain = await run({ NO_COLOR: '1' });
  assert.match(plain, /│/);
  assert.ok(!plain.includes('\u001b['));
});
