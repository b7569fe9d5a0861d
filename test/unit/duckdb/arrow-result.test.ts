import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import { type ReadOptions, readArrowResult } from '../../../src/backends/duckdb/arrow-result.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';

/** Enough rows for several chunks of DuckDB's, with its own examples of every type. */
const everyType = 'SELECT * FROM test_all_types(), range(1500)';

const settings = [
  '',
  'SET arrow_large_buffer_size = true',
  'SET produce_arrow_string_view = true',
  'SET arrow_output_list_view = true',
  "SET arrow_lossless_conversion = true; SET arrow_output_version = '1.5'",
];

async function connect(owner: CleanupOwner): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  owner.after(() => {
    connection.closeSync();
    instance.closeSync();
  });
  return connection;
}

async function exportQuery(
  connection: DuckDBConnection,
  sql: string,
  rows: number,
  options: ReadOptions = {},
): Promise<Buffer> {
  const size = { rows, bytes: 1 << 26 };
  const { schema, batches } = readArrowResult(await connection.stream(sql), size, options);
  const parts: Uint8Array[] = [frameMetadata(encodeSchemaMessage(schema))];
  for await (const batch of batches) {
    const message = await encodeRecordBatchMessage(batch.columns, batch.rows, { codec: 'lz4-frame' });
    parts.push(frameMetadata(message.metadata), message.body);
  }
  return Buffer.concat([...parts, endOfStream]);
}

const compare = `
import duckdb, json, sys, pyarrow as pa
sql, path, setting = sys.argv[1:4]
connection = duckdb.connect()
if setting: connection.execute(setting)
wanted = connection.sql(sql).to_arrow_table()
found = pa.ipc.open_stream(path).read_all()
found.validate()
differences = []
for name in wanted.column_names:
    a, b = wanted[name], found[name]
    if pa.types.is_dictionary(a.type): a = a.cast(a.type.value_type)
    if a.type != b.type: differences.append('%s is %s, wanted %s' % (name, b.type, a.type))
    elif not a.equals(b) and repr(a.to_pylist()) != repr(b.to_pylist()): differences.append('%s has other values' % name)
print(json.dumps({'differences': differences, 'columns': found.num_columns, 'rows': found.num_rows}))
`;

const ways: readonly { readonly name: string; readonly rows: number; readonly options: ReadOptions }[] = [
  { name: 'chunk by chunk', rows: 777, options: {} },
  { name: 'by a thread', rows: 2048, options: { fetchBatch: (readBatch) => readBatch() } },
];

for (const { setting, name, rows, options } of settings.flatMap((setting) =>
  ways.map((way) => ({ setting, ...way })),
)) {
  test(`results are the Arrow that DuckDB itself makes, read ${name} (${setting || 'its defaults'})`, {
    skip: skipWithoutPython,
  }, async (t) => {
    const connection = await connect(t);
    if (setting !== '') await connection.run(setting);
    const path = join(makeTempFolder(t), 'result.arrows');
    writeFileSync(path, await exportQuery(connection, everyType, rows, options));
    const answer = await runPythonJson<{ differences: string[]; columns: number; rows: number }>(compare, [
      everyType,
      path,
      setting,
    ]);
    assert.deepEqual(answer.differences, []);
    assert.equal(answer.rows, 4500);
    assert.ok(answer.columns > 50);
  });
}

/** Chunks of every length, and nulls that begin and end within bytes of bitmaps. */
const irregular = `SELECT i, CASE WHEN i % 11 <> 3 THEN i * 0.5 END AS number,
  CASE WHEN i // 3000 = 2 THEN NULL WHEN hash(i) % 5 = 0 THEN '' ELSE repeat('ä', (i % 13)::INTEGER) || i END AS text,
  CASE WHEN i < 20000 OR i % 9 <> 0 THEN hash(i) % 3 = 0 END AS flag,
  i::DECIMAL(30, 3) AS decimal, CASE WHEN i % 17 <> 0 THEN i::VARCHAR::BLOB END AS bytes,
  CASE WHEN i % 5 <> 0 THEN [i, NULL, i + 1] END AS list, {'a': i, 'b': CASE WHEN i % 2 = 0 THEN 'b' END} AS struct
  FROM range(60000) r(i) WHERE hash(i) % 7 < 5 OR i BETWEEN 9000 AND 9500`;

for (const { name, rows, options } of ways) {
  for (const odd of [rows, 5003, 40_000]) {
    test(`values stay where they are in batches of ${odd} rows of irregular chunks, read ${name}`, {
      skip: skipWithoutPython,
    }, async (t) => {
      const path = join(makeTempFolder(t), 'result.arrows');
      writeFileSync(path, await exportQuery(await connect(t), irregular, odd, options));
      const answer = await runPythonJson<{ differences: string[]; columns: number; rows: number }>(compare, [
        irregular,
        path,
        '',
      ]);
      assert.deepEqual(answer.differences, []);
      assert.equal(answer.columns, 8);
      assert.ok(answer.rows > 40_000);
    });
  }
}

test('batches have the rows that were asked for, whatever the chunks of DuckDB are', async (t) => {
  const connection = await connect(t);
  const result = await connection.stream('SELECT i, i % 3 = 0 AS b FROM range(10000) r(i) WHERE i % 7 < 5');
  const { batches } = readArrowResult(result, { rows: 3000, bytes: 1 << 26 });
  const rows: number[] = [];
  for await (const batch of batches) rows.push(batch.rows);
  assert.deepEqual(rows, [3000, 3000, 1144]);
});

test('a batch is also full at a number of bytes', async (t) => {
  const connection = await connect(t);
  const result = await connection.stream("SELECT repeat('x', 1000) AS text FROM range(10000)");
  const { batches } = readArrowResult(result, { rows: 1_000_000, bytes: 3_000_000 });
  const rows: number[] = [];
  for await (const batch of batches) rows.push(batch.rows);
  assert.deepEqual(rows, [4096, 4096, 1808]);
});

test('a result without rows has its schema and no batch', async (t) => {
  const connection = await connect(t);
  const result = await connection.stream("SELECT 1::DECIMAL(20, 3) AS d, now() AS t, 'x' AS s WHERE false");
  const { schema, batches } = readArrowResult(result, { rows: 10, bytes: 1000 });
  assert.deepEqual(
    schema.fields.map(({ name, type }) => [name, type.kind]),
    [
      ['d', 'decimal'],
      ['t', 'timestamp'],
      ['s', 'utf8'],
    ],
  );
  for await (const batch of batches) assert.fail(`a batch of ${batch.rows} rows`);
});

test('a failure in the middle of a result passes through', async (t) => {
  const connection = await connect(t);
  const sql = "SELECT CASE WHEN i = 90000 THEN error('too far') ELSE i END AS i FROM range(100000) r(i)";
  await assert.rejects(async () => {
    const { batches } = readArrowResult(await connection.stream(sql), { rows: 1000, bytes: 1 << 20 });
    for await (const batch of batches) assert.ok(batch.rows > 0);
  }, /too far/);
});

test('a failure in what a thread reads passes through, and the thread is used again', async (t) => {
  const connection = await connect(t);
  const options: ReadOptions = { fetchBatch: (readBatch) => readBatch() };
  // DuckDB's threads stop each other: now and then that is the error it tells of.
  const failing = "SELECT CASE WHEN range = 90000 THEN error('broken') ELSE 'x' END AS x FROM range(100000)";
  for (let round = 0; round < 6; round++) {
    await assert.rejects(exportQuery(connection, failing, 2048, options), /broken|Interrupted/);
    const whole = await exportQuery(connection, 'SELECT range FROM range(50000)', 2048, options);
    assert.ok(whole.equals(await exportQuery(connection, 'SELECT range FROM range(50000)', 2048)));
  }
});

test('results that are left early free the threads that read them', async (t) => {
  const options: ReadOptions = { fetchBatch: (readBatch) => readBatch() };
  for (let round = 0; round < 10; round++) {
    const connection = await connect(t);
    const { batches } = readArrowResult(
      await connection.stream('SELECT range FROM range(1000000)'),
      { rows: 2048, bytes: 1 << 26 },
      options,
    );
    let seen = 0;
    for await (const batch of batches) {
      seen += batch.rows;
      if (seen > 10_000) break;
    }
    assert.ok(seen > 10_000);
  }
});

test('rows that are wide are few in a batch, though they came in one chunk', async (t) => {
  const connection = await connect(t);
  for (const options of [{}, { fetchBatch: (readBatch) => readBatch() }] satisfies ReadOptions[]) {
    const result = await connection.stream("SELECT repeat('x', 10000) AS text FROM range(3000)");
    const { batches } = readArrowResult(result, { rows: 122_880, bytes: 1 << 20 }, options);
    let rows = 0;
    for await (const batch of batches) {
      rows += batch.rows;
      assert.ok(batch.rows < 2 * 105, `${batch.rows} rows in a batch`);
    }
    assert.equal(rows, 3000);
  }
});

test('memory that a thread has handed over can be freed at once', async (t) => {
  const connection = await connect(t);
  const result = await connection.stream('SELECT range FROM range(400000)');
  const options: ReadOptions = { fetchBatch: (readBatch) => readBatch() };
  const { batches } = readArrowResult(result, { rows: 102_400, bytes: 1 << 26 }, options);
  const lengths: number[] = [];
  for await (const batch of batches) {
    batch.release?.();
    batch.release?.();
    lengths.push(batch.columns[0]?.buffers[1]?.byteLength ?? -1);
  }
  assert.deepEqual(lengths.slice(1, 3), [0, 0]);
});
