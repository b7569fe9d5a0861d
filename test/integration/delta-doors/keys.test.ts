import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { loadBytes, startDeltaBackend } from '../delta/delta-support.ts';
import { askTable } from '../delta/python-readers.ts';
import { type PutResult, runFlight } from '../producers.ts';
import { startDeltaServer } from './delta-server.ts';

const needsPython = { skip: skipWithoutPython };

test('a split DoPut into Delta resumes under its key, also after a crash', needsPython, async (t) => {
  const server = await startDeltaServer(t, 'streams: {s: {storage_backend: delta, commit: {rows: 20}}}\n');
  const put = (batches: number) =>
    runFlight<{ receipts: PutResult['receipts']; error: string | null }>(
      server,
      `
client = fl.connect(url)
schema = pa.schema([("x", pa.int64()), ("kind", pa.dictionary(pa.int8(), pa.string()))])
options = fl.FlightCallOptions(headers=[(b"idempotency-key", b"split")])
writer, reader = client.do_put(fl.FlightDescriptor.for_path("s"), schema, options=options)
kind = pa.array(["a", "b"] * 5).dictionary_encode().cast(schema.field(1).type)
receipts, error = [], None
try:
    for i in range(${batches}):
        writer.write_batch(pa.record_batch([pa.array(range(i * 10, i * 10 + 10)), kind], schema=schema))
    writer.done_writing()
    while (result := reader.read()) is not None:
        receipts.append(json.loads(result.to_pybytes()))
    writer.close()
except (fl.FlightError, pa.ArrowException) as exc:
    error = str(exc)
print(json.dumps({"receipts": receipts, "error": error}))`,
    );
  const first = await put(4);
  await server.kill();
  await server.restart();
  const { receipts } = await put(7);
  assert.deepEqual(
    receipts.map(({ rows_processed, replayed, rows_total, version }) => [
      rows_processed,
      replayed,
      rows_total,
      version,
    ]),
    [
      [20, true, 20, 0],
      [20, true, 40, 1],
      [20, false, 60, 2],
      [10, false, 70, 3],
    ],
  );
  assert.equal(receipts[0]?.commit_id, first.receipts[0]?.commit_id);
  assert.match((await put(1)).error ?? '', /IDEMPOTENCY_CONFLICT/);
  const seen = await askTable(
    server.tablePath('s'),
    'answer = [len(rows), len(set(r["x"] for r in rows)), t.version()]',
  );
  assert.deepEqual(seen, [70, 70, 3]);
});

test('a key that is older than keys are kept is a new one', needsPython, async (t) => {
  const { backend } = startDeltaBackend(t, { keyRetentionHours: 8 / 3600 });
  const bytes = await arrowBytes(`table = pa.table({'id': [1]})`);
  const load = () => loadBytes(backend, 'aged', bytes, { idempotencyKey: 'k' });
  await load();
  assert.notEqual((await load()).replay, null);
  await waitFor('a new load', async () => (await load()).replay === null);
  assert.equal((await backend.tables.info('aged', { requestId: 'test' })).row_count, 2);
});
