import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { Database } from '../../src/backends/duckdb/database.ts';
import { openFailure } from '../../src/backends/duckdb/open-failure.ts';
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
