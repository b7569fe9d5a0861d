import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { arrowBytes } from '../support/arrow.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { getJson, type PutResult, post, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };
let rows: Uint8Array;

before(async () => {
  if (skipWithoutPython === false) rows = await arrowBytes('table = pa.table({"x": list(range(100))})');
});

async function countRows(server: TestServer, stream: string): Promise<unknown> {
  return (await getJson(server, `/streams/${stream}`)).body['row_count'];
}

test(
  'a repeated key answers the first receipt and writes nothing, also after kill -9',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const key = { 'idempotency-key': 'load-1' };
    const first = await post(server, 'a', rows, key);
    assert.equal(first.body['replayed'], false);
    const again = await post(server, 'a', rows, key);
    await server.kill();
    await server.restart();
    const afterwards = await post(server, 'a', rows, key);
    for (const { status, body } of [again, afterwards]) {
      assert.equal(status, 200);
      assert.equal(body['replayed'], true);
      assert.deepEqual({ ...body, replayed: false }, first.body);
    }
    assert.equal(await countRows(server, 'a'), 100);
  },
);

test(
  'a key belongs to a table: another one is free, another stream of it conflicts',
  needsPython,
  async (t) => {
    const config = 'streams: {a: {target_table: shared}, b: {target_table: shared}}\n';
    const server = await startServer(t, { config });
    const key = { 'idempotency-key': 'k' };
    assert.equal((await post(server, 'a', rows, key)).status, 200);
    const conflict = await post(server, 'b', rows, key);
    assert.equal(conflict.status, 409);
    assert.equal(conflict.body['code'], 'IDEMPOTENCY_CONFLICT');
    assert.equal((await post(server, 'other', rows, key)).body['replayed'], false);
    assert.equal(await countRows(server, 'a'), 100);
  },
);

test('requests of one key at once: one writes, the others wait and replay', needsPython, async (t) => {
  const server = await startServer(t);
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => post(server, 'crowd', rows, { 'idempotency-key': 'same' })),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(answers.filter(({ body }) => body['replayed'] === false).length, 1);
  assert.equal(new Set(answers.map(({ body }) => body['commit_id'])).size, 1);
  assert.equal(await countRows(server, 'crowd'), 100);
});

test('a failed load leaves its key free', needsPython, async (t) => {
  const server = await startServer(t);
  const key = { 'idempotency-key': 'retry' };
  const cut = await post(server, 'c', rows.subarray(0, rows.length - 100), key);
  assert.equal(cut.body['code'], 'IPC_TRUNCATED');
  const whole = await post(server, 'c', rows, key);
  assert.equal(whole.body['replayed'], false);
  assert.equal(await countRows(server, 'c'), 100);
});

test(
  'a split DoPut resumes under its key: durable parts are skipped and answered as replayed',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'streams: {s: {commit: {rows: 20}}}\n' });
    const put = (batches: number) =>
      runFlight<{ receipts: PutResult['receipts'] }>(
        server,
        `
client = fl.connect(url)
schema = pa.schema([("x", pa.int64())])
options = fl.FlightCallOptions(headers=[(b"idempotency-key", b"split")])
writer, reader = client.do_put(fl.FlightDescriptor.for_path("s"), schema, options=options)
for i in range(${batches}):
    writer.write_batch(pa.record_batch([pa.array(range(i * 10, i * 10 + 10))], schema=schema))
writer.done_writing()
receipts = []
while (result := reader.read()) is not None:
    receipts.append(json.loads(result.to_pybytes()))
writer.close()
print(json.dumps({"receipts": receipts}))`,
      );
    await put(4);
    await server.kill();
    await server.restart();
    const figures = ({ receipts }: { receipts: PutResult['receipts'] }) =>
      receipts.map(({ rows_processed, replayed, rows_total }) => [rows_processed, replayed, rows_total]);
    const resumed = await put(7);
    assert.deepEqual(figures(resumed), [
      [20, true, 20],
      [20, true, 40],
      [20, false, 60],
      [10, false, 70],
    ]);
    const whole = await put(7);
    assert.deepEqual(
      whole.receipts,
      resumed.receipts.map((receipt) => ({ ...receipt, replayed: true })),
    );
    assert.deepEqual(figures(await put(6)).at(-1), [0, true, 60]);
    assert.deepEqual(figures(await put(8)).slice(-2), [
      [10, true, 70],
      [10, false, 80],
    ]);
    assert.equal(await countRows(server, 's'), 80);
  },
);
