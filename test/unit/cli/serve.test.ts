import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { waitForLoads } from '../../integration/metric-samples.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { cleanEnvironment, mainPath, runCli } from './run-cli.ts';

interface Served {
  readonly child: ChildProcess;
  readonly address: Record<string, unknown>;
}

/** Starts `serve --json` and waits for its line. */
async function serve(owner: CleanupOwner, args: readonly string[] = []): Promise<Served> {
  const folder = makeTempFolder(owner);
  const child = spawn(process.execPath, [mainPath, 'serve', '--json', '--port', '0', ...args], {
    cwd: folder,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  owner.after(() => {
    child.kill('SIGKILL');
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    if ('flight_port' in parsed && 'pid' in parsed) return { child, address: parsed };
  }
  throw new Error('the server ended without its line');
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`serve --json prints where it listens, and ${signal} ends it with exit code 0`, async (t) => {
    const { child, address } = await serve(t);
    assert.equal(address['host'], '127.0.0.1');
    assert.equal(address['pid'], child.pid);
    const ready = await fetch(`http://127.0.0.1:${String(address['port'])}/health/ready`);
    assert.equal(ready.status, 200);
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    assert.equal(code, 0);
  });
}

test('a second signal ends the server at once', async (t) => {
  const { child, address } = await serve(t);
  // A load that never ends holds the graceful stop up.
  const socket = connect(Number(address['port']), '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(
    'POST /ingest/s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/vnd.apache.arrow.stream\r\n\r\n',
  );
  const url = `http://127.0.0.1:${String(address['port'])}`;
  await waitForLoads({ url }, 1);
  child.kill('SIGTERM');
  await waitFor('the closed port', () =>
    fetch(`${url}/health/live`).then(
      () => false,
      () => true,
    ),
  );
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = (await exited) as [number | null];
  assert.equal(code, 143);
});

test('a taken port is one line that says what to do', async (t) => {
  const { address } = await serve(t);
  const port = String(address['port']);
  const folder = makeTempFolder(t);
  const { code, stderr } = await runCli(['serve', '--port', port], { cwd: folder });
  assert.equal(code, 1);
  assert.match(
    stderr.trimEnd().split('\n').at(-1) ?? '',
    /^refused: OPTION_INVALID: port \d+ is in use on 127\.0\.0\.1: .*set another port$/,
  );
});

test('a bad configuration is one line with its place', async (t) => {
  const folder = makeTempFolder(t);
  writeFileSync(join(folder, 'bad.yaml'), 'log: {format: json}\nprot: 1\n');
  const { code, stderr } = await runCli(['serve', '--config', 'bad.yaml'], { cwd: folder });
  assert.equal(code, 1);
  assert.match(stderr, /^refused: CONFIG_INVALID: bad\.yaml:2:1: .*did you mean port\?\n$/);
});

test('what ingest sends lands, over HTTP and Flight, and streams shows it', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t, { config: 'streams: {sensors: {target_table: readings}}\n' });
  const folder = makeTempFolder(t);
  writeFileSync(
    join(folder, 'a.arrow'),
    await arrowBytes(`table = pa.table({'id': range(1000)})`, { format: 'file' }),
  );
  writeFileSync(join(folder, 'a.csv'), `id\n${Array.from({ length: 500 }, (_, i) => i).join('\n')}\n`);
  const env = { ARROWPORT_URL: server.url };
  for (const transport of ['http', 'flight']) {
    for (const [file, rows] of [
      ['a.arrow', 1000],
      ['a.csv', 500],
    ] as const) {
      const args = ['ingest', 'sensors', join(folder, file), '--transport', transport, '--json'];
      const { code, stdout, stderr } = await runCli(args, { env });
      assert.equal(code, 0, stderr);
      const receipt = JSON.parse(stdout) as Record<string, unknown>;
      assert.equal(receipt['rows_processed'], rows);
      assert.equal(receipt['table'], 'readings');
    }
  }
  const listed = await runCli(['streams'], { env });
  assert.match(listed.stdout, /^sensors\treadings\tduckdb\t3000\t\S+ \(500 rows\)$/m);
  const shown = await runCli(['streams', 'sensors'], { env });
  assert.match(shown.stdout, /^id\tBIGINT\tyes$/m);
  writeFileSync(join(folder, 'other.csv'), 'id\nnot a number\n');
  const refused = await runCli(['ingest', 'sensors', join(folder, 'other.csv')], { env });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error: .*other\.csv cannot be read: .*column "id".*\n$/);
});
