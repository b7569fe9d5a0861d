import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Database } from '../../src/backends/duckdb/database.ts';
import { KeyLedger } from '../../src/backends/duckdb/key-ledger.ts';
import { TableCatalog } from '../../src/backends/duckdb/table-catalog.ts';
import { createSteadyClock } from '../../src/core/steady-clock.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const hourMs = 3_600_000;
const table = { schema: null, name: 'rows' };

/** The keys of a real database file, under clocks that the test turns. */
async function openLedger(t: TestContext) {
  const time = { wall: Date.now(), elapsed: 0 };
  const path = join(makeTempFolder(t), 'keys.duckdb');
  const database = await Database.open({
    db_path: path,
    duckdb_extensions: [],
    duckdb: { threads: null, memory_limit: null, checkpoint_threshold: null, settings: {} },
  });
  const catalog = await TableCatalog.open(database);
  const clock = createSteadyClock(
    () => time.wall,
    () => time.elapsed,
  );
  const ledger = await KeyLedger.open(database, () => 168, clock);
  t.after(async () => {
    ledger.close();
    catalog.close();
    await database.close();
  });
  const record = async (key: string) => {
    const connection = await database.connect();
    const kept = { stream: 's', mode: 'append', rows: 1, commitId: key, batches: 1, bytes: 1, durationMs: 1 };
    await ledger.record(connection, table, key, kept);
    connection.closeSync();
  };
  const isKnown = async (key: string) => (await ledger.find(table, key)) !== undefined;
  return { time, ledger, record, isKnown };
}

test('a clock that jumps a year ahead makes no key expire, and none is removed', async (t) => {
  const { time, ledger, record, isKnown } = await openLedger(t);
  await record('before');
  time.wall += 365 * 24 * hourMs;
  await ledger.purge();
  assert.equal(await isKnown('before'), true);
  await record('meanwhile');
  time.wall -= 365 * 24 * hourMs;
  await ledger.purge();
  for (const key of ['before', 'meanwhile']) assert.equal(await isKnown(key), true, key);
});

test('keys expire by the time that has passed', async (t) => {
  const { time, ledger, record, isKnown } = await openLedger(t);
  await record('old');
  const pass = (ms: number) => {
    time.wall += ms;
    time.elapsed += ms;
  };
  pass(167 * hourMs);
  assert.equal(await isKnown('old'), true);
  await record('young');
  pass(2 * hourMs);
  await ledger.purge();
  assert.deepEqual([await isKnown('old'), await isKnown('young')], [false, true]);
});

test('a clock that is set back by a day keeps every key', async (t) => {
  const { time, ledger, record, isKnown } = await openLedger(t);
  await record('before');
  time.wall -= 24 * hourMs;
  await ledger.purge();
  await record('behind');
  assert.deepEqual([await isKnown('before'), await isKnown('behind')], [true, true]);
});
