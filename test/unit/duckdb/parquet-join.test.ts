import assert from 'node:assert/strict';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { encodeFooter, readFooter } from '../../../src/backends/duckdb/parquet/footer.ts';
import { RollingFiles } from '../../../src/backends/duckdb/parquet/rolling-files.ts';
import { readThriftStruct, writeThriftStruct } from '../../../src/backends/duckdb/parquet/thrift-compact.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';

/** Files of 10,000 rows each whose numbers follow one another; `columns` is SQL over `i`. */
async function writeFiles(owner: CleanupOwner, count: number, columns: string) {
  const folder = makeTempFolder(owner);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  owner.after(() => {
    connection.closeSync();
    instance.closeSync();
  });
  const names = Array.from({ length: count }, (_, index) => `source-${index}`);
  for (const [index, name] of names.entries()) {
    const rows = `range(${index * 10_000}, ${(index + 1) * 10_000}) t(i)`;
    await connection.run(
      `COPY (SELECT ${columns} FROM ${rows}) TO '${join(folder, name)}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
    );
  }
  return { folder, names, connection };
}

test('a footer that is read and written again is the same, byte for byte', async (t) => {
  const columns =
    "i, i::VARCHAR AS s, [i, NULL] AS l, {'x': i / 3, 'y': [{'z': DATE '2020-01-01'}]} AS st, NULL::DECIMAL(30, 2) AS d";
  const { folder, names } = await writeFiles(t, 1, columns);
  const path = join(folder, names[0] ?? '');
  const bytes = await readFile(path);
  const length = bytes.readUInt32LE(bytes.length - 8);
  const footer = bytes.subarray(bytes.length - 8 - length, bytes.length - 8);
  assert.deepEqual(writeThriftStruct(readThriftStruct(footer)), footer);
  const file = await open(path);
  const { metadata, rowGroups, dataEnd } = await readFooter(file);
  await file.close();
  assert.deepEqual(readThriftStruct(encodeFooter(metadata, rowGroups)).structs(4).length, rowGroups.length);
  assert.equal(dataEnd, bytes.length - 8 - length);
});

test('bytes that are no footer are refused', () => {
  assert.throws(() => readThriftStruct(new Uint8Array([0x15])), RangeError);
  assert.throws(() => readThriftStruct(new Uint8Array([0x18, 0x7f, 1])), RangeError);
  assert.throws(() => readThriftStruct(new Uint8Array([0x1b, 0])), RangeError);
});

for (const [what, targetBytes] of [
  ['one file', 1e9],
  ['files near a target', 90_000],
  ['files smaller than a row group', 1],
] as const) {
  test(`joined into ${what}, rows are all there and in order, and bounds fit them`, async (t) => {
    const { folder, names, connection } = await writeFiles(
      t,
      5,
      "i AS id, 'text ' || i AS s, i * 0.5::DOUBLE AS x",
    );
    const rolling = new RollingFiles(folder, targetBytes, 'snappy');
    for (const name of names) assert.ok((await rolling.take(name)) > 0);
    const files = await rolling.finish();
    assert.deepEqual((await readdir(folder)).toSorted(), files.map(({ name }) => name).toSorted());
    assert.equal(files.length === 1, targetBytes > 1e6);
    let next = 0n;
    for (const file of files) {
      const reader = await connection.runAndReadAll(
        `SELECT count(*), min(id), max(id), bool_and(s = 'text ' || id AND x = id * 0.5), bool_and(id = before + 1 OR before IS NULL)
         FROM (SELECT *, lag(id) OVER (ORDER BY file_row_number) AS before FROM read_parquet('${join(folder, file.name)}', file_row_number = true))`,
      );
      const [[count, min, max, right, ordered] = []] = reader.getRows();
      assert.deepEqual([count, min, right, ordered], [BigInt(file.rows), next, true, true]);
      const [id] = file.columns;
      assert.deepEqual([id?.path, id?.min, id?.max, id?.nullCount], [['id'], min, max, 0]);
      next += BigInt(file.rows);
    }
    assert.equal(next, 50_000n);
  });
}
