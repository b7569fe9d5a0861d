import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import { type LogLine, startServer, type TestServer } from '../support/server.ts';
import { waitForLine } from '../support/server-log.ts';
import { scrape, waitForLoads } from './metric-samples.ts';
import { getJson, ingest, openIngest, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };
/** A few looks of the watch at its files. */
const someLooksMs = 1500;

/** A configuration whose stream `s` goes to a table. */
const routeTo = (table: string) =>
  `host: 127.0.0.1\ndb_path: ./test.duckdb\nstreams: {s: {target_table: ${table}}}\n`;

async function tableOf(server: TestServer): Promise<unknown> {
  return (await getJson(server, '/streams/s')).body['table'];
}

async function waitForTable(server: TestServer, table: string): Promise<void> {
  await waitFor(`${table} in force`, async () => (await tableOf(server)) === table);
}

/** Changes the file until a reload is what finds the change, for the watch may be first; returns how often. */
async function changeUntilApplied(
  server: TestServer,
  textOf: (attempt: number) => string,
  reload: () => Promise<Record<string, unknown>>,
  expected: { readonly changed: readonly string[]; readonly needs_restart: readonly string[] },
): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    writeFileSync(server.configPath, textOf(attempt));
    const answer = await reload();
    if (answer['status'] === 'unchanged' && attempt < 50) continue;
    assert.deepEqual(answer, { status: 'applied', ...expected });
    return attempt;
  }
}

test('a change of the file is live by itself: written, renamed into place, swapped as a symlink', async (t) => {
  const server = await startServer(t, { config: routeTo('t0') });
  const path = server.configPath;
  assert.equal(await tableOf(server), 't0');

  writeFileSync(path, routeTo('t1'));
  await waitForTable(server, 't1');

  writeFileSync(`${path}.new`, routeTo('t2'));
  renameSync(`${path}.new`, path);
  await waitForTable(server, 't2');

  // As Kubernetes lays a ConfigMap out: the file is a link into a folder that is a link itself.
  const volume = (version: string) => {
    mkdirSync(join(server.folder, version));
    writeFileSync(join(server.folder, version, 'arrowport.yaml'), routeTo(version));
    symlinkSync(version, join(server.folder, '..next'));
    renameSync(join(server.folder, '..next'), join(server.folder, '..data'));
  };
  volume('t3');
  symlinkSync(join('..data', 'arrowport.yaml'), `${path}.link`);
  renameSync(`${path}.link`, path);
  await waitForTable(server, 't3');
  volume('t4');
  await waitForTable(server, 't4');

  const isApplied = (line: LogLine) => line['msg'] === 'configuration applied';
  await waitFor('four lines', () => server.logs().filter(isApplied).length >= 4);
  const applied = server.logs().filter(isApplied);
  assert.equal(applied.length, 4);
  assert.deepEqual(applied[0]?.['changed'], ['streams.s.target_table']);
});

test('a load keeps the route it began with, the next one takes the new', needsPython, async (t) => {
  const server = await startServer(t, { config: routeTo('before') });
  const body = await arrowBytes('table = pa.table({"id": range(1000)})');
  const open = openIngest(server, 's');
  open.write(body.subarray(0, 200));
  await waitForLoads(server, 1);
  writeFileSync(server.configPath, routeTo('after'));
  await waitForTable(server, 'after');
  const { status, body: receipt } = await open.finish(body.subarray(200));
  assert.equal(status, 200);
  assert.equal(receipt.table, 'before');
  assert.equal((await ingest(server, 's', body)).table, 'after');
});

test('a file that does not check changes nothing and says why, with line and column', async (t) => {
  const server = await startServer(t, { config: routeTo('kept') });
  writeFileSync(server.configPath, `${routeTo('kept')}prot: 1\n`);
  const gauge = async () => (await scrape(server)).sum('arrowport_config_last_reload_successful');
  await waitFor('a refused reload', async () => (await gauge()) === 0);
  const isRejection = (line: LogLine) => String(line['msg']).startsWith('configuration rejected');
  await waitForLine(server, isRejection);
  const rejected = server.logs().filter(isRejection);
  assert.equal(rejected.length, 1);
  assert.equal(rejected[0]?.['line'], 4);
  assert.equal(rejected[0]?.['position'], 1);
  assert.match(String(rejected[0]?.['msg']), /arrowport\.yaml:4:1: prot: .*did you mean port\?$/);
  assert.equal(await tableOf(server), 'kept');
  const samples = await scrape(server);
  assert.equal(samples.sum('arrowport_config_reloads_total', 'outcome="rejected"'), 1);

  rmSync(server.configPath);
  await sleep(someLooksMs);
  assert.equal(await tableOf(server), 'kept');
  assert.equal(await gauge(), 0);

  writeFileSync(server.configPath, routeTo('repaired'));
  await waitForTable(server, 'repaired');
  assert.equal(await gauge(), 1);
});

test('POST /admin/reload answers the difference, or why there is none', async (t) => {
  const server = await startServer(t, { config: routeTo('t0') });
  const reload = async () => {
    const response = await fetch(`${server.url}/admin/reload`, { method: 'POST' });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  assert.deepEqual(await reload(), {
    status: 200,
    body: { status: 'unchanged', changed: [], needs_restart: [] },
  });
  const attempt = await changeUntilApplied(
    server,
    (number) => `${routeTo(`t${number}`)}flight_port: ${number}\n`,
    async () => (await reload()).body,
    { changed: ['flight_port', 'streams.s.target_table'], needs_restart: ['flight_port'] },
  );
  assert.equal(await tableOf(server), `t${attempt}`);
  writeFileSync(server.configPath, 'log: {level: loud}\n');
  const { status, body } = await reload();
  assert.equal(status, 422);
  assert.deepEqual([body['code'], body['line'], body['position']], ['CONFIG_INVALID', 1, 14]);
  assert.equal(await tableOf(server), `t${attempt}`);
});

test('the Flight action reload does the same', needsPython, async (t) => {
  const server = await startServer(t, { config: routeTo('t0') });
  const answer = await runFlight<Record<string, unknown>>(
    server,
    `
client = fl.connect(url)
for attempt in range(1, 50):
    with open(${JSON.stringify(server.configPath)}, "w") as file:
        file.write(${JSON.stringify(routeTo('T'))}.replace("T", f"t{attempt}"))
    (result,) = client.do_action(fl.Action("reload", b""))
    answer = json.loads(result.body.to_pybytes())
    # The watch may have found the change before.
    if answer["status"] != "unchanged":
        break
print(json.dumps({**answer, "table": f"t{attempt}"}))`,
  );
  const { table, ...reloaded } = answer;
  assert.deepEqual(reloaded, { status: 'applied', changed: ['streams.s.target_table'], needs_restart: [] });
  assert.equal(await tableOf(server), table);
});

test('limits and the level of the log are live as well', needsPython, async (t) => {
  const server = await startServer(t, { config: routeTo('t0') });
  const body = await arrowBytes('table = pa.table({"id": range(10000)})');
  await ingest(server, 's', body);
  await waitForLine(server, 'load committed');
  const before = server.logs().length;
  const text = readFileSync(server.configPath, 'utf8');
  writeFileSync(server.configPath, `${text}log: {level: error}\nlimits: {max_message_bytes: 1000}\n`);
  await fetch(`${server.url}/admin/reload`, { method: 'POST' });
  await assert.rejects(ingest(server, 's', body), /BODY_TOO_LARGE.*max_message_bytes/);
  assert.equal(server.logs().slice(before).length, 0);
});

test('auth that comes with a reload is named as waiting for a restart', async (t) => {
  const server = await startServer(t, { config: routeTo('t0') });
  const attempt = await changeUntilApplied(
    server,
    (number) => `${routeTo(`t${number}`)}auth: {tokens_file: tokens${number}.yaml}\n`,
    async () => {
      const response = await fetch(`${server.url}/admin/reload`, { method: 'POST' });
      return (await response.json()) as Record<string, unknown>;
    },
    { changed: ['streams.s.target_table', 'auth.tokens_file'], needs_restart: ['auth.tokens_file'] },
  );
  assert.equal(await tableOf(server), `t${attempt}`);
});
