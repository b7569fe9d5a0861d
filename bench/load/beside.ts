import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPythonJson, testPython } from '../../test/support/python.ts';
import { startServer } from '../../test/support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../../test/support/temp-folder.ts';
import { makeDatabase, peers } from './query-database.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
  },
});

const scans = [
  { title: 'all rows', sql: 'SELECT * FROM lines' },
  { title: 'sums', sql: 'SELECT count(*), sum(value), max(device), min(site) FROM lines' },
  { title: 'groups', sql: 'SELECT device, avg(value), count(*) FROM lines GROUP BY device' },
];

/** Starts a reader that asks for the same result again and again; resolves at its first row with what ends it. */
async function startScan(address: string, sql: string): Promise<() => Promise<void>> {
  const child = spawn(testPython ?? '', [join(peers, 'scan_repeatedly.py'), address, sql], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.resume();
  return async () => {
    child.kill();
    await ended;
  };
}

/** One round on a server of its own: million rows a second that are loaded alone, and beside each scan. */
async function measure(database: string): Promise<{ alone: number; beside: number[] }> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const owner: CleanupOwner = { after: (cleanup) => void cleanups.push(cleanup) };
  try {
    const own = join(makeTempFolder(owner), 'own.duckdb');
    copyFileSync(database, own);
    const { flightUrl } = await startServer(owner, { config: `db_path: ${own}\n` });
    const stream = join(database, '..', 'warm-up.arrows');
    const load = (table: string) =>
      runPythonJson<number>(join(peers, 'load_repeatedly.py'), [flightUrl, table, options.seconds, stream]);
    const alone = await load('alone');
    const beside: number[] = [];
    for (const [index, { sql }] of scans.entries()) {
      const end = await startScan(flightUrl, sql);
      beside.push(await load(`beside_${index}`));
      await end();
    }
    return { alone, beside };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Prints what loads keep of their speed beside one reader: medians of ratios, each to the same server without it. */
async function main(): Promise<void> {
  const database = await makeDatabase('5000000');
  const rounds: { alone: number; beside: number[] }[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) rounds.push(await measure(database));
  console.log(`loads alone             ${median(rounds.map(({ alone }) => alone)).toFixed(2)} M rows/s`);
  for (const [index, { title }] of scans.entries()) {
    const ratio = median(rounds.map(({ alone, beside }) => (beside[index] ?? 0) / alone));
    console.log(`beside a reader of ${title.padEnd(10)} ${ratio.toFixed(2)} × that`);
  }
}

await main();
