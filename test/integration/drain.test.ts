import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { test } from 'node:test';
import { arrowBytes } from '../support/arrow.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { waitForLine } from '../support/server-log.ts';
import { startDeltaServer } from './delta-doors/delta-server.ts';
import { waitForLoads } from './metric-samples.ts';
import { type Answer, openIngest, post, queryFile, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };
const rows = 'table = pa.table({"id": range(5000)})';

function ask(server: TestServer, agent: Agent, path: string): Promise<Omit<Answer, 'headers'>> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: server.port, path, agent }, async (incoming) => {
      const parts: Buffer[] = [];
      for await (const part of incoming) parts.push(part as Buffer);
      resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString('utf8')) });
    }).on('error', reject);
  });
}

test('a server that drains says at once that it is not ready, and goes on living', needsPython, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes(rows);
  const agents = [
    new Agent({ keepAlive: true, maxSockets: 1 }),
    new Agent({ keepAlive: true, maxSockets: 1 }),
  ];
  t.after(() => agents.forEach((agent) => void agent.destroy()));
  const running = openIngest(server, 's');
  running.write(body.subarray(0, 1000));
  await waitForLoads(server, 1);
  for (const agent of agents) assert.equal((await ask(server, agent, '/health/ready')).status, 200);
  const stopped = server.stop();
  await waitForLine(server, 'stopping');
  const [first, second] = agents;
  const ready = await ask(server, first ?? assert.fail(), '/health/ready');
  assert.equal(ready.status, 503);
  assert.match(JSON.stringify(ready.body), /shutting down/);
  assert.equal((await ask(server, second ?? assert.fail(), '/health/live')).status, 200);
  assert.equal((await running.finish(body.subarray(1000))).status, 200);
  assert.equal(await stopped, 0);
});

test('a drained server leaves a whole file, no write-ahead log and no worker', needsPython, async (t) => {
  const server = await startDeltaServer(t, 'streams: {lake: {storage_backend: delta}}\n');
  const body = await arrowBytes(rows);
  for (const stream of ['lake', 's']) assert.equal((await post(server, stream, body)).status, 200);
  assert.equal(existsSync(`${server.dbPath}.wal`), true);
  const workerPid = Number((await waitForLine(server, 'the Delta worker is ready'))['pid']);
  process.kill(workerPid, 0);
  const open = [openIngest(server, 's'), openIngest(server, 'lake')];
  for (const load of open) load.write(body.subarray(0, 1000));
  await waitForLoads(server, 2);
  const stopped = server.stop();
  await waitForLine(server, 'stopping');
  for (const load of open) assert.equal((await load.finish(body.subarray(1000))).status, 200);
  assert.equal(await stopped, 0);
  assert.equal(existsSync(`${server.dbPath}.wal`), false);
  assert.throws(() => process.kill(workerPid, 0), /ESRCH/);
  assert.deepEqual(await queryFile(server, 'select count(*) from s'), [[10_000]]);
});

test(
  'over Flight a draining server refuses new calls and ends those that outlive the grace, each with SHUTTING_DOWN',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'shutdown_grace_seconds: 8\n' });
    const { late, cut } = await runFlight<{ late: string; cut: string }>(
      server,
      `
table = pa.table({"id": range(10)})
client, writer, reader = open_put("s", table)
wait_for_loads(1)
terminate(${server.pid})

def refusal(run):
    try:
        run()
        return "none"
    except (fl.FlightError, pa.ArrowException) as exc:
        return type(exc).__name__ + " " + str(exc)

def put_anew():
    other, answers = client.do_put(fl.FlightDescriptor.for_path("t"), table.schema)
    other.write_table(table)
    other.done_writing()
    answers.read()
    other.close()

late = refusal(put_anew)
def wait():
    reader.read()
    writer.close()
cut = refusal(wait)
print(json.dumps({"late": late, "cut": cut}))`,
    );
    assert.match(late, /^FlightUnavailableError .*SHUTTING_DOWN/);
    assert.match(cut, /^FlightUnavailableError .*SHUTTING_DOWN/);
    assert.equal(await server.ended(), 0);
    assert.deepEqual(
      await queryFile(server, "select count(*) from duckdb_tables() where table_name in ('s', 't')"),
      [[0]],
    );
  },
);

test(
  'a client that reads, or has a transaction open, while the server drains reads to the end, commits and closes without an error',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'shutdown_grace_seconds: 600\n' });
    const said = await runFlight<{ rows: number; late: string }>(
      server,
      `
import adbc_driver_flightsql.dbapi as flightsql
_, writer, receipt = open_put("kept", pa.table({"id": [1]}))
writer.done_writing()
receipt.read()
writer.close()
reading = flightsql.connect(url, autocommit=True)
writing = flightsql.connect(url)
with writing, writing.cursor() as cursor:
    cursor.execute("insert into kept values (2)")
    with reading, reading.cursor() as rows:
        rows.execute("select range as id from range(20000000)")
        batches = rows.fetch_record_batch()
        count = next(batches).num_rows
        terminate(${server.pid})
        try:
            with reading.cursor() as other:
                other.execute("select 1")
            late = "none"
        except Exception as exc:
            late = str(exc)
        writing.commit()
        count += sum(batch.num_rows for batch in batches)
print(json.dumps({"rows": count, "late": late}))`,
    );
    assert.equal(said.rows, 20_000_000);
    assert.match(said.late, /SHUTTING_DOWN/);
    assert.equal(await server.ended(), 0);
    assert.deepEqual(await queryFile(server, 'select id from kept order by id'), [[1], [2]]);
  },
);

test(
  'under npm, which passes on what the terminal sends to all, one Ctrl-C is one signal',
  needsPython,
  async (t) => {
    const server = await startServer(t, {
      config: 'shutdown_grace_seconds: 600\n',
      env: { npm_lifecycle_event: 'start' },
    });
    const body = await arrowBytes(rows);
    const running = openIngest(server, 's');
    running.write(body.subarray(0, 1000));
    await waitForLoads(server, 1);
    process.kill(server.pid, 'SIGINT');
    process.kill(server.pid, 'SIGTERM');
    await waitForLine(server, 'stopping');
    assert.equal((await running.finish(body.subarray(1000))).status, 200);
    assert.equal(await server.ended(), 0);
    assert.deepEqual(await queryFile(server, 'select count(*) from s'), [[5000]]);
  },
);

test(
  'a second signal ends the server at once, says so, and leaves nothing in part',
  needsPython,
  async (t) => {
    // Who ends before this grace is over ends at once.
    const server = await startServer(t, { config: 'shutdown_grace_seconds: 600\n' });
    const body = await arrowBytes(rows);
    assert.equal((await post(server, 's', body, { 'idempotency-key': 'whole' })).status, 200);
    const running = openIngest(server, 's');
    running.write(body.subarray(0, 1000));
    await waitForLoads(server, 1);
    process.kill(server.pid, 'SIGTERM');
    await waitForLine(server, 'stopping');
    assert.equal(await server.stop(), 143);
    await assert.rejects(running.answer);
    assert.match(server.text(), /stopped at once by a second SIGTERM: .*send them again/);
    await server.restart();
    const again = await post(server, 's', body, { 'idempotency-key': 'whole' });
    assert.equal(again.body['replayed'], true);
    assert.equal(await server.stop(), 0);
    assert.deepEqual(await queryFile(server, 'select count(*) from s'), [[5000]]);
  },
);
