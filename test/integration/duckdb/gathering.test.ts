import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';

const needsPython = { skip: skipWithoutPython };

async function ingest(server: TestServer, stream: string, body: Buffer): Promise<[number, unknown]> {
  const response = await fetch(`${server.url}/ingest/${stream}`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.apache.arrow.stream' },
    body: new Uint8Array(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return [response.status, answer['rows_processed'] ?? answer['detail']];
}

test('batches of one row each load in DuckDB’s resting memory', needsPython, async (t) => {
  const server = await startServer(t);
  const source = 'table = pa.table({"id": np.arange(60000), "text": [f"row {i}" for i in range(60000)]})';
  const body = await arrowBytes(source, { batchRows: 1 });
  assert.deepEqual(await ingest(server, 'tiny', body), [200, 60_000]);
});

test(
  'a load whose next batch does not fit beside the one being decoded waits for that only',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'limits: {max_inflight_bytes: 10000000}\n' });
    const source = 'table = pa.table({"x": np.random.default_rng(1).random(2100000)})';
    const body = await arrowBytes(source, { codec: 'zstd', batchRows: 700_000 });
    // One that waited for memory that it holds itself would be refused in the end.
    assert.deepEqual(await ingest(server, 'pressed', body), [200, 2_100_000]);
  },
);

test(
  'list views, runs and views that repeat the same values are bounded by what they stand for',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const listViews = await arrowBytes(`
child = pa.array(np.arange(100000))
views = pa.ListViewArray.from_arrays(pa.array([0] * 400, pa.int32()), pa.array([100000] * 400, pa.int32()), child)
table = pa.table({"x": views})`);
    const runs = await arrowBytes(`
runs = pa.RunEndEncodedArray.from_arrays(pa.array([20000000], pa.int32()), pa.array([1]))
table = pa.table({f"c{i}": runs for i in range(3)})`);
    for (const body of [listViews, runs]) {
      const [status, detail] = await ingest(server, 'bomb', body);
      assert.equal(status, 413);
      assert.match(String(detail), /unfolds to \d+ bytes/);
    }
    const texts = await arrowBytes(
      'table = pa.table({"x": pa.array(["the same text in each row, " * 1000] * 100, pa.string_view())})',
      { batchRows: 1 },
    );
    assert.deepEqual(await ingest(server, 'texts', texts), [200, 100]);
  },
);
