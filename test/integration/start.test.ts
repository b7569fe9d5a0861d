import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { readCpuMs } from '../pressure/memory-watch.ts';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { type RefusedStart, runRefusedStart } from '../support/refused-start.ts';
import { repositoryRoot } from '../support/repository.ts';
import { startServer } from '../support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../support/temp-folder.ts';
import { getJson, ingest, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };

/** Runs `serve` with a configuration that it must refuse. */
function serveInVain(owner: CleanupOwner, config: string): Promise<RefusedStart> {
  const folder = makeTempFolder(owner);
  writeFileSync(join(folder, 'arrowport.yaml'), config);
  return runRefusedStart(owner, folder);
}

/** Milliseconds of CPU time that Node takes to run a line. */
async function workOfBareNode(t: TestContext): Promise<number> {
  const source = "console.log('up'); setInterval(() => {}, 1000)";
  const child = spawn(process.execPath, ['--eval', source], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return readCpuMs(child.pid ?? 0);
}

test('the server is ready within a second, or with the work of a few dozen starts of Node', {
  skip: process.platform !== 'linux' && 'the work of a process is read from /proc, which only Linux has',
}, async (t) => {
  const folder = makeTempFolder(t);
  const main = join(repositoryRoot, 'src', 'main.ts');
  const times: number[] = [];
  const work: number[] = [];
  const bareWork: number[] = [];
  for (let run = 0; run < 5; run++) {
    bareWork.push(await workOfBareNode(t));
    const startedAt = performance.now();
    const child = spawn(process.execPath, [main, 'serve', '--port', '0'], { cwd: folder, stdio: 'pipe' });
    t.after(() => {
      child.kill('SIGKILL');
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const parsed = JSON.parse(line) as Record<string, unknown>;
      if (parsed['msg'] !== 'listening') continue;
      const ready = await fetch(`http://127.0.0.1:${String(parsed['port'])}/health/ready`);
      assert.equal(ready.status, 200);
      times.push(performance.now() - startedAt);
      work.push(readCpuMs(child.pid ?? 0));
      assert.deepEqual(
        [parsed['host'], parsed['flight_port'], parsed['db']],
        ['127.0.0.1', parsed['port'], './arrowport.duckdb'],
      );
      break;
    }
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  const figures = { times, work, bareWork };
  t.diagnostic(JSON.stringify(figures));
  // A busy machine makes everything take longer, but not more work.
  const isReadySoon = Math.min(...times) < 1000 || Math.min(...work) < 60 * Math.min(...bareWork);
  assert.ok(isReadySoon, JSON.stringify(figures));
});

test('variables stand over the file', needsPython, async (t) => {
  const streams = makeTempFolder(t);
  writeFileSync(join(streams, 'streams.yaml'), 'streams: {s: {target_table: from_variable}}\n');
  const server = await startServer(t, {
    config: 'streams: {s: {target_table: from_file}, other: {}}\n',
    env: {
      ARROWPORT_DB: './other.duckdb',
      ARROWPORT_STREAMS_PATH: join(streams, 'streams.yaml'),
      ARROWPORT_COMPRESSION: 'lz4',
    },
  });
  const receipt = await ingest(server, 's', await arrowBytes('table = pa.table({"id": range(10)})'));
  assert.equal(receipt.table, 'from_variable');
  assert.ok(existsSync(join(server.folder, 'other.duckdb')));
  assert.equal(existsSync(join(server.folder, 'test.duckdb')), false);
  assert.equal((await getJson(server, '/streams/other')).status, 404);

  // The file that the variable names is watched like the configuration.
  writeFileSync(join(streams, 'streams.yaml'), 'streams: {s: {target_table: changed}}\n');
  await waitFor('the new table', async () => {
    return (await getJson(server, '/streams/s')).body['table'] === 'changed';
  });
});

test(
  'flight_port gives Flight a port of its own, and the other one speaks HTTP only',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'flight_port: 0\n' });
    assert.notEqual(server.flightPort, server.port);
    const put = (url: string) =>
      `print(json.dumps(do_put(${url}, fl.FlightDescriptor.for_path("s"), pa.table({"id": [1]}), options=fl.FlightCallOptions(timeout=100))))`;
    assert.equal((await runFlight(server, put('url'))).receipts.length, 1);
    const misled = await runFlight(server, put(`"grpc://127.0.0.1:${server.port}"`));
    assert.match(misled.error ?? '', /Trying to connect an http1\.x server/);
    const answer = await fetch(`http://127.0.0.1:${server.flightPort}/health/live`);
    assert.equal(answer.status, 421);
    assert.match(await answer.text(), new RegExp(`HTTP is on port ${server.port}`));
  },
);

test('a server that everyone can reach says so in one warning, one of this machine does not', async (t) => {
  const open = await startServer(t, { config: 'host: 0.0.0.0\n' });
  const warnings = open.logs().filter((line) => line['level'] === 'warn');
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]?.['msg']), /access is not restricted/);
  const local = await startServer(t);
  assert.equal(local.logs().filter((line) => line['level'] === 'warn').length, 0);
});

for (const [what, config, text] of [
  [
    'a file of tokens that is not there',
    'auth: {tokens_file: tokens.yaml}\n',
    /CONFIG_INVALID: tokens\.yaml: there is no such file, and auth\.tokens_file names it/,
  ],
  [
    'a certificate that is not there',
    'tls: {cert: a.pem, key: b.pem}\n',
    /CONFIG_INVALID: tls\.cert: the file a\.pem cannot be read: there is no such file/,
  ],
  ['a bad key', 'prot: 1\n', /CONFIG_INVALID: arrowport\.yaml:1:1: prot: .*did you mean port/],
] as const) {
  test(`a configuration with ${what} does not start`, async (t) => {
    const ended = await serveInVain(t, config);
    assert.equal(ended.code, 1);
    assert.match(ended.text, text);
  });
}

test('a database file that another server has is a clear refusal, which leaves nothing open', async (t) => {
  const server = await startServer(t);
  const { code, text } = await serveInVain(t, `db_path: ${JSON.stringify(server.dbPath)}\n`);
  assert.equal(code, 1);
  assert.match(text, /test\.duckdb/);
  assert.doesNotMatch(text, /listening/);
});
