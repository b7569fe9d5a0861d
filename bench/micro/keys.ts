// What a lookup of an idempotency key costs when a thousand and when a million keys are remembered, and what forgetting
// them costs those who look up meanwhile: node bench/micro/keys.ts [--keys 1000,1000000]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Database } from '../../src/backends/duckdb/database.ts';
import { KeyLedger } from '../../src/backends/duckdb/key-ledger.ts';
import { internalSchema, TableCatalog } from '../../src/backends/duckdb/table-catalog.ts';

const { values } = parseArgs({ options: { keys: { type: 'string', default: '1000,1000000' } } });
const lookups = 500;
const table = { schema: null, name: 'events' };

for (const count of values.keys.split(',').map(Number)) {
  const folder = mkdtempSync(join(tmpdir(), 'arrowport-keys-'));
  const database = await Database.open({
    db_path: join(folder, 'keys.duckdb'),
    duckdb_extensions: [],
    duckdb: { threads: null, memory_limit: null, checkpoint_threshold: null, settings: {} },
  });
  try {
    await measure(database, count);
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(database: Database, count: number): Promise<void> {
  await TableCatalog.open(database);
  let now = Date.now();
  const ledger = await KeyLedger.open(
    database,
    () => 1,
    () => now,
  );
  const connection = await database.connect();
  const filledAt = performance.now();
  await connection.run(
    `INSERT INTO "${database.catalog}"."${internalSchema}".committed_loads
     SELECT '["main","events","key-' || i || '"]', 'events', 'append', 'commit', 1, 1, 1, 1.0, now() FROM range(${count}) t(i)`,
  );
  await database.checkpoint();
  const filledMs = performance.now() - filledAt;
  const hits = await timeLookups(ledger, (turn) => `key-${(turn * 7919) % count}`, true);
  const misses = await timeLookups(ledger, (turn) => `none-${turn}`, false);
  // All are over at once, the worst that a purge can meet.
  now += 2 * 3_600_000;
  const purgedAt = performance.now();
  let purging = true;
  const purge = ledger.purge().finally(() => {
    purging = false;
  });
  let longest = 0;
  while (purging)
    longest = Math.max(longest, ...(await timeLookups(ledger, (turn) => `while-${turn}`, false, 5)));
  await purge;
  const purgedMs = performance.now() - purgedAt;
  const [[left] = []] = (
    await connection.runAndReadAll(
      `SELECT count(*)::INTEGER FROM "${database.catalog}"."${internalSchema}".committed_loads`,
    )
  ).getRows();
  connection.closeSync();
  ledger.close();
  const show = (times: readonly number[]) =>
    `${at(times, 0.5).toFixed(2)} ms (95 %: ${at(times, 0.95).toFixed(2)})`;
  console.log(
    `${count} keys, written in ${filledMs.toFixed(0)} ms: found in ${show(hits)}, not found in ${show(misses)}; ` +
      `forgotten in ${purgedMs.toFixed(0)} ms, ${left} left, the longest lookup meanwhile ${longest.toFixed(1)} ms`,
  );
}

async function timeLookups(
  ledger: KeyLedger,
  keyOf: (turn: number) => string,
  isThere: boolean,
  count = lookups,
): Promise<readonly number[]> {
  const times: number[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const startedAt = performance.now();
    const found = await ledger.find(table, keyOf(turn));
    times.push(performance.now() - startedAt);
    if ((found !== undefined) !== isThere) throw new Error(`The key ${keyOf(turn)} is not as it should be.`);
  }
  return times;
}

function at(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;
}
