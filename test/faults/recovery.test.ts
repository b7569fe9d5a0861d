import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { Database } from '../../src/backends/duckdb/database.ts';
import { openFailure } from '../../src/backends/duckdb/open-failure.ts';
import { runPythonJson, skipWithoutPython } from '../support/python.ts';
import { startServer } from '../support/server.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const rows = 300_000;
const limit = '20MB';

/** A database with a long log, as it is when its process dies. */
async function leaveLongLog(folder: string): Promise<string> {
  const path = join(folder, 'live.duckdb');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`ATTACH '${path}' AS live; SET checkpoint_threshold = '1TB'`);
  await connection.run('CREATE TABLE live.keyed (id VARCHAR PRIMARY KEY)');
  for (let load = 0; load < 3; load += 1)
    await connection.run(
      `INSERT INTO live.keyed SELECT 'key of a row ' || range || '/${load}' FROM range(${rows / 3})`,
    );
  const left = join(folder, 'behind.duckdb');
  for (const end of ['', '.wal']) copyFileSync(path + end, left + end);
  connection.closeSync();
  instance.closeSync();
  return left;
}

test('a log that takes more memory than the limit is read all the same', async (t) => {
  const left = await leaveLongLog(makeTempFolder(t));
  const alone = await DuckDBInstance.create(':memory:', { memory_limit: limit });
  const connection = await alone.connect();
  const thrown = await connection.run(`ATTACH '${left}' AS behind`).then(
    () => null,
    (error: unknown) => error,
  );
  connection.closeSync();
  alone.closeSync();
  assert.match(
    openFailure(left, thrown).message,
    /takes more memory than DuckDB may use; raise duckdb\.memory_limit/,
  );
  const database = await Database.open({
    db_path: left,
    duckdb_extensions: [],
    duckdb: { threads: null, memory_limit: limit, checkpoint_threshold: null, settings: {} },
  });
  const asking = await database.connect();
  const found = await asking.runAndReadAll(`SELECT count(*) FROM ${database.catalog}.keyed`);
  assert.deepEqual(found.getRows(), [[BigInt(rows)]]);
  asking.closeSync();
  await database.close();
});

/** Replaces the rows of a table over Flight. */
const replaceRows = `
import json, sys
import numpy as np, pyarrow as pa, pyarrow.flight as flight
client = flight.connect(sys.argv[1])
rows, version = int(sys.argv[2]), int(sys.argv[3])
table = pa.table({"id": np.arange(rows), "version": np.full(rows, version)})
command = json.dumps({"stream_name": "keyed", "mode": "overwrite"})
writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), table.schema)
writer.write_table(table)
writer.done_writing()
print(reader.read().to_pybytes().decode())
writer.close()`;

test('a large table with a primary key that was replaced has all its keys after kill -9', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  assert.equal(await server.stop(), 0);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const attach = `ATTACH '${server.dbPath}' AS file`;
  await connection.run(`${attach}; CREATE TABLE file.keyed (id BIGINT PRIMARY KEY, version BIGINT)`);
  await connection.run('DETACH file');
  await server.restart();
  const large = 130_000;
  for (const version of [1, 2]) {
    const args = [server.flightUrl, `${large}`, `${version}`];
    const receipt = await runPythonJson<{ rows_processed: number }>(replaceRows, args);
    assert.equal(receipt.rows_processed, large);
  }
  await server.kill();
  await connection.run(attach);
  const found = await connection.runAndReadAll(
    `SELECT count(*), (SELECT version FROM file.keyed WHERE id = 5),
            (SELECT version FROM file.keyed WHERE id = ${large - 1}) FROM file.keyed`,
  );
  assert.deepEqual(found.getRows(), [[BigInt(large), 2n, 2n]]);
  await assert.rejects(connection.run('INSERT INTO file.keyed VALUES (5, 3)'), /Duplicate key/);
  connection.closeSync();
  instance.closeSync();
});
