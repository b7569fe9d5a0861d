import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../support/python.ts';
import { startServer } from '../support/server.ts';
import { getJson, type PutResult, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };

test(
  'a split DoPut has a receipt for each commit, its rows visible before the next',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'streams: {s: {commit: {rows: 1000}}}\n' });
    const { receipts, counts } = await runFlight<{ receipts: PutResult['receipts']; counts: number[] }>(
      server,
      `
import urllib.request
table = pa.table({"id": np.arange(2500)})
client = fl.connect(url)
writer, reader = client.do_put(fl.FlightDescriptor.for_path("s"), table.schema)
receipts, counts = [], []
for batch in table.to_batches(max_chunksize=500):
    writer.write_batch(batch)
    if (len(receipts) + 1) * 1000 == batch.column(0)[-1].as_py() + 1:
        receipts.append(json.loads(reader.read().to_pybytes()))
        counts.append(json.load(urllib.request.urlopen("${server.url}/streams/s"))["row_count"])
writer.done_writing()
receipts.append(json.loads(reader.read().to_pybytes()))
assert reader.read() is None
writer.close()
print(json.dumps({"receipts": receipts, "counts": counts}))`,
    );
    assert.deepEqual(counts, [1000, 2000]);
    assert.deepEqual(
      receipts.map(({ rows_processed, batches, rows_total, batches_total }) => [
        rows_processed,
        batches,
        rows_total,
        batches_total,
      ]),
      [
        [1000, 2, 1000, 2],
        [1000, 2, 2000, 4],
        [500, 1, 2500, 5],
      ],
    );
  },
);

test('a further part knows the dictionaries that came with the first', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {d: {commit: {rows: 100}}}\n' });
  const { receipts, error } = await runFlight(
    server,
    `
table = pa.table({"c": pa.array(["north", "south"] * 200).dictionary_encode()})
print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("d"), table, 100)))`,
  );
  assert.equal(error, null);
  assert.deepEqual(
    receipts.map(({ rows_processed }) => rows_processed),
    [100, 100, 100, 100, 0],
  );
  assert.equal(receipts.at(-1)?.rows_total, 400);
  assert.equal((await getJson(server, '/streams/d')).body['row_count'], 400);
});

test('interval_ms commits what a slow producer has sent while it is silent', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {s: {commit: {interval_ms: 100}}}\n' });
  const { receipts } = await runFlight(
    server,
    `
table = pa.table({"id": np.arange(3)})
print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("s"), table, 1, pause=0.4)))`,
  );
  assert.deepEqual(
    receipts.map(({ rows_processed, rows_total }) => [rows_processed, rows_total]),
    [
      [1, 1],
      [1, 2],
      [1, 3],
      [0, 3],
    ],
  );
});

test('an error behind a commit says how much is durable, and only that much is', needsPython, async (t) => {
  const server = await startServer(t, { config: 'streams: {s: {commit: {rows: 100}}}\n' });
  const { error } = await runFlight<{ error: string }>(
    server,
    `
client = fl.connect(url)
schema = pa.schema([("s", pa.dictionary(pa.int8(), pa.string()))])
writer, reader = client.do_put(fl.FlightDescriptor.for_path("s"), schema)
good = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int8()), ["x"])
bad = pa.DictionaryArray.from_arrays(pa.array([9] * 10, pa.int8()), ["x"], safe=False)
error = None
try:
    writer.write_batch(pa.record_batch([good], schema=schema))
    reader.read()
    writer.write_batch(pa.record_batch([bad], schema=schema))
    writer.done_writing()
    reader.read()
    writer.close()
except (fl.FlightError, pa.ArrowException) as exc:
    error = str(exc)
print(json.dumps({"error": error}))`,
  );
  assert.match(error, /IPC_MALFORMED/);
  assert.match(error, /100 rows in 1 batches are durable/);
  assert.equal((await getJson(server, '/streams/s')).body['row_count'], 100);
});
