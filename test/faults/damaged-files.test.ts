import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { getJson, post, queryFile } from '../integration/producers.ts';
import { arrowBytes } from '../support/arrow.ts';
import { runPythonJson, skipWithoutPython, testPython } from '../support/python.ts';
import { runRefusedStart } from '../support/refused-start.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { mountSmallDisk, skipWithoutSmallDisk } from './small-disk.ts';

const needsPython = { skip: skipWithoutPython };

/** Starts the product on a file that it must refuse in one line. */
async function assertRefused(t: TestContext, dbPath: string, says: RegExp): Promise<void> {
  const { code, text } = await runRefusedStart(t, makeTempFolder(t), ['--host', '127.0.0.1', '--db', dbPath]);
  assert.match(text, says);
  assert.equal(text.split('\n').length, 1, text);
  assert.equal(code, 1);
}

/** A server that was killed with two loads in its write-ahead log. */
async function killedServer(t: TestContext): Promise<TestServer> {
  const server = await startServer(t);
  const body = await arrowBytes('table = pa.table({"x": np.arange(1000)})');
  for (const key of ['1', '2'])
    assert.equal((await post(server, 's', body, { 'idempotency-key': key })).status, 200);
  await server.kill();
  return server;
}

test(
  'a file that is damaged, or no database, is refused at the start in one line',
  needsPython,
  async (t) => {
    const folder = makeTempFolder(t);
    const write = (name: string, bytes: Uint8Array) => {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      return path;
    };
    const whole = join(folder, 'whole.duckdb');
    await runPythonJson(
      `
import duckdb, sys
with duckdb.connect(sys.argv[1]) as db:
    db.execute("create table t as select random() x from range(200000)")
print("{}")`,
      [whole],
    );
    const bytes = readFileSync(whole);
    const overwritten = Buffer.from(bytes);
    overwritten.fill(0xff, 4096, 4160);
    overwritten.fill(0xff, 8192, 8256);
    await assertRefused(
      t,
      write('letter.duckdb', Buffer.from('Dear Sir or Madam, '.repeat(500))),
      /is not a DuckDB database/,
    );
    await assertRefused(
      t,
      write('cut.duckdb', bytes.subarray(0, 300_000)),
      /cut\.duckdb: the file is damaged; restore it/,
    );
    await assertRefused(
      t,
      write('overwritten.duckdb', overwritten),
      /overwritten\.duckdb: the file is damaged.*\(.*checksum \d+.*\)$/,
    );
    mkdirSync(join(folder, 'folder.duckdb'));
    await assertRefused(t, join(folder, 'folder.duckdb'), /this is a folder/);
    await assertRefused(t, join(folder, 'none', 'x.duckdb'), /its folder does not exist; create it/);
  },
);

test(
  'a write-ahead log that is damaged is refused, one that a crash cut off is read to its end',
  needsPython,
  async (t) => {
    const server = await killedServer(t);
    const log = `${server.dbPath}.wal`;
    const bytes = readFileSync(log);
    const overwritten = Buffer.from(bytes);
    overwritten.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 40);
    for (const damaged of [overwritten, Buffer.from('no log'.repeat(200))]) {
      writeFileSync(log, damaged);
      await assertRefused(t, server.dbPath, /write-ahead log.*is damaged; restore/);
      assert.deepEqual(readFileSync(log), damaged, 'nothing of it is lost by the refusal');
    }
    // As it would be when the machine stopped while a third load was written: what was acknowledged is there.
    writeFileSync(log, Buffer.concat([bytes, bytes.subarray(24, 200)]));
    await server.restart();
    assert.equal((await getJson(server, '/streams/s')).body['row_count'], 2000);
    assert.equal(await server.stop(), 0);
  },
);

test(
  'a database that another process has is refused, and taken once it is let go',
  needsPython,
  async (t) => {
    const server = await killedServer(t);
    const other = spawn(testPython ?? '', [
      '-c',
      'import duckdb, sys\ndb = duckdb.connect(sys.argv[1])\nprint("open", flush=True)\nsys.stdin.read()',
      server.dbPath,
    ]);
    t.after(() => void other.kill('SIGKILL'));
    await once(other.stdout, 'data');
    await assertRefused(t, server.dbPath, /another process has the database open; stop it/);
    other.stdin.end();
    await once(other, 'exit');
    await server.restart();
    assert.equal((await getJson(server, '/streams/s')).body['row_count'], 2000);
  },
);

test('a disk that cannot be written refuses a start, and takes it once it can', {
  skip: skipWithoutPython || skipWithoutSmallDisk,
}, async (t) => {
  const disk = mountSmallDisk(t, 16);
  const server = await startServer(t, { config: `db_path: ${disk.folder}/rows.duckdb\n` });
  const body = await arrowBytes('table = pa.table({"x": np.arange(1000)})');
  assert.equal((await post(server, 's', body)).status, 200);
  assert.equal(await server.stop(), 0);
  disk.setWritable(false);
  await assertRefused(
    t,
    server.dbPath,
    /cannot be written; check its owner, its mode and how the disk is mounted/,
  );
  disk.setWritable(true);
  await server.restart();
  assert.equal((await post(server, 's', body)).status, 200);
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await queryFile(server, 'select count(*) from s'), [[2000]]);
});
