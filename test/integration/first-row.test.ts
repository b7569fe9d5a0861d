import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { arrowBytes } from '../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../support/python.ts';
import { startServer } from '../support/server.ts';
import { waitForLine } from '../support/server-log.ts';
import { getJson, ingest, post, queryFile, runFlight } from './producers.ts';

const needsPython = { skip: skipWithoutPython };

test(
  'a table put by PyArrow is in the receipt, in GET /streams, in the log and in the file',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'streams: {sensors: {target_table: readings}}\n' });
    const { receipts, error } = await runFlight(
      server,
      `
table = pa.table({"id": np.arange(1_000_000), "v": np.arange(1_000_000) / 4})
print(json.dumps(do_put(url, fl.FlightDescriptor.for_path("sensors"), table, 122_880)))`,
    );
    assert.equal(error, null);
    assert.equal(receipts.length, 1);
    const [receipt] = receipts;
    assert.ok(receipt);
    const { commit_id, bytes, duration_ms, ...rest } = receipt;
    assert.deepEqual(rest, {
      status: 'success',
      stream: 'sensors',
      table: 'readings',
      storage_backend: 'duckdb',
      rows_processed: 1_000_000,
      batches: 9,
      version: null,
      replayed: false,
      message: '1000000 rows committed to readings',
    });
    assert.ok(bytes >= 16_000_000 && bytes < 16_010_000 && duration_ms > 0);
    const { body } = await getJson(server, '/streams/sensors');
    assert.equal(body['row_count'], 1_000_000);
    assert.deepEqual(body['schema'], [
      { name: 'id', type: 'BIGINT', nullable: true },
      { name: 'v', type: 'DOUBLE', nullable: true },
    ]);
    const lastLoad = body['last_load'] as Record<string, unknown>;
    assert.deepEqual(
      [lastLoad['commit_id'], lastLoad['rows'], lastLoad['bytes']],
      [commit_id, 1_000_000, bytes],
    );
    assert.deepEqual(body['last_loads'], [lastLoad]);
    const line = await waitForLine(server, 'load committed');
    assert.equal(line['stream'], 'sensors');
    assert.equal(line['table'], 'readings');
    assert.equal(line['rows'], 1_000_000);
    assert.equal(typeof line['request_id'], 'string');
    assert.equal(await server.stop(), 0);
    assert.deepEqual(await queryFile(server, 'select count(*), sum(id)::bigint, max(v) from readings'), [
      [1_000_000, 499_999_500_000, 249_999.75],
    ]);
  },
);

test('frames sent by Polars over HTTP land with their strings', needsPython, async (t) => {
  const server = await startServer(t);
  const source = `
import io, json, sys, urllib.request
import polars as pl
frame = pl.DataFrame({"city": ["Oslo", "a much longer name than twelve bytes", None], "n": [1, 2, 3]})
answers = []
for write, kind in ((frame.write_ipc_stream, "stream"), (frame.write_ipc, "file")):
    for compression in ("uncompressed", "zstd", "lz4"):
        body = io.BytesIO()
        write(body, compression=compression)
        call = urllib.request.Request(sys.argv[1] + "/ingest/cities", data=body.getvalue(), method="POST",
            headers={"Content-Type": f"application/vnd.apache.arrow.{kind}"})
        answers.append(json.load(urllib.request.urlopen(call))["rows_processed"])
print(json.dumps(answers))
`;
  assert.deepEqual(await runPythonJson(source, [server.url]), [3, 3, 3, 3, 3, 3]);
  await server.stop();
  assert.deepEqual(await queryFile(server, 'select city, n, count(*) from cities group by all order by n'), [
    ['Oslo', 1, 6],
    ['a much longer name than twelve bytes', 2, 6],
    [null, 3, 6],
  ]);
});

test('a file sent by curl lands', needsPython, async (t) => {
  const server = await startServer(t);
  const path = join(server.folder, 'a.arrow');
  writeFileSync(
    path,
    await arrowBytes('table = pa.table({"id": range(1000)})', { format: 'file', codec: 'zstd' }),
  );
  const type = 'Content-Type: application/vnd.apache.arrow.file';
  const { stdout } = await promisify(execFile)('curl', [
    ...['-sS', '--fail-with-body', '-X', 'POST', '-T', path, '-H', type],
    `${server.url}/stream/curled`,
  ]);
  assert.equal(JSON.parse(stdout).message, '1000 rows committed to curled');
  assert.equal((await getJson(server, '/streams/curled')).body['row_count'], 1000);
});

test('both doors answer the same bytes with the same figures', needsPython, async (t) => {
  const server = await startServer(t);
  const source = 'table = pa.table({"id": np.arange(5000), "s": [str(i) for i in range(5000)]})';
  const overHttp = await ingest(server, 'same', await arrowBytes(source, { batchRows: 1000 }));
  const { receipts } = await runFlight(
    server,
    `${source}\nprint(json.dumps(do_put(url, fl.FlightDescriptor.for_path("same"), table, 1000)))`,
  );
  const figures = ({ rows_processed, batches, bytes, table, message }: typeof overHttp) => ({
    rows_processed,
    batches,
    bytes,
    table,
    message,
  });
  assert.deepEqual(receipts.map(figures), [figures(overHttp)]);
});

test(
  'streams are listed: routes, patterns, and tables that streams without a route have made',
  needsPython,
  async (t) => {
    const server = await startServer(t, {
      config: 'streams: {a: {target_table: x.y}, "m.*": {target_table: metrics}, "p.*": {}}\n',
    });
    const body = await arrowBytes('table = pa.table({"id": range(3)})');
    for (const stream of ['a', 'm.one', 'm.two', 'p.one', 'free']) await ingest(server, stream, body);
    const { streams } = (await getJson<{ streams: Record<string, unknown>[] }>(server, '/streams')).body;
    const shown = streams.map(({ stream, pattern, table, row_count, last_load }) => [
      stream,
      pattern,
      table,
      row_count,
      (last_load as { rows: number } | null)?.rows ?? null,
    ]);
    assert.deepEqual(shown, [
      ['a', false, 'x.y', 3, 3],
      ['m.*', true, 'metrics', 6, 3],
      ['p.*', true, 'p.*', null, 3],
      ['free', false, 'free', 3, 3],
    ]);
    assert.equal((await getJson(server, '/streams/m.one')).body['row_count'], 6);
    assert.equal((await getJson(server, '/streams/never-seen')).status, 404);
  },
);

test('a receipt is for rows that outlive the process, killed right after it', needsPython, async (t) => {
  const server = await startServer(t);
  const body = await arrowBytes('table = pa.table({"id": range(20000)})');
  await ingest(server, 'kept', body);
  await server.kill();
  await server.restart();
  assert.equal((await getJson(server, '/streams/kept')).body['row_count'], 20_000);
});

test(
  'a stream that does not fit is refused whole, on both doors, and the table stays',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    await ingest(server, 's', await arrowBytes('table = pa.table({"id": range(3)})'));
    const wrong = 'table = pa.table({"id": ["x"] * 3})';
    const answer = await post(server, 's', await arrowBytes(wrong));
    assert.equal(answer.status, 409);
    assert.equal(answer.body['code'], 'SCHEMA_MISMATCH');
    assert.match(String(answer.body['detail']), /id/);
    const { error } = await runFlight(
      server,
      `${wrong}\nprint(json.dumps(do_put(url, fl.FlightDescriptor.for_path("s"), table)))`,
    );
    assert.match(error ?? '', /SCHEMA_MISMATCH/);
    assert.equal((await getJson(server, '/streams/s')).body['row_count'], 3);
  },
);

test(
  'a stream without batches makes the table and is acknowledged with zero rows',
  needsPython,
  async (t) => {
    const server = await startServer(t);
    const receipt = await ingest(
      server,
      'empty',
      await arrowBytes('table = pa.table({"id": pa.array([], pa.int32())})'),
    );
    assert.equal(receipt.rows_processed, 0);
    const { body } = await getJson(server, '/streams/empty');
    assert.equal(body['row_count'], 0);
    assert.deepEqual(body['schema'], [{ name: 'id', type: 'INTEGER', nullable: true }]);
  },
);
