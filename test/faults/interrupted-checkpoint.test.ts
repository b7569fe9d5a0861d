import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { mendInterruptedCheckpoint } from '../../src/backends/duckdb/interrupted-checkpoint.ts';
import { getJson, post, queryFile } from '../integration/producers.ts';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython, testPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';

const onLinux = {
  skip: skipWithoutPython || (process.platform !== 'linux' && 'files are locked as on Linux'),
};
const headersBytes = 3 * 4096;
const blockBytes = 262_144;
const pageBytes = 4096;
const pieceBytes = 4088;

const rows = `table = pa.table({"x": np.arange(1000), "text": pa.array([f"text {i}" for i in range(1000)])})`;

/** A server with several checkpoints behind it that was killed with loads in its log. */
async function killedServer(t: TestContext): Promise<TestServer> {
  const server = await startServer(t, { config: 'duckdb: {checkpoint_threshold: 16KB}\n' });
  const body = await arrowBytes(rows);
  for (let load = 0; load < 6; load += 1) {
    const answer = await post(server, `s${load % 3}`, body, { 'idempotency-key': `${load}` });
    assert.equal(answer.status, 200);
  }
  await waitFor('a checkpoint of the server', () => statSync(server.dbPath).size > headersBytes);
  await server.kill();
  return server;
}

interface CheckpointImages {
  /** The file before the checkpoint, and with all that the checkpoint writes but the header that makes it count. */
  readonly before: Buffer;
  readonly after: Buffer;
  readonly log: Buffer;
}

/** Has DuckDB itself stop in the midst of a checkpoint of the server's file. */
async function stopInCheckpoint(server: TestServer): Promise<CheckpointImages> {
  const { dbPath } = server;
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`ATTACH '${dbPath}' AS file; CHECKPOINT file`);
  await connection.run('INSERT INTO file.s0 FROM file.s1');
  const before = readFileSync(dbPath);
  await connection.run("SET debug_checkpoint_abort = 'after_free_list_write'");
  await assert.rejects(connection.run('CHECKPOINT file'), /aborted after free list write/);
  const images = { before, after: readFileSync(dbPath), log: readFileSync(`${dbPath}.wal`) };
  connection.closeSync();
  instance.closeSync();
  return images;
}

/** Where the blocks begin that the checkpoint wrote again in their place. */
function rewrittenBlocks({ before, after }: CheckpointImages): number[] {
  const found: number[] = [];
  for (let at = headersBytes; at + blockBytes <= before.length; at += blockBytes) {
    const [old, now] = [before, after].map((image) => image.subarray(at, at + blockBytes));
    if (old !== undefined && now !== undefined && !old.equals(now) && sharesPieces(old, now)) found.push(at);
  }
  return found;
}

/** Blocks of metadata keep the pieces that are in use; one that was free takes anything. */
function sharesPieces(old: Buffer, now: Buffer): boolean {
  for (let at = 8; at + pieceBytes <= blockBytes; at += pieceBytes) {
    const piece = old.subarray(at, at + pieceBytes);
    if (piece.equals(now.subarray(at, at + pieceBytes)) && piece.some((byte) => byte !== 0)) return true;
  }
  return false;
}

/** A killed server, the images of a checkpoint of its file, and a block that the checkpoint wrote again in its place. */
async function cutOffServer(
  t: TestContext,
): Promise<{ server: TestServer; images: CheckpointImages; block: number }> {
  const server = await killedServer(t);
  const images = await stopInCheckpoint(server);
  const [block] = rewrittenBlocks(images);
  assert.ok(block !== undefined, 'the checkpoint wrote a block again in its place');
  return { server, images, block };
}

/** Counted from the beginning of the block, whose first page has the checksum. */
function lastChangedPage({ before, after }: CheckpointImages, block: number): number {
  let page = blockBytes / pageBytes - 1;
  const isSame = (at: number) =>
    before.subarray(at, at + pageBytes).equals(after.subarray(at, at + pageBytes));
  while (page > 0 && isSame(block + page * pageBytes)) page -= 1;
  assert.ok(page > 0, 'more than a page of the block was written');
  return page;
}

/** The file as it is when the process dies behind so many pages of the block. */
function tear({ before, after }: CheckpointImages, block: number, pages: number): Buffer {
  const torn = Buffer.from(after);
  const end = block + blockBytes;
  before.copy(torn, block + pages * pageBytes, block + pages * pageBytes, end);
  return torn;
}

test(
  'a server starts from a file whose checkpoint was cut off within a block, and has every row',
  onLinux,
  async (t) => {
    const { server, images, block } = await cutOffServer(t);
    for (const pages of new Set([1, lastChangedPage(images, block)])) {
      const torn = tear(images, block, pages);
      writeFileSync(server.dbPath, torn);
      writeFileSync(`${server.dbPath}.wal`, images.log);
      const other = await DuckDBInstance.create(':memory:');
      const connection = await other.connect();
      copyFileSync(server.dbPath, `${server.dbPath}.copy`);
      const refused = connection.run(`ATTACH '${server.dbPath}.copy' AS copy; FROM copy.s0`);
      await assert.rejects(
        refused,
        /computed checksum \d+ does not match/,
        'DuckDB alone reads such a block',
      );
      connection.closeSync();
      other.closeSync();
      await server.restart();
      for (const [stream, count] of [
        ['s0', 4000],
        ['s1', 2000],
        ['s2', 2000],
      ] as const)
        assert.equal((await getJson(server, `/streams/${stream}`)).body['row_count'], count);
      assert.equal((await post(server, 's0', await arrowBytes(rows))).status, 200);
      assert.equal(await server.stop(), 0);
      assert.deepEqual(await queryFile(server, 'select count(*), sum(x) from s0'), [[5000, 5 * 499_500]]);
    }
  },
);

test(
  'blocks that no checkpoint explains are left as they are, and so are files of other processes',
  onLinux,
  async (t) => {
    const { server, images, block } = await cutOffServer(t);
    const torn = tear(images, block, lastChangedPage(images, block));
    const log = `${server.dbPath}.wal`;

    writeFileSync(server.dbPath, torn);
    writeFileSync(log, images.log.subarray(0, -21));
    assert.deepEqual(await mendInterruptedCheckpoint(server.dbPath), []);
    writeFileSync(log, '');
    assert.deepEqual(await mendInterruptedCheckpoint(server.dbPath), []);
    assert.deepEqual(readFileSync(server.dbPath), torn);

    writeFileSync(log, images.log);
    const locks =
      'import fcntl, sys\nf = open(sys.argv[1], "r+b")\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint("locked", flush=True)\nsys.stdin.read()';
    const other = spawn(testPython ?? '', ['-c', locks, server.dbPath]);
    t.after(() => void other.kill('SIGKILL'));
    await once(other.stdout, 'data');
    assert.deepEqual(await mendInterruptedCheckpoint(server.dbPath), []);
    assert.deepEqual(readFileSync(server.dbPath), torn);
    other.stdin.end();
    await once(other, 'exit');
    assert.deepEqual(await mendInterruptedCheckpoint(server.dbPath), [(block - headersBytes) / blockBytes]);
    assert.deepEqual(await mendInterruptedCheckpoint(server.dbPath), []);
  },
);
